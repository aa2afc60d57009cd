"""What comes beside EMG, and boards that are no devices: with the real BrainFlow and MindRove's SDK."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from app.emg.auxiliary import AuxChunk
from app.emg.brainflow import child_opening
from app.emg.brainflow.boards import Board, find_board
from app.emg.brainflow.sdk import load_brainflow, load_mindrove
from app.emg.brainflow.source import BoardSource
from app.emg.source import Chunk
from app.errors import SourceError
from tests.emg.extras import require_extra

require_extra(load_brainflow)

LATE_S = 20.0


def some(source: BoardSource, enough: Callable[[list[Chunk]], bool]) -> list[Chunk]:
    chunks: list[Chunk] = []
    until = time.monotonic() + LATE_S
    while not enough(chunks):
        assert time.monotonic() < until
        chunk = source.read()
        assert chunk is not None
        chunks.append(chunk)
    return chunks


def of_stream(source: BoardSource, chunks: list[Chunk], name: str) -> list[AuxChunk]:
    number = [stream.name for stream in source.aux_streams].index(name)
    return [aux for chunk in chunks for aux in chunk.aux if aux.stream == number]


def test_another_preset_lies_on_the_axis_of_the_emg() -> None:
    """The synthetic board makes a sample of both presets at the same time."""
    source = BoardSource(find_board("synthetic"))
    try:
        chunks = some(source, lambda chunks: sum(len(chunk.samples) for chunk in chunks) > 400)
    finally:
        source.close()
    found = of_stream(source, chunks, "accelerometer_auxiliary")
    assert sum(len(aux.samples) for aux in found) > 300
    last = found[-1]
    emg_end = chunks[-1].index + len(chunks[-1].samples)
    assert abs(last.at + len(last.samples) - emg_end) < 25, "0.1 s of 250 Hz, on a busy machine"
    assert all(b.at > a.at for a, b in pairwise(found))
    beside = of_stream(source, chunks, "accelerometer")
    assert sum(len(aux.samples) for aux in beside) == sum(len(chunk.samples) for chunk in chunks)


@pytest.fixture
def recorded(tmp_path: Path) -> Path:
    """A file as BrainFlow writes it: 200 samples of a Cyton, channel c of sample k is 1000 c + k."""
    board = find_board("cyton", port="/dev/absent")
    data = np.zeros((24, 200))
    data[0] = np.arange(200) % 256
    for number, row in enumerate(board.rows):
        data[row] = 1000.0 * number + np.arange(200)
    data[22] = 1.7e9 + np.arange(200) / 250.0
    path = tmp_path / "recorded.csv"
    np.savetxt(path, data.T, delimiter="\t", fmt="%.6f")
    return path


def test_a_played_file_begins_again_and_says_so(recorded: Path) -> None:
    source = BoardSource(find_board("playback_file", f"master_board=cyton,file={recorded}"))
    assert (source.channels, source.sampling_rate) == (8, 250.0)
    try:
        chunks = some(source, lambda chunks: any(chunk.restart for chunk in chunks[1:]))
    finally:
        source.close()
    again = next(chunk for chunk in chunks[1:] if chunk.restart)
    assert again.samples[0].tolist() == [1000.0 * channel for channel in range(8)]
    before = chunks[: chunks.index(again)]
    assert [chunk.index for chunk in before] == np.cumsum(
        [0, *(len(chunk.samples) for chunk in before[:-1])]
    ).tolist()
    # the last of a file, BrainFlow may keep to itself; what is missing is not counted as lost
    assert again.index == sum(len(chunk.samples) for chunk in before)
    assert len(of_stream(source, chunks, "accelerometer")) > 0


def test_a_file_that_is_played_once_ends(recorded: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.emg.brainflow.source.SILENT_S", 1.0)
    source = BoardSource(find_board("playback_file", f"master_board=cyton,file={recorded}"), loop=False)
    count, until = 0, time.monotonic() + LATE_S
    while (chunk := source.read()) is not None:
        assert time.monotonic() < until
        count += len(chunk.samples)
    assert count >= 199
    source.close()


SENDER = """
import sys, time
from brainflow.board_shim import BoardShim, BrainFlowInputParams
BoardShim.disable_board_logger()
shim = BoardShim(-1, BrainFlowInputParams())
shim.prepare_session()
shim.add_streamer(f"streaming_board://225.1.1.1:{sys.argv[1]}", 0)
shim.start_stream(1000)
print("sending", flush=True)
time.sleep(30)
"""


def test_a_network_stream_is_described_by_its_master() -> None:
    port = 20000 + os.getpid() % 20000
    sender = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", SENDER, str(port)], stdout=subprocess.PIPE
    )
    try:
        assert sender.stdout is not None
        sender.stdout.readline()
        given = f"master_board=synthetic,ip_address=225.1.1.1,ip_port={port}"
        source = BoardSource(find_board("streaming", given))
        try:
            chunks = some(source, lambda chunks: sum(len(chunk.samples) for chunk in chunks) > 50)
        finally:
            source.close()
    finally:
        sender.kill()
        sender.communicate()
    assert source.channels == 16
    assert {stream.sampling_rate for stream in source.aux_streams} == {250.0}
    assert len(of_stream(source, chunks, "gyroscope")) > 0


def test_the_two_sdks_live_in_one_process() -> None:
    require_extra(load_mindrove)
    armband = BoardSource(find_board("synthetic", sdk=load_mindrove()), sdk=load_mindrove())
    board = BoardSource(find_board("synthetic"))
    try:
        for source in (armband, board):
            chunks = some(source, lambda chunks: sum(len(chunk.samples) for chunk in chunks) > 50)
            assert chunks[0].samples.shape[1] == 16
            assert len(of_stream(source, chunks, "gyroscope")) > 0
    finally:
        armband.close()
        board.close()
    assert (armband.name, board.name) == ("mindrove", "brainflow")


class TestChild:
    BOARD = Board(id=1, name="SyncBox", rows=(0,), sampling_rate=500.0, counter_row=None)

    def test_a_board_that_ends_the_process_ends_a_child_only(self, monkeypatch: pytest.MonkeyPatch) -> None:
        died = subprocess.CompletedProcess([], -signal.SIGABRT)
        monkeypatch.setattr(child_opening.subprocess, "run", lambda *_, **__: died)
        with pytest.raises(SourceError, match=r"SyncBox: its SDK ends the process .* \(signal 6\)"):
            child_opening.expect_survivable("mindrove", self.BOARD)

    def test_other_boards_are_opened_at_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delattr(child_opening.subprocess, "run")
        child_opening.expect_survivable("brainflow", self.BOARD)

    def test_the_child_opens_what_it_is_told(self) -> None:
        """With a board that is always there."""
        command = [
            sys.executable,
            "-W",
            "ignore",
            "-m",
            child_opening.__name__,
            "brainflow",
            "-1",
            "timeout=3",
        ]
        done = subprocess.run(command, capture_output=True, text=True, timeout=LATE_S, check=False)
        assert (done.returncode, done.stdout) == (0, "")
