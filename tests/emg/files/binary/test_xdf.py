"""XDF: the shared files, and files written byte by byte after the specification."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.emg.files.binary.xdf_files import Stream, chunk, length, regular, write_xdf
from tests.emg.files.imports import needs, read, refusal, shared, whole

needs("pyxdf")

RNG = np.random.default_rng(16)


def emg(n: int = 4000, rate: float = 1000.0, channels: int = 4, **changes: Any) -> Stream:
    values = RNG.normal(size=(n, channels)) * 50
    return Stream(**{"rate": rate, "times": regular(n, rate or 1.0), "values": values, **changes})


def markers(*events: tuple[float, str], **changes: Any) -> Stream:
    said = {"name": "Cues", "type": "Markers", "format": "string", "rate": 0.0}
    times, texts = [at for at, _ in events], [text for _, text in events]
    return Stream(**{**said, "times": times, "values": texts, **changes})


def test_clock_resets_are_two_parts_with_a_hole_between() -> None:
    """Nominal 100 Hz, but 93.2 and 92.6 Hz; over all with the hole it would be 48.5."""
    found = whole(shared("xdf/clock_resets.xdf"))
    assert found.samples.shape == (27815, 8)
    assert 92.6 < found.file.sampling_rate < 93.2
    assert found.file.rate_source == "measured by the times of stream 'BioSemi'"
    ((at, lost),) = found.gaps
    assert at == 12876
    assert lost / found.file.sampling_rate == pytest.approx(273.55, abs=0.1)
    assert any("the header says 100 Hz" in line and "--rate" in line for line in found.file.assumed)
    assert any("no samples for 273.6 s" in line for line in found.file.found)
    assert found.restarts == []


def test_minimal_is_three_channels_of_16_bit_at_10_hz() -> None:
    found = whole(shared("xdf/minimal.xdf"))
    assert found.file.sampling_rate == 10.0
    np.testing.assert_array_equal(found.samples[0], [192, 255, 238])
    assert found.samples.shape == (9, 3)


def test_empty_and_text_streams_do_not_stop_the_import() -> None:
    found = whole(shared("xdf/empty_streams.xdf"))
    assert found.samples.shape == (10, 1)
    assert any(line.startswith("streams without samples: Empty data stream") for line in found.file.found)


@pytest.mark.parametrize("form", ["int16", "int32", "float32", "double64"])
@pytest.mark.parametrize("stamped", [True, False], ids=["each with its time", "the first of a chunk"])
def test_numbers_of_every_format_are_read_as_they_are(tmp_path: Path, form: str, stamped: bool) -> None:
    stream = emg(500, format=form, stamped=stamped, units=["microvolts"] * 4, labels=["a", "b", "c", "d"])
    found = whole(write_xdf(tmp_path / "a.xdf", [stream]))
    expected = np.asarray(stream.values).astype({"int16": "i2", "int32": "i4"}.get(form, "f8"))
    np.testing.assert_array_equal(found.samples, expected.astype(np.float32))
    assert found.file.channel_names == ("a", "b", "c", "d")
    assert found.file.units == "uV"
    assert found.file.sampling_rate == 1000.0
    assert found.gaps == []


def test_the_only_stream_of_type_emg_is_taken(tmp_path: Path) -> None:
    path = write_xdf(
        tmp_path / "a.xdf", [emg(name="Cap", type="EEG"), emg(channels=2), markers((101.0, "x"))]
    )
    assert read(path).channels == 2


@pytest.mark.parametrize("said", ["Left", "1", "Left:1-4"])
def test_of_two_streams_one_is_named(tmp_path: Path, said: str) -> None:
    streams = [emg(name="Left"), emg(name="Right", channels=3)]
    path = write_xdf(tmp_path / "a.xdf", streams)
    refused = refusal(lambda: read(path))
    assert "1 'Left' (EMG, 4 channels, 1000 Hz, 4000 samples); 2 'Right'" in refused
    assert "--emg" in refused
    found = whole(path, emg=said)
    np.testing.assert_array_equal(found.samples, np.asarray(streams[0].values, np.float32))
    assert whole(path, emg="Right:3,1").samples.shape == (4000, 2)
    assert [stream.channel_names for stream in found.file.aux] == [("ch1", "ch2", "ch3")]


def test_a_pause_is_a_gap_where_pyxdf_s_own_removal_of_jitter_sees_none(tmp_path: Path) -> None:
    times = regular(6000, 1000) + RNG.uniform(0, 0.003, 6000)
    times[2000:] += 0.4
    times[4500:] += 0.09
    found = whole(write_xdf(tmp_path / "a.xdf", [emg(6000, times=np.sort(times))]))
    assert found.file.sampling_rate == 1000.0
    (first, lost), (second, less) = found.gaps
    assert (first, second) == (2000, 4500 + lost)
    assert lost == pytest.approx(400, abs=4)
    assert less == pytest.approx(90, abs=4)


def test_a_delay_that_is_caught_up_with_is_no_gap(tmp_path: Path) -> None:
    """A radio that stood still for 2 s and then sent all at once."""
    times = regular(20000, 1000)
    times[8000:10000] = 110.0 + np.arange(2000) * 1e-6
    found = whole(write_xdf(tmp_path / "a.xdf", [emg(20000, times=times)]))
    assert found.gaps == []
    assert found.file.sampling_rate == 1000.0


def test_chunks_that_come_at_once_are_no_gaps(tmp_path: Path) -> None:
    """64 samples in each packet, stamped when it came: the field's usual jitter."""
    times = np.repeat(regular(200, 1000 / 64), 64) + np.tile(np.arange(64) * 1e-5, 200)
    found = whole(write_xdf(tmp_path / "a.xdf", [emg(12800, times=times)]))
    assert found.gaps == []
    assert found.file.sampling_rate == 1000.0


def test_a_rate_that_is_no_whole_number_and_one_that_nobody_says(tmp_path: Path) -> None:
    rate = 1259.259
    said = whole(write_xdf(tmp_path / "a.xdf", [emg(4000, rate)]))
    assert said.file.sampling_rate == rate
    unsaid = whole(write_xdf(tmp_path / "b.xdf", [emg(4000, 0.0, times=regular(4000, rate))]))
    assert unsaid.file.sampling_rate == pytest.approx(rate, rel=1e-4)
    assert any("the header says no rate" in line for line in unsaid.file.assumed)


def test_markers_become_gestures_at_their_time(tmp_path: Path) -> None:
    cues = markers((100.5, "rest"), (101.0, "fist"), (102.0, "rest"), (102.5, "trial_end"), (103.0, "fist"))
    found = whole(write_xdf(tmp_path / "a.xdf", [emg(), cues]))
    assert found.file.gesture_names == ("rest", "fist")
    assert found.file.rest == "rest"
    spans = found.spans()
    assert spans == [
        (None, 0, 499),
        ("rest", 500, 999),
        ("fist", 1000, 1999),
        ("rest", 2000, 2499),
        (None, 2500, 2999),
        ("fist", 3000, 3999),
    ]
    assert any("markers of 'Cues' are taken as gestures" in line for line in found.file.assumed)


def test_beginning_and_end_of_a_gesture_may_be_marked(tmp_path: Path) -> None:
    cues = markers((100.5, "fist_start"), (101.0, "fist_end"), (102.0, "pinch_start"), (102.5, "pinch_end"))
    found = whole(write_xdf(tmp_path / "a.xdf", [emg(), cues]))
    assert [span for span in found.spans() if span[0]] == [("fist", 500, 999), ("pinch", 2000, 2499)]


def test_a_stream_that_is_named_gives_the_gestures_whatever_its_texts(tmp_path: Path) -> None:
    path = write_xdf(tmp_path / "a.xdf", [emg(), markers((100.5, "Übung"), (101.5, "Pause"))])
    assert whole(path).labels is None
    named = whole(path, label="Cues", rest="Pause")
    assert named.file.gesture_names == ("Übung", "Pause")
    assert named.file.rest == "Pause"
    said = refusal(lambda: read(path, label="Nope"))
    assert "'Nope' is not one of its streams" in said


def test_other_streams_come_beside_aligned_by_time(tmp_path: Path) -> None:
    """Two devices that began at other times and run at other rates."""
    imu = Stream(
        name="IMU",
        type="Accelerometer",
        rate=148.148,
        times=regular(300, 148.148, 100.25),
        values=np.arange(300.0)[:, None],
    )
    found = whole(write_xdf(tmp_path / "a.xdf", [imu, emg()]))
    (stream,) = found.file.aux
    assert (stream.name, stream.sampling_rate) == ("accelerometer", 148.148)
    place, values = found.aux[0]
    np.testing.assert_allclose(place, 250 + np.arange(300) * 1000 / 148.148, atol=0.5)
    np.testing.assert_array_equal(values[:, 0], np.arange(300))


def test_clocks_of_two_machines_are_made_one(tmp_path: Path) -> None:
    offsets = [(float(at), -5000.0) for at in range(5100, 5104)]
    there = emg(times=regular(4000, 1000, 5100.0), offsets=offsets)
    here = markers((101.0, "fist"), (102.0, "rest"), offsets=[(float(at), 0.0) for at in range(100, 104)])
    found = whole(write_xdf(tmp_path / "a.xdf", [there, here]))
    assert found.spans()[1] == ("fist", 1000, 1999)


def test_channels_of_a_stream_that_are_no_emg_come_beside(tmp_path: Path) -> None:
    stream = emg(
        channels=3, labels=["m1", "m2", "AccX"], types=["EMG", "EMG", "ACC"], units=["mV", "mV", "g"]
    )
    found = whole(write_xdf(tmp_path / "a.xdf", [stream]))
    assert found.file.channel_names == ("m1", "m2")
    assert [aux.name for aux in found.file.aux] == ["accelerometer"]
    np.testing.assert_array_equal(found.aux[0][1][:, 0], np.asarray(stream.values, np.float32)[:, 2])


def test_a_recording_without_footers_is_read_and_that_is_said(tmp_path: Path) -> None:
    found = whole(write_xdf(tmp_path / "a.xdf", [emg(footer=False)]))
    assert len(found.samples) == 4000
    assert any("did not end properly" in line for line in found.file.found)


def test_rows_without_numbers_are_gaps(tmp_path: Path) -> None:
    stream = emg()
    values = np.asarray(stream.values)
    values[100:120, 1] = np.nan
    values[500, 2] = np.inf
    found = whole(write_xdf(tmp_path / "a.xdf", [stream]))
    assert found.gaps == [(100, 20), (500, 1)]
    assert "21 rows with values that are not numbers are gaps" in found.file.found


def test_a_file_that_ends_in_a_chunk_is_refused(tmp_path: Path) -> None:
    path = write_xdf(tmp_path / "a.xdf", [emg(500)])
    content = path.read_bytes()
    for cut in (1, 5, 100, len(content) // 2, len(content) - 30):
        path.write_bytes(content[:-cut])
        assert "cut off" in refusal(lambda: read(path))


@pytest.mark.parametrize(
    ("name", "tail"),
    [
        ("samples that are not there", chunk(3, b"\x07\0\0\0" + length(2**31 - 1) + b"\0" * 64)),
        ("texts that are not there", chunk(3, b"\x08\0\0\0" + length(2**31 - 1) + b"\0" * 64)),
        ("a stream that is not described", chunk(3, b"\x63\0\0\0" + length(1) + b"\0" * 64)),
        ("entities", chunk(2, b"\x09\0\0\0<!DOCTYPE a [<!ENTITY b 'b'>]><info>&b;</info>")),
        ("no XML", chunk(6, b"\x07\0\0\0<info>")),
        ("a channel count", chunk(2, b"\x09\0\0\0<info><channel_count>999999999</channel_count></info>")),
    ],
)
def test_damage_is_refused_before_memory_is_taken(tmp_path: Path, name: str, tail: bytes) -> None:
    """pyxdf believes the counts: `values = [[None] * n for ...]` of two thousand million texts."""
    path = write_xdf(tmp_path / "a.xdf", [emg(100), markers((100.0, "x"))], tail)
    assert "damaged" in refusal(lambda: read(path))


def test_only_texts_are_no_recording(tmp_path: Path) -> None:
    path = write_xdf(tmp_path / "a.xdf", [markers((100.0, "fist"))])
    assert "none of its streams holds numbers" in refusal(lambda: read(path))


def test_a_packed_file_is_refused_with_what_to_do(tmp_path: Path) -> None:
    path = write_xdf(tmp_path / "a.xdf", [emg(100)])
    packed = tmp_path / "a.xdfz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    assert "gunzip" in refusal(lambda: read(packed))


@pytest.mark.parametrize("step", [-50.0, 10 * 86_400.0], ids=["back", "by ten days"])
def test_a_clock_that_was_set_is_another_beginning_and_no_gap(tmp_path: Path, step: float) -> None:
    times = regular(4000, 1000)
    times[2500:] += step
    found = whole(write_xdf(tmp_path / "a.xdf", [emg(times=times)]))
    assert found.gaps == []
    assert found.restarts == [2500]
    assert found.file.sampling_rate == 1000.0
