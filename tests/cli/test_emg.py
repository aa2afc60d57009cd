"""`flask --app wsgi emg ports|simulate|check`."""

from __future__ import annotations

import json
import os
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from app.cli.emg import emg
from app.emg.brainflow.sdk import load_brainflow
from app.emg.lsl.library import load_pylsl
from app.emg.serial_device import port as serial_port
from app.emg.serial_device.port import PortInfo
from app.emg.serial_device.pseudo_terminal import PseudoTerminal
from tests.emg.devices import fake_device, plugged_in
from tests.emg.extras import require_extra
from tests.emg.lsl_streams import own, sending

pytestmark = pytest.mark.usefixtures("clean_environment")


@pytest.fixture
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("EMG_")]:
        monkeypatch.delenv(name)


def run(*arguments: object, **environment: str) -> Result:
    return CliRunner().invoke(emg, [str(argument) for argument in arguments], env=environment)


def test_ports_says_what_the_settings_would_name(monkeypatch: pytest.MonkeyPatch) -> None:
    uno = PortInfo(
        device="/dev/ttyACM0", description="Arduino Uno", vendor_product="2341:0043", serial_number="77"
    )
    monkeypatch.setattr(serial_port, "list_ports", lambda: [uno, PortInfo(device="/dev/ttyS0")])
    assert run("ports", "--seconds", "0").stdout.splitlines()[:3] == [
        "EMG_PORT=/dev/ttyACM0  EMG_USB=2341:0043:77",
        "  Arduino Uno",
        "EMG_PORT=/dev/ttyS0",
    ]
    found = json.loads(run("ports", "--seconds", "0", "--json").stdout)["ports"]
    assert [(port["device"], port["usb_id"]) for port in found] == [
        ("/dev/ttyACM0", "2341:0043:77"),
        ("/dev/ttyS0", None),
    ]


def test_ports_says_how_to_do_without(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serial_port, "list_ports", list)
    assert "emg simulate --to /tmp/emg0" in run("ports", "--seconds", "0").stdout


def test_ports_lists_what_else_there_is_with_the_settings_that_open_it() -> None:
    require_extra(load_brainflow)
    seen = run("ports", "--seconds", "0").stdout
    assert "EMG_MODE=brainflow EMG_BOARD=synthetic\n" in seen
    assert "16 channels at 250 Hz in uV" in seen
    assert "more boards and probes can be opened if they are there" in seen
    everything = run("ports", "--seconds", "0", "--all").stdout
    assert "EMG_MODE=brainflow EMG_BOARD=galea EMG_BOARD_PARAMS='ip_address=192.168.4.1'\n" in everything
    assert "EMG_MODE=otb EMG_OTB=muovi EMG_OTB_BIND=0.0.0.0\n" in everything
    said = json.loads(run("ports", "--seconds", "0", "--json").stdout)["devices"]
    assert {"serial", "brainflow", "otb"} >= {one["kind"] for one in said} - {"lsl", "mindrove"}
    assert next(one for one in said if one["name"] == "cyton")["description"]["channels"] == 8


@pytest.mark.parametrize(
    ("arguments", "setting"),
    [
        ([], {"EMG_FORMAT": "binary", "EMG_BAUD": "921600"}),
        (["--format", "csv"], {"EMG_FORMAT": "csv", "EMG_BAUD": "2000000"}),
        (["--channels", "8", "--rate", "200", "--format", "csv"], {"EMG_BAUD": "115200"}),
        (["--scale", "0.25", "--frame", "1"], {"EMG_SCALE": "0.25"}),
    ],
)
def test_simulate_prints_the_settings_that_read_it(tmp_path: Path, arguments: list, setting: dict) -> None:
    link = tmp_path / "emg0"
    result = run("simulate", "--to", link, "--seconds", "0.05", "--json", *arguments)
    assert result.exit_code == 0, result.output
    settings = json.loads(result.stdout)
    assert settings.items() >= {"EMG_MODE": "realtime", "EMG_PORT": str(link), **setting}.items()
    assert "EMG_PORT=" in run("simulate", "--to", link, "--seconds", "0.05", *arguments).stdout
    assert not link.is_symlink()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--baud", "9600"], "EMG_BAUD=9600 carries 960 bytes/s"),
        (["--per-frame", "200"], "a frame holds at most 127 samples of 16 channels"),
        (["--per-frame", "200", "--frame", "1"], "a frame holds at most 128 samples of 16 channels"),
        (["--tilt", "50", "--frame", "1"], "--tilt needs --format binary and --frame 2"),
        (["--faults", "explode@5:1"], "kind one of gap"),
        (["--faults", "flat@0:ch99"], "channels 0 to 15"),
        (["--recording", "nothing.npz"], "nothing.npz"),
    ],
)
def test_simulate_refuses_what_cannot_be(tmp_path: Path, arguments: list, words: str) -> None:
    result = run("simulate", "--to", tmp_path / "emg0", "--seconds", "0.05", *arguments)
    assert result.exit_code == 1
    assert result.stderr.startswith("error: ")
    assert words in result.stderr
    assert not (tmp_path / "emg0").is_symlink()


def test_simulate_refuses_a_rate_that_the_recording_does_not_have(tmp_path: Path) -> None:
    path = tmp_path / "one.npz"
    np.savez(path, emg=np.zeros((100, 4), np.int16), fs=200)
    result = run("simulate", "--to", tmp_path / "emg0", "--recording", path, "--rate", "1000")
    assert (result.exit_code, "one.npz, which has 200" in result.stderr) == (1, True)


def test_simulate_does_not_overwrite_a_file(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("data")
    result = run("simulate", "--to", precious, "--seconds", "0.05")
    assert (result.exit_code, "cannot become a link" in result.stderr) == (1, True)
    assert precious.read_text() == "data"


def test_check_of_the_simulator_is_a_report_of_all_that_counts() -> None:
    result = run("check", "--seconds", "2", "--json")
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert (report["source"], report["ok"], report["gaps"], report["errors"]) == ("simulator", True, 0, [])
    assert len(report["quality"]["channels"]) == 16
    assert sum(bin["number"] for bin in report["chunks"]["histogram"]) == report["chunks"]["number"] - 1
    assert "all is well" in run("check", "--seconds", "2").stdout


def test_check_finds_a_dead_channel_and_a_gap() -> None:
    result = run("check", "--seconds", "3", EMG_FAULTS="flat@0:ch3,gap@1000:100")
    assert result.exit_code == 1
    assert "lost      100 samples in 1 gap;" in result.stdout
    assert [line.split()[-1] for line in result.stdout.splitlines() if line.split()[0] == "3"] == ["flat"]
    assert "NOT well" in result.stdout


@pytest.mark.slow
def test_check_reads_a_serial_device_and_its_counters(tmp_path: Path) -> None:
    link = tmp_path / "emg0"
    with fake_device(link, "--damage", "0.01"):
        result = run("check", "--seconds", "3", "--json", EMG_MODE="realtime", EMG_PORT=str(link))
    report = json.loads(result.stdout)
    assert (result.exit_code, report["source"]) == (1, "serial")
    assert (
        report["lost_samples"] == 2 * report["device"]["lost_frames"] > 0
    )  # two a frame go through 921600 baud
    assert report["samples"] >= 5000


def test_check_says_what_it_takes_the_first_number_of_lines_for(tmp_path: Path) -> None:
    link, over = tmp_path / "emg0", threading.Event()

    def send(terminal: PseudoTerminal) -> None:
        """A sketch at 200 Hz that prints millis() in front."""
        sent, began = 0, time.monotonic()
        while not over.wait(0.02):
            due = int((time.monotonic() - began) * 200)
            rows = [",".join([f"{5 * n}", *[f"{n % 7}"] * 8]) for n in range(sent, due)]
            terminal.write("".join(f"{row}\r\n" for row in rows).encode())
            sent = due

    with plugged_in(link) as terminal:
        sender = threading.Thread(target=send, args=(terminal,))
        sender.start()
        settings = {"EMG_MODE": "realtime", "EMG_PORT": str(link), "EMG_FORMAT": "csv"}
        text = run("check", "--seconds", "1", EMG_MODEL="myo-8ch-200hz", **settings).stdout
        report = json.loads(
            run("check", "--seconds", "1", "--json", EMG_MODEL="myo-8ch-200hz", **settings).stdout
        )
        over.set()
        sender.join()
    assert "assumed   the first number of each line is a time in ms" in text
    assert report["assumed"] == ["the first number of each line is a time in ms"]
    assert report["lost_samples"] == report["device"]["lost_samples"] == 0


def test_check_reads_an_lsl_stream_that_is_there() -> None:
    require_extra(load_pylsl)
    name = own("checked")
    with sending(name, 16, 2000.0):
        result = run("check", "--seconds", "1", "--json", EMG_MODE="lsl", EMG_LSL=f"name={name}")
    assert not result.stderr.startswith("error"), result.output
    report = json.loads(result.stdout)
    assert (report["source"], report["errors"]) == ("lsl", [])
    assert report["samples"] > 500


def test_check_says_in_one_line_that_there_is_no_such_port() -> None:
    result = run("check", EMG_MODE="realtime", EMG_PORT="/dev/ttyNOTHING7")
    assert result.exit_code == 1
    assert result.stderr.startswith("error: there is no port /dev/ttyNOTHING7")
    assert result.stderr.count("\n") == 1


def test_check_refuses_a_baud_rate_that_cannot_carry_the_model() -> None:
    result = run("check", EMG_MODE="realtime", EMG_PORT="/dev/ttyUSB0", EMG_BAUD="115200")
    assert (result.exit_code, "what would fit: EMG_BAUD=921600" in result.stderr) == (1, True)


def test_check_has_nothing_to_check_where_clients_push() -> None:
    result = run("check", EMG_MODE="push")
    assert (result.exit_code, "GET /emg/quality" in result.stderr) == (1, True)


@pytest.mark.slow
def test_simulate_is_a_probe_that_dials_in(tmp_path: Path) -> None:
    from app.emg.otb.probes import probe_of
    from app.emg.otb.source import OtbSource

    source = OtbSource(probe_of("sessantaquattro+", "channels=16,rate=1000"), ("127.0.0.1", 0))
    source.listen()
    to = f"127.0.0.1:{source.port}"
    with fake_device(Path(to), "--otb", "sessantaquattro+"):
        count, until = 0, time.monotonic() + 30.0
        while count < 1000:
            assert time.monotonic() < until
            chunk = source.read()
            assert chunk is not None
            count += len(chunk.samples)
    source.close()
    assert source.sums["lost_samples"] == source.sums["slips"] == 0
