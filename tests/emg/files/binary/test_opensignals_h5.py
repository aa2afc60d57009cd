"""OpenSignals .h5: the shared file, and files made with h5py as OpenSignals makes them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.emg.files.imports import needs, read, refusal, shared, whole

needs("h5py")
import h5py  # noqa: E402

RNG = np.random.default_rng(16)


def device(
    file: Any,
    address: str,
    rate: int,
    sensors: dict[int, tuple[str, Any]],
    counter: Any = None,
    bits: int = 16,
    time: str = "10:28:51.69",
) -> None:
    group = file.create_group(address)
    group.attrs.update({"sampling rate": np.int32(rate), "date": "2017-1-23", "time": time})
    group.attrs["channels"] = np.array(list(sensors), np.int32)
    group.attrs["resolution"] = np.array([bits] * len(sensors), np.int32)
    for number, (sensor, values) in sensors.items():
        made = group.create_dataset(f"raw/channel_{number}", data=np.asarray(values, np.uint16)[:, None])
        made.attrs.update({"sensor": sensor, "label": f"CH{number}"})
    rows = len(next(iter(sensors.values()))[1])
    counts = np.arange(rows) % 2**16 if counter is None else counter
    group.create_dataset("raw/nSeq", data=np.asarray(counts, np.uint16)[:, None])


def counts(n: int, bits: int = 16) -> Any:
    return RNG.integers(-200, 200, n) + 2 ** (bits - 1)


def test_emg_bursts_is_one_channel_of_counts_around_the_middle_of_16_bits() -> None:
    path = shared("opensignals/emg_bursts.h5")
    found = whole(path)
    assert found.file.sampling_rate == 1000.0
    assert found.samples.shape == (28519, 1)
    assert found.file.units == "counts"
    with h5py.File(path) as file:
        raw = file["00:07:80:3B:46:61/raw/channel_3"][:, 0]
    np.testing.assert_array_equal(found.samples[:, 0], raw.astype(np.float32) - 32768)
    assert any("32768, which is taken off" in line for line in found.file.found)
    assert found.gaps == []
    assert [stream.name for stream in found.file.aux] == ["trigger"]


def test_devices_at_different_rates_are_aligned_by_time(tmp_path: Path) -> None:
    emg, acc = counts(4000), np.arange(400) + 32768
    with h5py.File(tmp_path / "a.h5", "w") as file:
        device(file, "00:07:80:AA:AA:01", 100, {1: ("XYZ", acc)}, time="10:28:52.19")
        device(file, "00:07:80:AA:AA:02", 1000, {1: ("EMG", emg), 2: ("EMG", emg)})
    found = whole(tmp_path / "a.h5")
    assert found.file.sampling_rate == 1000.0
    assert found.samples.shape == (4000, 2)
    (stream,) = found.file.aux
    assert (stream.name, stream.sampling_rate) == ("accelerometer", 100.0)
    place, values = found.aux[0]
    np.testing.assert_allclose(place, 500 + np.arange(400) * 10, atol=1e-3)  # it began half a second later
    np.testing.assert_array_equal(values[:, 0], acc)


def test_the_depth_of_the_converter_says_where_its_middle_is(tmp_path: Path) -> None:
    emg = counts(1000, bits=10)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        device(file, "00:07:80:AA:AA:02", 1000, {1: ("EMG", emg)}, bits=10)
    np.testing.assert_array_equal(whole(tmp_path / "a.h5").samples[:, 0], emg - 512)


@pytest.mark.parametrize(
    ("name", "counter", "gaps"),
    [
        ("begins anywhere", np.arange(1000) + 34, []),
        ("wraps", (np.arange(1000) + 65000) % 65536, []),
        ("stays at its end", np.minimum(np.arange(1000) + 65100, 65535), []),
        ("jumps", np.concatenate((np.arange(400), np.arange(450, 1050))), [(400, 50)]),
        ("jumps where it wraps", np.concatenate((np.arange(65336, 65536), np.arange(30, 830))), [(200, 30)]),
        ("counts nothing", np.zeros(1000), []),
    ],
)
def test_the_packet_counter_says_what_is_lost(tmp_path: Path, name: str, counter: Any, gaps: Any) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        device(file, "00:07:80:AA:AA:02", 1000, {1: ("EMG", counts(1000))}, counter)
    found = whole(tmp_path / "a.h5")
    assert found.gaps == gaps
    assert any("does not count" in line for line in found.file.found) == (name == "counts nothing")


def test_without_emg_what_there_is_is_listed(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        device(file, "00:07:80:AA:AA:02", 1000, {1: ("XYZ", counts(1000))})
    assert "none of its signals is EMG: 1 'XYZ CH1'; --emg" in refusal(lambda: read(tmp_path / "a.h5"))
    assert read(tmp_path / "a.h5", emg="1").channels == 1


def test_links_out_of_the_file_are_not_followed(tmp_path: Path) -> None:
    """An uploaded file must not read others of the machine."""
    secret = tmp_path / "secret"
    secret.write_bytes(bytes(range(250)) * 8)
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["values"] = counts(1000).astype(np.uint16)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        device(file, "00:07:80:AA:AA:02", 1000, {1: ("EMG", counts(1000))})
        raw = file["00:07:80:AA:AA:02/raw"]
        raw["channel_2"] = h5py.ExternalLink(str(tmp_path / "other.h5"), "values")
        raw["channel_3"] = h5py.SoftLink("/00:07:80:AA:AA:02/raw/nSeq")
        raw.create_dataset("channel_4", (1000,), np.uint16, external=[(str(secret), 0, 2000)])
        layout = h5py.VirtualLayout((1000,), np.uint16)
        layout[:] = h5py.VirtualSource(str(tmp_path / "other.h5"), "values", shape=(1000,))
        raw.create_virtual_dataset("channel_5", layout)
    assert whole(tmp_path / "a.h5").file.channel_names == ("EMG CH1",)
    assert read(tmp_path / "a.h5").aux == ()


def test_a_dataset_that_is_not_really_there_is_refused(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        device(file, "00:07:80:AA:AA:02", 1000, {1: ("EMG", counts(1000))})
        file.create_dataset("00:07:80:AA:AA:02/raw/channel_2", (2**33,), np.uint16, chunks=(2**16,))
    assert "which no signal does" in refusal(lambda: read(tmp_path / "a.h5"))
