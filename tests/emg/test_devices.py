"""The list of what EMG can come from; every entry's settings open it."""

from __future__ import annotations

import socket
import threading
import time

import pytest

from app.config import EmgMode
from app.emg import devices
from app.emg.brainflow.boards import find_board
from app.emg.brainflow.sdk import LOADERS, load_brainflow
from app.emg.devices import Device, absent, find
from app.emg.lsl.library import load_pylsl
from app.emg.otb.probes import PORTS
from app.emg.serial_device import port as serial_port
from app.emg.serial_device.port import PortInfo
from app.variables import OTB_PROBES as KINDS
from app.variables import VARIABLES
from tests.emg.extras import require_extra
from tests.emg.lsl_streams import own, sending


def test_a_serial_port_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    uno = PortInfo(device="/dev/ttyACM0", description="Arduino Uno", vendor_product="2341:0043")
    monkeypatch.setattr(serial_port, "list_ports", lambda: [uno])
    first = find(0.0)[0]
    assert (first.kind, first.there, first.about) == ("serial", True, "Arduino Uno")
    assert first.settings == {"EMG_MODE": "realtime", "EMG_PORT": "/dev/ttyACM0", "EMG_USB": "2341:0043"}


def test_every_setting_is_one_and_what_is_there_comes_first() -> None:
    found = find(0.0)
    names = {variable.name for variable in VARIABLES}
    for device in found:
        assert set(device.settings) <= names
        assert device.settings["EMG_MODE"] in {mode.value for mode in EmgMode}
    there = [device.there for device in found]
    assert there == sorted(there, reverse=True)


@pytest.mark.parametrize("mode", ["brainflow", "mindrove"])
def test_every_board_that_needs_nothing_more_is_opened_by_its_settings(mode: str) -> None:
    require_extra(LOADERS[mode])
    boards = [device for device in find(0.0) if device.kind == mode]
    assert [device.name for device in boards if device.there] == ["synthetic"]
    for device in boards:
        if not device.needs:
            board = find_board(device.settings["EMG_BOARD"], sdk=LOADERS[mode]())
            assert board.description == device.description


def test_streams_of_a_fixed_rate_are_found() -> None:
    require_extra(load_pylsl)
    name = own("listed")
    with sending(name, 3, 200.0):
        until = time.monotonic() + 20.0
        while not (found := [device for device in find(0.5) if device.name == name]):
            assert time.monotonic() < until
    assert found[0].settings == {"EMG_MODE": "lsl", "EMG_LSL": f"name={name}"}
    assert found[0].description is not None
    assert (found[0].description.channels, found[0].description.sampling_rate) == (3, 200.0)


def test_probes_that_dial_in_are_there(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    monkeypatch.setattr(devices, "PORTS", {**PORTS, "muovi": port, "muovi+": port})

    def probe() -> None:
        until = time.monotonic() + 10.0
        while time.monotonic() < until:
            try:
                with socket.create_connection(("127.0.0.1", port), timeout=5.0) as dialled:
                    dialled.recv(1)
                return
            except OSError:
                time.sleep(0.05)

    dialling = threading.Thread(target=probe)
    dialling.start()
    found = [device for device in find(2.0) if device.kind == "otb"]
    dialling.join()
    assert {device.name: device.there for device in found} == {
        kind: kind.startswith("muovi") for kind in KINDS
    }
    assert "dialled in from 127.0.0.1" in found[0].about


def test_a_kind_whose_package_is_absent_is_left_out_with_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    require_extra(load_brainflow)
    monkeypatch.setitem(__import__("sys").modules, "mindrove", None)
    assert not [device for device in find(0.0) if device.kind == "mindrove"]
    (line,) = [line for line in absent() if "mindrove" in line]
    assert line.endswith("install requirements-devices.txt")


def test_a_device_needs_no_description() -> None:
    assert Device(kind="serial", name="x", there=True, settings={}).description is None
