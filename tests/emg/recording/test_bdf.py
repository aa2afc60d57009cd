"""BDF+ files, opened by the libraries that people open them with."""

from __future__ import annotations

import io
from collections.abc import Iterable
from datetime import datetime, timezone
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.emg.recording import bdf
from app.emg.recording.bdf import Annotation, BdfHeader, record_length, scale_of
from app.emg.source import Samples
from app.errors import DataError
from tests.emg.recording.bdf_readers import READERS, Reader

CHANNELS = 3
RATE_ERROR = 5e-7  # half a microsecond in a data record of a second: 1.8 ms an hour
DEVICES = [
    *(
        1925.926,
        1925.92593,
        1925.9259259259259,
        1259.2593,
        2148.1481,
        2222.2222,
        1777.778,
        518.5185,
    ),  # Delsys
    *(370.3704, 148.148, 74.0741, 333.3333, 249.98, 499.7, 33.3333, 0.3),
    *(100.0, 125.0, 128.0, 200.0, 250.0, 256.0, 500.0, 500.5, 512.0, 1000.0, 1024.0, 1200.0, 2000.0, 2048.0),
    *(4000.0, 10240.0, 12500.0, 30000.0, 44100.0),
]


def header(rate: float, signal: Samples, units: str = "uV", factor: float = 1.0, **changes: Any) -> BdfHeader:
    peaks = np.abs(signal).max(axis=0).tolist()
    values: dict[str, Any] = {
        "patient": "S07",
        "equipment": "live",
        "began": datetime(2025, 10, 9, 8, 53, 20, tzinfo=timezone.utc),
        "labels": tuple(f"EMG{k + 1}" for k in range(signal.shape[1])),
        "units": units,
        "scales": tuple(scale_of(peak, False, factor) for peak in peaks),
        "record": record_length(rate, len(signal), signal.shape[1]),
        "samples": len(signal),
    }
    return BdfHeader(**{**values, **changes})


def write(
    folder: Path, about: BdfHeader, signal: Samples, notes: Iterable[Annotation] = (), piece: int = 1000
) -> Path:
    path = folder / "one.bdf"
    kept = list(notes)
    with path.open("wb") as file:
        bdf.write(file, about, (signal[at : at + piece] for at in range(0, len(signal), piece)), lambda: kept)
    return path


def noise(samples: int) -> Samples:
    return np.random.default_rng(samples).normal(size=(samples, CHANNELS)).astype(np.float32)


def marks(about: BdfHeader) -> list[Annotation]:
    last = about.samples - 1
    found = [
        Annotation(0, 1, "first"),
        Annotation(last // 3, last // 2, "middle"),
        Annotation(last, 0, "last"),
    ]
    return [*found, *([Annotation(about.samples, about.padding, "BAD_padding")] if about.padding else [])]


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize("rate", DEVICES)
def test_every_rate_and_length_gives_the_same_samples_at_the_same_times(
    tmp_path: Path, rate: float, read: Reader
) -> None:
    """35.0013300 s as a product of floats was written as `+35.001329999999996`, which EDFlib refuses."""
    for samples in (1, 2, 997, round(10 * rate) + 1, round(37 * rate)):
        if not 0 < samples < 200_000:
            continue
        signal = noise(samples)
        about = header(rate, signal)
        found = read(write(tmp_path, about, signal, marks(about)))
        assert found.rate == pytest.approx(rate, rel=RATE_ERROR)
        assert np.abs(found.signal[:samples] - signal).max() < 2**-21 * np.abs(signal).max()
        assert len(found.signal) - samples == about.padding <= max(rate, 1)
        assert (found.signal[samples:] == found.signal[samples - 1]).all()
        told = sorted((round(a * found.rate), round(b * found.rate), text) for a, b, text in found.notes)
        assert told == sorted((note.sample, note.samples, note.text) for note in marks(about))
        times = sorted(onset for onset, _, _ in found.notes)
        meant = sorted(note.sample / rate for note in marks(about))
        assert times == pytest.approx(meant, rel=RATE_ERROR, abs=1e-6)  # MNE keeps microseconds


@given(rate=st.floats(0.02, 1e6), samples=st.integers(1, 10**9), channels=st.integers(1, 512))
def test_a_data_record_has_whole_samples_and_a_duration_that_the_header_can_hold(
    rate: float, samples: int, channels: int
) -> None:
    found = record_length(rate, samples, channels)
    text = bdf._seconds(found.ticks).decode()
    assert len(text) <= 8
    assert Fraction(text) == Fraction(found.ticks, bdf.TICKS)  # so every multiple has seven decimals at most
    assert found.rate == pytest.approx(rate, rel=2e-5 if rate > 1e5 else 1e-6)
    assert found.samples == 1 or found.seconds <= bdf.MAX_RECORD_S * 1.0001


@pytest.mark.parametrize(("rate", "samples"), [(200.0, 2001), (2000.0, 71_424), (1000.0, 3 * 7 * 11 * 13)])
def test_a_length_that_a_record_divides_is_not_padded(rate: float, samples: int) -> None:
    found = record_length(rate, samples, 16)
    assert samples % found.samples == 0
    assert bdf.MIN_RECORD_S <= found.seconds <= bdf.MAX_RECORD_S


@pytest.mark.parametrize("rate", [1e-4, 1e-6])
def test_a_rate_that_bdf_cannot_hold_is_refused(rate: float) -> None:
    with pytest.raises(DataError, match=r"BDF\+ cannot hold a rate"):
        record_length(rate, 100, 1)


@pytest.mark.parametrize("read", READERS)
def test_more_annotations_than_records_are_all_found_in_order(tmp_path: Path, read: Reader) -> None:
    signal = noise(40)
    about = header(200.0, signal)
    notes = [Annotation(k % 40, 1, f"note {k}") for k in range(500)]
    found = read(write(tmp_path, about, signal, notes))
    assert sorted(text for _, _, text in found.notes) == sorted(note.text for note in notes)


@pytest.mark.parametrize("read", READERS)
def test_a_text_cannot_end_its_annotation(tmp_path: Path, read: Reader) -> None:
    signal = noise(40)
    about = header(200.0, signal)
    found = read(write(tmp_path, about, signal, [Annotation(20, 10, "fi\x14\x00st\x15 \n握拳")]))
    assert found.notes == [(0.1, 0.05, "fist 握拳")]


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize("piece", [1, 7, 20, 100_000])
def test_the_pieces_that_samples_come_in_do_not_show(tmp_path: Path, piece: int, read: Reader) -> None:
    signal = noise(997)
    found = read(write(tmp_path, header(249.98, signal), signal, piece=piece))
    assert np.abs(found.signal[:997] - signal).max() < 2**-21 * np.abs(signal).max()


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize("values", [0.0, 8.001e-5, 1e-7, 0.5, 99.99999999, 999999.7, 9_999_998.5])
def test_constant_and_tiny_channels_beside_others_have_no_exponents(
    tmp_path: Path, values: float, read: Reader
) -> None:
    """`-8.001e-05` has nine characters, where the header has room for eight."""
    signal = noise(400)
    signal[:, 1] = values
    found = read(write(tmp_path, header(200.0, signal), signal))
    assert np.abs(found.signal[:, 1] - values).max() <= max(2**-21 * values, 2e-12)


@pytest.mark.parametrize("read", READERS)
def test_volts_are_read_as_such(tmp_path: Path, read: Reader) -> None:
    signal = 1e-5 * noise(400)  # V
    found = read(write(tmp_path, header(200.0, signal, "uV", factor=1e6), signal))
    assert found.units == ["uV"] * CHANNELS
    assert np.abs(found.signal - 1e6 * signal).max() < 2**-21 * 1e6 * np.abs(signal).max()


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize("year", [1970, 2100])
def test_a_date_out_of_the_headers_years_is_left_out(tmp_path: Path, year: int, read: Reader) -> None:
    signal = noise(40)
    about = header(200.0, signal, began=datetime(year, 1, 1, 8, 53, 20, tzinfo=timezone.utc))
    assert len(read(write(tmp_path, about, signal)).signal) == 40


def test_what_no_number_can_say_is_refused() -> None:
    for peak in (float("nan"), float("inf"), 1e8):
        with pytest.raises(DataError, match="take --format npz"):
            scale_of(peak, False, 1.0)


def test_more_records_than_a_header_counts_are_refused() -> None:
    about = header(200.0, noise(40), samples=10**12)
    with pytest.raises(DataError, match="too long for one BDF"):
        bdf.write(io.BytesIO(), about, [], lambda: [])
