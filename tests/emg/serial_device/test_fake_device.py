from __future__ import annotations

import numpy as np
import pytest

from app.emg.serial_device.csv_lines import CsvDecoder
from app.emg.serial_device.fake_device import CsvEncoder, FakeDevice, PacketEncoder
from app.emg.serial_device.packets import PacketDecoder
from app.emg.simulated.faults import FaultInjector, Gap
from app.emg.source import Chunk
from tests.emg.devices import samples
from tests.emg.fakes import ScriptedSource


class ClientSocket:
    """Takes up to `room` bytes a write."""

    def __init__(self, room: int = 10**9) -> None:
        self.room, self.sent = room, b""

    def write(self, data: bytes) -> int:
        self.sent += data[: self.room]
        return len(data[: self.room])


def source(count: int = 100) -> ScriptedSource:
    """In chunks of ten."""
    return ScriptedSource(
        [Chunk(index=k, samples=samples(k, 10).astype(np.float32)) for k in range(0, count, 10)]
    )


def sent(device_source: object, encoder: object, wire: ClientSocket, **options: object) -> FakeDevice:
    device = FakeDevice(device_source, encoder, wire, **options)
    assert [*device.run()] == [*range(10, 101, 10)]
    return device


@pytest.mark.parametrize("per_frame", [1, 3, 7, 25])
def test_frames_hold_the_samples_in_order(per_frame: int) -> None:
    wire = ClientSocket()
    sent(source(), PacketEncoder(4, 0.5, per_frame), wire)
    (run,) = PacketDecoder(4).feed(wire.sent)
    whole = 100 // per_frame * per_frame
    np.testing.assert_array_equal(run.samples, 2 * samples(0, whole))


@pytest.mark.parametrize("counter", [True, False])
def test_lines_hold_the_samples_in_order(counter: bool) -> None:
    wire = ClientSocket()
    sent(source(), CsvEncoder(1.0, counter), wire)
    (run,) = CsvDecoder(4).feed(b"\n" + wire.sent)
    np.testing.assert_array_equal(run.samples, samples(0, 100))


@pytest.mark.parametrize(("per_frame", "lost"), [(1, 7), (5, 10)])
def test_a_gap_of_the_source_is_one_of_the_counter_in_whole_frames(per_frame: int, lost: int) -> None:
    wire = ClientSocket()
    device = FakeDevice(FaultInjector(source(), [Gap(33, 7)]), PacketEncoder(4, 1.0, per_frame), wire)
    assert [*device.run()][-1] == 93
    runs = PacketDecoder(4).feed(wire.sent)
    assert [run.lost for run in runs] == [0, lost]
    np.testing.assert_array_equal(runs[1].samples, samples(40, 60))


def test_what_does_not_fit_into_the_converter_is_clipped() -> None:
    wire = ClientSocket()
    loud = ScriptedSource([Chunk(index=0, samples=np.array([[1e6, -1e6, 0.4, -0.6]], np.float32))])
    [*_] = FakeDevice(loud, PacketEncoder(4), wire).run()
    (run,) = PacketDecoder(4).feed(wire.sent)
    assert run.samples.tolist() == [[32767, -32768, 0, -1]]


def test_a_line_that_is_too_slow_loses_whole_frames_and_stays_in_step() -> None:
    wire = ClientSocket(room=4)  # a quarter of a frame
    many = ScriptedSource(
        [Chunk(index=k, samples=samples(k, 10).astype(np.float32)) for k in range(0, 1000, 10)]
    )
    device = FakeDevice(many, PacketEncoder(4), wire, fifo_bytes=4096)
    [*_] = device.run()
    wire.room = 10**9
    device._flush()
    decoder = PacketDecoder(4)
    decoder.feed(wire.sent)
    assert device.overruns > 300
    assert decoder.frames + device.overruns == 1000
    assert decoder.garbage_bytes == decoder.crc_errors == 0


def test_damage_costs_the_frames_it_hits() -> None:
    wire = ClientSocket()
    device = FakeDevice(source(), PacketEncoder(4), wire, damage=0.2)
    [*_] = device.run()
    decoder = PacketDecoder(4)
    decoder.feed(wire.sent)
    assert device.damaged > 5
    assert decoder.frames == 100 - device.damaged
