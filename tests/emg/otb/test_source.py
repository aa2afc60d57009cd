"""Probes that dial in, over real sockets on loopback."""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

from app.emg.otb.fake_probe import FakeProbe, Mishaps
from app.emg.otb.probes import Probe, probe_of
from app.emg.otb.source import OtbSource
from app.emg.simulated.pacing import Pacer
from app.emg.source import Chunk, Source
from app.errors import SourceError

LATE_S = 20.0
HOST = "127.0.0.1"


class Numbers:
    """Channel c of sample k is (k + c) microvolts, modulo 1000; in chunks of 10, in real time or faster."""

    name, units, gesture_names = "numbers", "uV", ()

    def __init__(self, channels: int, rate: float, speed: float = 1.0) -> None:
        self.channels, self.sampling_rate = channels, rate
        self._pacer, self._next = Pacer(rate, speed), 0

    def read(self) -> Chunk | None:
        self._pacer.wait(self._next + 10)
        numbers = self._next + np.arange(10)
        self._next += 10
        samples = (numbers[:, None] + np.arange(self.channels)) % 1000
        return Chunk(index=self._next - 10, samples=samples.astype(np.float32))

    def close(self) -> None:
        pass


@contextmanager
def listening(probe: Probe, **options: Any) -> Iterator[OtbSource]:
    source = OtbSource(probe, (HOST, 0), **options)
    source.listen()
    try:
        yield source
    finally:
        source.close()
        assert source.read() is None


@contextmanager
def dialling(
    source: OtbSource, kind: str, signal: Callable[[int, float], Source] = Numbers, **options: Any
) -> Iterator[FakeProbe]:
    fake = FakeProbe(kind, signal, **options)
    thread = threading.Thread(target=fake.run, args=(HOST, source.port))
    thread.start()
    try:
        yield fake
    finally:
        fake.close()
        thread.join(LATE_S)
        assert not thread.is_alive()


def several(source: OtbSource, samples: int) -> list[Chunk]:
    chunks: list[Chunk] = []
    until = time.monotonic() + LATE_S
    while sum(len(chunk.samples) for chunk in chunks) < samples:
        assert time.monotonic() < until
        chunk = source.read()
        assert chunk is not None
        chunks.append(chunk)
    return chunks


def patiently(source: OtbSource) -> Chunk:
    """The next chunk, however often the source says that there is none."""
    until = time.monotonic() + LATE_S
    while True:
        try:
            chunk = source.read()
        except SourceError:
            assert time.monotonic() < until
        else:
            assert chunk is not None
            return chunk


@pytest.mark.parametrize(
    ("kind", "parameters", "width"),
    [
        ("muovi", "", None),
        ("muovi+", "", None),
        ("muovi", "signal=eeg", None),
        ("sessantaquattro", "channels=32", None),
        ("sessantaquattro", "channels=8,rate=4000", 8),
        ("sessantaquattro+", "", None),
        ("sessantaquattro+", "bits=24,rate=500,channels=16", 4),
    ],
)
def test_a_probe_dials_in_and_every_sample_is_there(kind: str, parameters: str, width: int | None) -> None:
    probe = probe_of(kind, parameters)
    with listening(probe) as source, dialling(source, kind, accessories=width) as fake:
        chunks = several(source, 400)
        assert fake.commands == [probe.start]
        source.close()
    assert fake.commands == [probe.start, probe.stop], "it was told to stop"
    samples = np.concatenate([chunk.samples for chunk in chunks])
    first = samples[0, 0]
    expected = (round(first) + np.arange(len(samples))[:, None] + np.arange(probe.channels)) % 1000
    np.testing.assert_allclose(samples, expected, atol=probe.microvolts / 2 + 1e-3)
    assert chunks[0].index == 0
    assert chunks[-1].index + len(chunks[-1].samples) == len(samples)
    assert [chunk.restart for chunk in chunks] == [True] + [False] * (len(chunks) - 1)
    assert source.sums["lost_samples"] == 0


def test_what_comes_beside_is_delivered_at_its_sample() -> None:
    with listening(probe_of("sessantaquattro+")) as source, dialling(source, "sessantaquattro+"):
        chunks = several(source, 500)
    assert [(stream.name, stream.channels) for stream in source.aux_streams] == [
        ("aux", 2),
        ("quaternion", 4),
        ("trigger", 1),
    ]
    for chunk in chunks:
        aux, quaternion, trigger = chunk.aux
        assert (aux.at, quaternion.at, trigger.at) == (chunk.index,) * 3
        np.testing.assert_allclose(np.linalg.norm(quaternion.samples, axis=1), 16384.0, atol=2.0)
        np.testing.assert_array_equal(aux.samples[:, 0], (chunk.index + np.arange(len(chunk.samples))) % 100)


def test_stray_bytes_and_lost_samples_become_gaps_of_their_number() -> None:
    """Two stray bytes leave MyoGestic's reader misaligned for good."""
    mishaps = Mishaps(lose_at=300, lose=50, stray_at=800, stray=b"\x01\x02")
    with listening(probe_of("muovi")) as source, dialling(source, "muovi", mishaps=mishaps):
        chunks = several(source, 1500)
        assert source.sums["slips"] == 1
    for chunk in chunks:
        numbers = np.rint(chunk.samples[:, 0])
        bad = np.flatnonzero(numbers != (chunk.index + np.arange(len(numbers))) % 1000)
        assert len(bad) <= 1, "at most the instant that was hit"
    assert not any(chunk.restart for chunk in chunks[1:])
    assert 50 <= source.sums["lost_samples"] <= 54


def test_a_probe_that_hangs_up_is_an_error_and_one_that_comes_back_goes_on() -> None:
    with listening(probe_of("muovi")) as source:
        with dialling(source, "muovi", mishaps=Mishaps(hang_up_at=300)):
            chunks = several(source, 290)
            with pytest.raises(SourceError, match=r"the muovi at 127\.0\.0\.1:\d+ has hung up"):
                several(source, 10_000)
        began = time.monotonic()
        with dialling(source, "muovi"):
            again = patiently(source)
    assert again.restart
    away = 2000 * (time.monotonic() - began)
    assert 0 < again.index - chunks[-1].index < away + 2000
    assert source.sums["opened"] == 2


def test_a_second_probe_is_turned_away_with_a_line(caplog: pytest.LogCaptureFixture) -> None:
    with listening(probe_of("muovi")) as source, dialling(source, "muovi"):
        several(source, 100)
        with (
            caplog.at_level(logging.WARNING),
            socket.create_connection((HOST, source.port), timeout=LATE_S) as second,
        ):
            while not source.sums["turned_away"]:
                source.read()
            assert second.recv(10) == b""
        several(source, 100)
    assert "was turned away: the one at 127.0.0.1" in caplog.text


def test_a_probe_that_was_out_of_reach_takes_its_place_again() -> None:
    """Its old connection never breaks, for nobody says so."""
    with (
        listening(probe_of("muovi")) as source,
        socket.create_connection((HOST, source.port), timeout=LATE_S),
    ):
        reading = threading.Thread(target=lambda: several(source, 100))
        reading.start()
        time.sleep(1.2)  # silent for longer than REPLACED_S
        with dialling(source, "muovi"):
            reading.join(LATE_S)
            assert not reading.is_alive()
    assert source.sums["opened"] == 2


def test_nobody_dials_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.emg.otb.source.PATIENCE_S", 0.1)
    with listening(probe_of("muovi")) as source:
        told = "no muovi has dialled in at 127.0.0.1:.* a probe on Wi-Fi needs EMG_OTB_BIND=0.0.0.0"
        with pytest.raises(SourceError, match=told):
            source.read()


def test_a_silent_probe_is_hung_up_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.emg.otb.source.PATIENCE_S", 0.3)
    with (
        listening(probe_of("muovi")) as source,
        socket.create_connection((HOST, source.port), timeout=LATE_S) as mute,
    ):
        with pytest.raises(SourceError, match=r"has sent nothing for 0\.3 s"):
            source.read()
        assert mute.recv(1) == b"\x09"
        assert mute.recv(1) == b"\x08"


@pytest.mark.parametrize("kind", ["muovi+", "sessantaquattro"])
def test_another_probe_than_was_named_says_so(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.emg.otb.source.UNREAD_S", 0.3)
    fake = FakeProbe("muovi", Numbers)
    with listening(probe_of(kind)) as source:
        thread = threading.Thread(target=fake.run, args=(HOST, source.port))
        thread.start()
        with pytest.raises(
            SourceError, match=r"sends 38 values of an instant|has hung up|is gone|without the counter"
        ):
            source.read()
        fake.close()
        thread.join(LATE_S)


def test_an_address_that_is_taken_is_named() -> None:
    with socket.create_server((HOST, 0)) as other:
        source = OtbSource(probe_of("muovi"), (HOST, other.getsockname()[1]))
        with pytest.raises(SourceError, match="EMG_OTB_BIND names another address"):
            source.read()
        source.close()
