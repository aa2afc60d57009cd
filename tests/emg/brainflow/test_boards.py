"""Every EMG board of the installed SDKs, by their own descriptions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from app.emg.brainflow.aux_rows import KINDS
from app.emg.brainflow.boards import Board, describe, find_board
from app.emg.brainflow.needs import needs
from app.emg.brainflow.parameters import parse
from app.emg.brainflow.sdk import LOADERS, Sdk, load_brainflow, load_mindrove
from app.errors import ConfigError
from tests.emg.extras import require_extra

# What a description has besides rows that are delivered as EMG or as auxiliary channels
NOT_SIGNALS = {"name", "num_rows", "sampling_rate", "eeg_names", "emg_channels"}
KEPT = {"package_num_channel", "timestamp_channel"}


def sdk(mode: str) -> Sdk:
    require_extra(LOADERS[mode])
    return LOADERS[mode]()


def emg_boards(of: Sdk) -> list[tuple[str, int, dict]]:
    found = [(name, number, of.describe(number) or {}) for name, number in of.boards.items()]
    return [one for one in found if "emg_channels" in one[2]]


@pytest.mark.parametrize(("mode", "least"), [("brainflow", 28), ("mindrove", 3)])
def test_every_board_with_emg_is_described(mode: str, least: int) -> None:
    boards = emg_boards(sdk(mode))
    assert len(boards) >= least
    for name, number, said in boards:
        board = describe(sdk(mode), number, {}, name)
        assert (board.channels, board.sampling_rate) == (len(said["emg_channels"]), said["sampling_rate"])
        assert board.rows == tuple(said["emg_channels"])
        assert board.description.units == "uV"
        expect_every_row(sdk(mode), board, said)


def expect_every_row(of: Sdk, board: Board, said: dict) -> None:
    """No row of any preset is lost, and none is there twice."""
    for preset in of.presets(board.id):
        described = said if preset == 0 else of.describe(board.id, preset)
        assert described is not None
        assert set(described) <= {*KINDS, *NOT_SIGNALS, *KEPT}, "a kind of rows that we do not know"
        rows = [row for aux in board.aux if aux.preset == preset for row in aux.rows]
        emg = list(board.rows) if preset == 0 else []
        known: set[int] = set()
        for key in set(described) & set(KINDS):
            value = described[key]
            known |= {value} if isinstance(value, int) else set(value)
        assert sorted(rows + emg) == sorted(known | set(emg))
        assert max(rows + emg, default=0) < described["num_rows"]


def test_what_comes_beside_is_named_and_has_the_rate_of_its_preset() -> None:
    galea = describe(sdk("brainflow"), 3, {}, "galea")
    beside = {one.stream.name: one for one in galea.aux}
    assert beside["accelerometer"].stream.channel_names == tuple(f"accelerometer_{axis}" for axis in "xyz")
    assert (beside["accelerometer"].stream.sampling_rate, beside["accelerometer"].stream.units) == (50.0, "g")
    assert (beside["eeg"].stream.sampling_rate, beside["eeg"].preset) == (250.0, 0)
    assert {one.preset for one in galea.aux if one.stream.name.startswith("marker")} == {0, 1}
    names = [one.stream.name for one in galea.aux]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("text", ["wifi", "MINDROVE_WIFI_BOARD", "mindrove-wifi", "0"])
def test_an_armband_is_found_by_its_name_with_or_without_the_makers(text: str) -> None:
    require_extra(load_mindrove)
    board = find_board(text, sdk=load_mindrove())
    assert (board.name, board.channels, board.sampling_rate, board.rows[0]) == ("MindRoveWifi", 8, 500.0, 0)
    assert board.aux[0].rows == (20, 21, 22)


@pytest.mark.parametrize(
    ("board", "settings"),
    [
        ("cyton", "EMG_PORT=/dev/ttyUSB0"),
        ("galea", "EMG_BOARD_PARAMS='ip_address=192.168.4.1'"),
        ("biolistener", "EMG_BOARD_PARAMS='ip_address=192.168.4.1,ip_port=6677'"),
        ("cyton_wifi", "EMG_BOARD_PARAMS='ip_port=6677'"),
        ("ironbci_32", "EMG_PORT=/dev/ttyUSB0"),
        ("streaming", "EMG_BOARD_PARAMS='master_board=cyton,ip_address=192.168.4.1,ip_port=6677'"),
    ],
)
def test_a_board_that_needs_more_says_how_to_give_it(board: str, settings: str) -> None:
    require_extra(load_brainflow)
    with pytest.raises(ConfigError, match="it needs") as caught:
        find_board(board)
    assert str(caught.value).endswith(f"such as {settings}")


def test_every_parameter_that_is_needed_is_one() -> None:
    known = vars(sdk("brainflow").parameters())
    for name in sdk("brainflow").boards:
        assert set(needs(name)) <= set(known)


class TestParameters:
    def test_each_has_its_kind(self, tmp_path: Path) -> None:
        file = tmp_path / "a,b.csv"
        file.touch()
        given = (
            f"ip_address=192.168.4.1, IP_PORT=6677,timeout=5,master_board=cyton,file={file},other_info=a,b"
        )
        assert parse(given, sdk("brainflow")) == {
            "ip_address": "192.168.4.1",
            "ip_port": 6677,
            "timeout": 5,
            "master_board": 0,
            "file": str(file),
            "other_info": "a,b",
        }
        assert parse(" ", sdk("brainflow")) == {}

    @pytest.mark.parametrize(
        ("text", "told"),
        [
            ("ip_adress=1.2.3.4", "ip_adress is not a parameter; did you mean ip_address?"),
            ("colour=red", "colour is not a parameter; there are serial_port, mac_address, ip_address"),
            ("192.168.4.1", "is not allowed: name=value, separated by commas"),
            ("ip_port=70000", "ip_port=70000 is not allowed: a whole number from 0 to 65535"),
            ("ip_port=", "ip_port= is not allowed"),
            ("timeout=5s", "timeout=5s is not allowed: a whole number"),
            ("ip_address=galea.local", "ip_address=galea.local is not an address"),
            ("file=/no/such", "file=/no/such: there is no such file"),
            ("master_board=citon", "master_board=citon: BrainFlow knows no such board; did you mean cyton"),
            ("timeout=1,timeout=2", "timeout is there twice"),
        ],
    )
    def test_what_cannot_be_is_refused(self, text: str, told: str) -> None:
        with pytest.raises(ConfigError) as caught:
            parse(text, sdk("brainflow"))
        assert told in str(caught.value)
        assert "\n" not in str(caught.value)

    def test_two_ports_are_one_too_many(self) -> None:
        require_extra(load_brainflow)
        with pytest.raises(ConfigError, match="are two ports: name one"):
            find_board("cyton", "serial_port=/dev/a", port="/dev/b")


def test_rows_of_the_emgs_preset_have_its_indices() -> None:
    from app.emg.brainflow.aux_rows import AuxReader

    cyton = describe(sdk("brainflow"), 0, {}, "cyton")
    reader = AuxReader(cyton.aux, cyton.sampling_rate)
    data = np.arange(24)[:, None] * 100.0 + np.arange(5)
    chunks = reader.of_emg(np.array([7, 8, 9, 20, 21]), None, data)
    acceleration = [chunk for chunk in chunks if cyton.aux[chunk.stream].stream.name == "accelerometer"]
    assert [(chunk.at, len(chunk.samples)) for chunk in acceleration] == [(7.0, 3), (20.0, 2)]
    np.testing.assert_array_equal(acceleration[1].samples, [[903, 1003, 1103], [904, 1004, 1104]])
