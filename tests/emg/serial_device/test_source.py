from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from app.emg.serial_device import source as serial_source
from app.emg.serial_device.port import PortInfo, SerialPort, find_usb
from app.emg.serial_device.pseudo_terminal import PseudoTerminal
from app.emg.serial_device.source import SerialSource
from app.emg.source import Chunk
from app.errors import ConfigError, SourceError
from tests.emg.devices import fake_device, options, plugged_in, samples, send, unplug
from tests.fakes import FakeClock

BEING_READ = threading.Event()
LATE_S = 20.0


@pytest.fixture
def link(tmp_path: Path) -> Path:
    return tmp_path / "emg0"


@pytest.fixture
def terminal(link: Path) -> Iterator[PseudoTerminal]:
    with plugged_in(link) as terminal:
        yield terminal


def opened(link: Path, terminal: PseudoTerminal, first: int = 0) -> SerialSource:
    """A source that has read ten samples."""
    source = SerialSource(options(link))
    start = threading.Thread(target=lambda: send_when_listened_to(terminal, first, 10))
    start.start()
    assert read(source, 10) == list(range(first, first + 10))
    start.join()
    return source


@pytest.fixture(autouse=True)
def being_read(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """BEING_READ is set while a source reads its port: opening one drops what came before."""

    class Noticed(SerialPort):
        def read(self, timeout_s: float) -> bytes:
            BEING_READ.set()
            return super().read(timeout_s)

        def close(self) -> None:
            BEING_READ.clear()
            super().close()

    monkeypatch.setattr(serial_source, "SerialPort", Noticed)
    yield
    BEING_READ.clear()


def send_when_listened_to(terminal: PseudoTerminal, first: int, count: int) -> None:
    assert BEING_READ.wait(LATE_S)
    send(terminal, first, count)


def chunks(source: SerialSource, count: int) -> list[Chunk]:
    found: list[Chunk] = []
    while sum(len(chunk.samples) for chunk in found) < count:
        chunk = source.read()
        assert chunk is not None
        found.append(chunk)
    return found


def read(source: SerialSource, count: int) -> list[int]:
    """The numbers that the samples tell."""
    return [int(row[0]) for chunk in chunks(source, count) for row in chunk.samples]


def test_samples_arrive_in_units_with_their_index(link: Path, terminal: PseudoTerminal) -> None:
    source = SerialSource(options(link, scale=0.5, units="mV"))
    starter = threading.Thread(target=send_when_listened_to, args=(terminal, 40, 10))
    starter.start()
    (first, *_) = found = chunks(source, 10)
    starter.join()
    np.testing.assert_array_equal(
        np.concatenate([c.samples for c in found]), samples(40, 10) * np.float32(0.5)
    )
    assert (first.index, first.restart, first.samples.dtype) == (0, True, np.float32)
    assert (source.units, source.channels, source.sampling_rate) == ("mV", 4, 1000.0)
    source.close()


def test_lost_frames_move_the_index_on(link: Path, terminal: PseudoTerminal) -> None:
    source = opened(link, terminal)
    send(terminal, 17, 3)
    (chunk,) = chunks(source, 3)
    assert (chunk.index, chunk.restart) == (17, False)
    assert source.sums["lost_samples"] == 7
    source.close()


def test_what_is_assumed_of_the_lines_is_said_once(
    link: Path, terminal: PseudoTerminal, caplog: pytest.LogCaptureFixture
) -> None:
    """`millis()` in front was taken for a counter that lost 80 %."""
    source = SerialSource(options(link, format="csv", channels=2, sampling_rate=200.0))
    lines = b"\n" + b"".join(b"%d,%d,7\r\n" % (5000 + 5 * k, k) for k in range(400) if k != 100)

    def send_lines() -> None:
        assert BEING_READ.wait(LATE_S)
        for at in range(0, len(lines), 500):
            terminal.write(lines[at : at + 500])
            time.sleep(0.01)

    sender = threading.Thread(target=send_lines)
    sender.start()
    with caplog.at_level("INFO", logger=serial_source.__name__):
        assert read(source, 399) == [k for k in range(400) if k != 100]
    sender.join()
    note = "the first number of each line is a time in ms"
    assert [note in record.getMessage() for record in caplog.records].count(True) == 1
    assert source.notes == (note,)
    assert source.sums["lost_samples"] == 1
    source.close()


def test_a_hundred_times_unplugged_and_back_the_index_never_falls_and_each_return_is_a_restart(
    link: Path,
) -> None:
    source = SerialSource(options(link))
    index = 0
    for cycle in range(100):
        with plugged_in(link) as terminal:
            starter = threading.Thread(target=send_when_listened_to, args=(terminal, 50 * cycle, 20))
            starter.start()
            found = chunks(source, 20)
            starter.join()
            assert [chunk.restart for chunk in found] == [True, *[False] * (len(found) - 1)]
            for chunk in found:
                assert chunk.index == index  # counts on: not from 0, and not over the time it was away
                index += len(chunk.samples)
        with pytest.raises(SourceError, match="unplugged"):
            source.read()
        with pytest.raises(SourceError, match="there is no port"):
            source.read()
    assert source.sums["opened"] == 100
    assert source.sums["lost_samples"] == 0
    source.close()


def descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def test_no_descriptor_stays_open_after_many_returns(link: Path) -> None:
    source = SerialSource(options(link))
    before = descriptors()
    for cycle in range(5):
        with plugged_in(link) as terminal:
            starter = threading.Thread(target=send_when_listened_to, args=(terminal, cycle, 2))
            starter.start()
            chunks(source, 2)
            starter.join()
        with pytest.raises(SourceError):
            source.read()
    assert descriptors() == before
    source.close()


def test_a_device_is_found_again_under_another_name_by_its_usb_id(tmp_path: Path) -> None:
    """Two ttys, as after a replug: ttyUSB0 is gone, or belongs to something else now."""
    there: list[PortInfo] = []
    source = SerialSource(options(tmp_path / "ttyUSB0", usb="2341:0043:A1"), list_ports=lambda: there)
    numbers = []
    for name in ("ttyUSB0", "ttyUSB1"):
        with plugged_in(tmp_path / name) as terminal:
            there[:] = [
                PortInfo(device=str(tmp_path / "ttyUSB0"), vendor_product="2341:0043", serial_number="other"),
                PortInfo(device=str(tmp_path / name), vendor_product="2341:0043", serial_number="A1"),
            ]
            starter = threading.Thread(target=send_when_listened_to, args=(terminal, 0, 5))
            starter.start()
            numbers += chunks(source, 5)
            starter.join()
        with pytest.raises(SourceError, match="unplugged"):
            source.read()
        there.clear()
        with pytest.raises(SourceError, match="no USB device 2341:0043:A1"):
            source.read()
    assert sum(len(chunk.samples) for chunk in numbers) == 10
    source.close()


def test_a_port_that_is_not_there_is_named_with_those_that_are(tmp_path: Path) -> None:
    there = [PortInfo(device="/dev/ttyACM3", description="Arduino Uno", vendor_product="2341:0043")]
    source = SerialSource(options(tmp_path / "none"), list_ports=lambda: there)
    with pytest.raises(
        SourceError, match=r"no port .*none; this machine has /dev/ttyACM3 \(2341:0043, Arduino"
    ):
        source.read()
    there.clear()
    with pytest.raises(SourceError, match="has no serial port now: is the device plugged in"):
        source.read()


def test_what_is_no_serial_port_is_said_to_be_none(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for port in (tmp_path / "file", "/dev/null"):
        with pytest.raises(SourceError, match="not a serial port"):
            SerialSource(options(port)).read()


def test_a_port_that_may_not_be_opened_comes_with_the_cure(
    monkeypatch: pytest.MonkeyPatch, link: Path
) -> None:
    import serial

    def forbidden(*_: object, **__: object) -> None:
        raise serial.SerialException(13, f"could not open port {link}: Permission denied")

    monkeypatch.setattr(serial, "Serial", forbidden)  # tests may run as root, who may open everything
    with pytest.raises(SourceError, match=r"sudo usermod -aG dialout \$USER"):
        SerialSource(options(link)).read()


def test_a_second_reader_of_a_port_is_told_that_it_is_in_use(link: Path, terminal: PseudoTerminal) -> None:
    first, second = opened(link, terminal), SerialSource(options(link))
    with pytest.raises(SourceError, match=r"in use by another program.*fuser -v"):
        second.read()
    send(terminal, 10, 5)
    assert read(first, 5) == [10, 11, 12, 13, 14]
    first.close()
    starter = threading.Thread(target=send_when_listened_to, args=(terminal, 15, 5))
    starter.start()
    assert read(second, 5) == [15, 16, 17, 18, 19]
    starter.join()
    second.close()


@pytest.mark.parametrize("form", ["binary", "csv"])
def test_noise_as_of_a_wrong_baud_rate_ends_in_a_clear_state_and_reading_goes_on(
    link: Path, terminal: PseudoTerminal, form: str
) -> None:
    clock = FakeClock()
    source = SerialSource(options(link, format=form, baud=921600), clock=clock)
    noise = random.Random(0)

    def send_noise() -> None:
        assert BEING_READ.wait(LATE_S)
        for _ in range(30):
            time.sleep(0.01)
            clock.advance(0.1)
            terminal.write(noise.randbytes(100))

    sender = threading.Thread(target=send_noise)
    sender.start()
    with pytest.raises(
        SourceError, match=rf"sent \d+ bytes in 2 s at \d+ baud, but no sample as {form}: .*EMG_BAUD"
    ):
        source.read()
    sender.join()
    good = {"binary": lambda: send(terminal, 0, 5), "csv": lambda: terminal.write(b"\n" + b"7,8,9,10\n" * 5)}
    good[form]()
    assert len(chunks(source, 5)) >= 1
    source.close()


def test_the_wrong_format_is_told(link: Path, terminal: PseudoTerminal) -> None:
    clock = FakeClock()
    source = SerialSource(options(link, format="binary"), clock=clock)

    def send_lines() -> None:
        assert BEING_READ.wait(LATE_S)
        for _ in range(30):
            time.sleep(0.01)
            clock.advance(0.1)
            terminal.write(b"1,2,3,4\r\n" * 10)

    sender = threading.Thread(target=send_lines)
    sender.start()
    with pytest.raises(SourceError, match="EMG_FORMAT"):
        source.read()
    sender.join()
    source.close()


def test_a_device_that_says_nothing_is_told_after_a_while(link: Path, terminal: PseudoTerminal) -> None:
    clock = FakeClock()
    source = SerialSource(options(link), clock=clock)

    def pass_time() -> None:
        assert BEING_READ.wait(LATE_S)
        clock.advance(6)

    passing = threading.Thread(target=pass_time)
    passing.start()
    with pytest.raises(SourceError, match="open, but has sent nothing"):
        source.read()
    passing.join()
    source.close()


def test_closing_ends_a_read_that_waits(link: Path, terminal: PseudoTerminal) -> None:
    source = opened(link, terminal)
    closer = threading.Timer(0.05, source.close)
    closer.start()
    assert source.read() is None
    closer.join()
    assert not terminal.listened_to
    source.close()
    assert source.read() is None


def test_a_process_of_its_own_sends_a_recording_that_arrives_sample_for_sample(
    tmp_path: Path, link: Path
) -> None:
    path = tmp_path / "one.npz"
    emg = np.random.default_rng(0).integers(-2000, 2000, (4000, 4)).astype(np.int16)
    np.savez(path, emg=emg, label=np.zeros(4000, np.int8), fs=1000, gesture_names=["rest"], units="uV")
    with fake_device(link, "--recording", str(path), "--per-frame", "5") as device:
        source = SerialSource(options(link))
        found = np.concatenate([chunk.samples for chunk in chunks(source, 3000)])
        unplug(device)
        with pytest.raises(SourceError, match="unplugged"):
            chunks(source, 10**6)
    assert source.sums["lost_samples"] == source.sums["crc_errors"] == 0
    start = next(k for k in range(4000) if (emg[k] == found[0]).all())
    np.testing.assert_array_equal(
        found, np.take(emg, np.arange(start, start + len(found)), axis=0, mode="wrap")
    )
    assert not link.is_symlink()
    source.close()


@pytest.mark.slow
def test_faults_of_a_fake_device_arrive_as_gaps_and_crc_errors(link: Path) -> None:
    with fake_device(link, "--faults", "gap@4000:100,gap@7000:50", "--damage", "0.02") as _:
        source = SerialSource(options(link, channels=16, sampling_rate=2000.0))
        found = chunks(source, 9000)
        found += source._ready  # a read with a loss in it gives two chunks, and the sums know both
    came = (
        2 * source.sums["frames"]
    )  # with one sample a frame, 2000 of them a second do not fit through the line
    assert found[-1].index + len(found[-1].samples) == source.sums["lost_samples"] + came
    assert source.sums["lost_samples"] >= 150 + 2 * source.sums["crc_errors"]
    assert source.sums["crc_errors"] > 50
    source.close()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"baud": 9600}, "what would fit: EMG_BAUD=115200"),
        ({"format": "hex"}, "csv or binary"),
        ({"port": None}, "EMG_PORT is empty"),
        ({"usb": "arduino"}, "EMG_USB='arduino' is not allowed"),
        ({"channels": 300}, "1 to 256"),
    ],
)
def test_options_that_cannot_be_are_refused_before_anything_is_opened(changes: dict, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        options(**{"port": "/dev/ttyUSB0", **changes})


TWO = [
    PortInfo(device="/dev/ttyUSB0", vendor_product="10c4:ea60", serial_number="1"),
    PortInfo(device="/dev/ttyUSB1", vendor_product="10c4:ea60", serial_number="2"),
]


def test_of_two_equal_devices_the_port_or_the_serial_number_decides() -> None:
    assert find_usb("10C4:EA60", TWO, "/dev/ttyUSB1") == "/dev/ttyUSB1"
    assert find_usb("10c4:ea60:2", TWO) == "/dev/ttyUSB1"
    with pytest.raises(SourceError, match=r"ttyUSB0 and /dev/ttyUSB1 are both .*EMG_USB=10c4:ea60:1"):
        find_usb("10c4:ea60", TWO)


def test_a_port_takes_what_is_written_to_it(link: Path, terminal: PseudoTerminal) -> None:
    port = SerialPort(str(link), 115200)
    assert port.write(b"start\n") == 6
    port.close()
