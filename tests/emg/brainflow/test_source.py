from __future__ import annotations

import enum
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from app.emg.brainflow.boards import Board, find_board
from app.emg.brainflow.sdk import Sdk, load_brainflow
from app.emg.brainflow.source import SILENT_S, BoardSource
from app.errors import ConfigError, SourceError
from tests.emg.extras import require_extra
from tests.fakes import FakeClock

BOARD = Board(id=7, name="Fake", rows=(1, 2), sampling_rate=250.0, counter_row=0)


class FakeError(Exception):
    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class FakeShim:
    """Stands where brainflow.board_shim does: a board that the test feeds, and that may not be there."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.data: list[np.ndarray] = []
        self.refuses: FakeError | None = None
        self.parameters: Any = None
        self._counter = 0

    def BoardShim(self, board_id: int, parameters: Any) -> FakeShim:  # noqa: N802
        self.parameters = parameters
        return self

    @property
    def sdk(self) -> Sdk:
        return Sdk(mode="brainflow", title="BrainFlow", api=self, error=FakeError, parameters=SimpleNamespace)

    def give(self, count: int, skip: int = 0) -> None:
        numbers = self._counter + skip + np.arange(count)
        self._counter = int(numbers[-1]) + 1
        self.data.append(np.stack([numbers % 256, numbers, -numbers, numbers * 0]).astype(float))

    def prepare_session(self) -> None:
        self.calls.append("prepare")
        if self.refuses is not None:
            raise self.refuses

    def start_stream(self, kept: int) -> None:
        self.calls.append("start")

    def get_board_data(self) -> np.ndarray:
        return self.data.pop(0) if self.data else np.zeros((4, 0))

    def is_prepared(self) -> bool:
        return self.calls.count("prepare") > self.calls.count("release")

    def release_session(self) -> None:
        self.calls.append("release")


@pytest.fixture
def shim() -> FakeShim:
    return FakeShim()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def source(shim: FakeShim, clock: FakeClock) -> BoardSource:
    return BoardSource(BOARD, sdk=shim.sdk, clock=clock, sleep=clock.advance)


def test_the_rows_of_the_board_become_channels(source: BoardSource, shim: FakeShim) -> None:
    shim.give(3)
    chunk = source.read()
    assert chunk is not None
    assert chunk.samples.dtype == np.float32
    assert np.array_equal(chunk.samples, [[0, 0], [1, -1], [2, -2]])
    assert (source.channels, source.sampling_rate, source.units) == (2, 250.0, "uV")


def test_lost_packages_are_a_gap(source: BoardSource, shim: FakeShim) -> None:
    shim.give(300)
    shim.give(10, skip=25)
    first, second = source.read(), source.read()
    assert first is not None
    assert second is not None
    assert (first.index, len(first.samples), second.index, second.restart) == (0, 300, 325, False)


def test_a_ganglions_numbers_are_no_gaps(source: BoardSource, shim: FakeShim) -> None:
    """It counts 0, 101, 101, 102, 102 .. 200, 200: loss was 0.5, the rate 425 Hz, and most frames were missing."""
    turn = [0, *(number for number in range(101, 201) for _ in range(2))]
    numbers = np.array(turn * 10, float)
    for at in range(0, len(numbers), 20):
        shim.data.append(np.stack([numbers[at : at + 20]] * 4))
    chunks = [source.read() for _ in range(0, len(numbers), 20)]
    assert [chunk.index for chunk in chunks if chunk] == list(range(0, len(numbers), 20))
    assert source.notes == ("the package numbers come again every 201 samples",)


def test_the_scale_makes_the_models_units(shim: FakeShim, clock: FakeClock) -> None:
    source = BoardSource(BOARD, sdk=shim.sdk, scale=0.5, units="mV", clock=clock, sleep=clock.advance)
    shim.give(5)
    chunk = source.read()
    assert chunk is not None
    assert chunk.samples[4].tolist() == [2.0, -2.0]


def test_a_silent_board_is_an_error_and_is_opened_anew(
    source: BoardSource, shim: FakeShim, clock: FakeClock
) -> None:
    """BrainFlow says nothing when a dongle is pulled out: only the samples stop."""
    shim.give(100)
    source.read()
    with pytest.raises(SourceError, match="Fake has sent nothing for 5 s"):
        source.read()
    shim.refuses = FakeError("BOARD_NOT_READY_ERROR:7 unable to prepare", 7)
    with pytest.raises(SourceError, match=r"Fake: the board does not answer.*\(BOARD_NOT_READY_ERROR\)"):
        source.read()
    shim.refuses = None
    shim.give(10)
    chunk = source.read()
    assert chunk is not None
    assert chunk.restart
    assert chunk.index == pytest.approx(100 + SILENT_S * 250, abs=5), "the time it was away counts as lost"
    assert shim.calls == ["prepare", "start", "release", "prepare", "prepare", "start"]
    assert source.sums == {"opened": 2}


def test_a_board_that_is_slow_to_speak_is_waited_for_again_after_it_came_back(
    source: BoardSource, shim: FakeShim, clock: FakeClock
) -> None:
    shim.give(10)
    source.read()
    with pytest.raises(SourceError):
        source.read()
    clock.advance(60.0)
    began = clock.now
    with pytest.raises(SourceError, match="nothing for"):
        source.read()
    assert clock.now - began >= SILENT_S


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (FakeError("INVALID_ARGUMENTS_ERROR:13 x", 13), "name its serial port in EMG_PORT"),
        (FakeError("UNABLE_TO_OPEN_PORT_ERROR:2 x", 2), "is EMG_PORT right, and may you use it"),
        (FakeError("SYNC_TIMEOUT_ERROR:10 x", 10), "Fake: BrainFlow says SYNC_TIMEOUT_ERROR"),
    ],
    ids=["no port", "bad port", "anything else"],
)
def test_what_brainflow_complains_of_is_one_line_with_a_cure(
    source: BoardSource, shim: FakeShim, error: FakeError, told: str
) -> None:
    shim.refuses = error
    with pytest.raises(SourceError, match=told) as caught:
        source.read()
    assert "\n" not in str(caught.value)


def test_what_may_take_long_goes_aside_and_nothing_else_does(shim: FakeShim, clock: FakeClock) -> None:
    """A Cyton that is switched off takes six seconds to be given up: streams must go on meanwhile."""
    asked: list[list[str]] = []

    def aside(job: Any, timeout_s: float | None) -> bool:
        before = len(shim.calls)
        job()
        asked.append(shim.calls[before:])
        return True

    source = BoardSource(BOARD, sdk=shim.sdk, aside=aside, clock=clock, sleep=clock.advance)
    shim.give(10)
    source.read()
    source.close()
    assert asked == [["prepare", "start"], ["release"]]


def test_a_board_that_takes_too_long_is_an_error(shim: FakeShim, clock: FakeClock) -> None:
    source = BoardSource(
        BOARD, sdk=shim.sdk, aside=lambda job, timeout_s: False, clock=clock, sleep=clock.advance
    )
    with pytest.raises(SourceError, match="Fake does not begin within 60 s"):
        source.read()


def test_once_closed_it_ends_and_the_board_is_given_back(source: BoardSource, shim: FakeShim) -> None:
    shim.give(10)
    source.read()
    source.close()
    source.close()
    assert source.read() is None
    assert shim.calls == ["prepare", "start", "release"]


# --- the real BrainFlow -------------------------------------------------------------------------------


@pytest.fixture
def brainflow() -> None:
    require_extra(load_brainflow)


@pytest.mark.usefixtures("brainflow")
class TestBrainFlow:
    @pytest.mark.parametrize("text", ["synthetic", "SYNTHETIC_BOARD", "-1"])
    def test_its_own_description_says_which_channels_are_emg(self, text: str) -> None:
        board = find_board(text)
        assert (board.name, board.channels, board.sampling_rate) == ("Synthetic", 16, 250.0)

    @pytest.mark.parametrize(
        ("text", "told"),
        [
            ("synthetc", r"did you mean synthetic\?"),
            ("muse_2", "by its own description it has no EMG channels, but eeg_channels"),
            ("playback_file", "needs master_board and file, such as EMG_BOARD_PARAMS="),
            ("-100", "BrainFlow knows no board of that number"),
        ],
    )
    def test_a_board_that_cannot_be_used_is_refused_with_the_reason(self, text: str, told: str) -> None:
        with pytest.raises(ConfigError, match=f"EMG_BOARD={text}: .*{told}"):
            find_board(text)

    def test_the_synthetic_board_delivers_every_sample_and_can_be_opened_again(self) -> None:
        for _ in range(2):
            source = BoardSource(find_board("synthetic"))
            chunks = []
            while sum(len(chunk.samples) for chunk in chunks) < 300:  # once round its counter
                chunk = source.read()
                assert chunk is not None
                chunks.append(chunk)
            assert chunks[-1].index + len(chunks[-1].samples) == sum(len(chunk.samples) for chunk in chunks)
            spread = np.concatenate([chunk.samples for chunk in chunks]).std(axis=0)
            assert (spread > 1.0).all(), "sines of 10 to 200 uV"
            source.close()
            assert source.read() is None

    def test_a_board_on_no_port_says_so(self) -> None:
        with pytest.raises(
            ConfigError, match="EMG_BOARD=cyton: it needs serial_port, such as EMG_PORT=/dev/ttyUSB0"
        ):
            find_board("cyton")
        with pytest.raises(SourceError, match="Cyton: the port cannot be opened"):
            BoardSource(find_board("cyton", port="/dev/no-such-port")).read()

    def test_every_cure_is_for_a_code_that_brainflow_has(self) -> None:
        from brainflow.exit_codes import BrainFlowExitCodes

        from app.emg.brainflow.troubles import CURES

        assert issubclass(BrainFlowExitCodes, enum.IntEnum)
        assert set(CURES) <= {int(code) for code in BrainFlowExitCodes}
