"""OpenSignals .h5 of PLUX and BITalino: one group a device, called by its address, with counts of its converters."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from app.emg.files.binary.channel_choice import kind_of
from app.emg.files.binary.damage import in_one_line, iterated_in_one_line
from app.emg.files.binary.hdf5 import attribute, expect_real, is_hdf5, load_h5py, members, opened, own
from app.emg.files.binary.layout import AuxTrack, Layout, Segment, gap_lines, survey
from app.emg.files.binary.packet_counter import counted_segments
from app.emg.files.binary.signal_choice import AuxGroup, Signal, choose
from app.emg.files.imported import FileHead, ImportedFile, ImportHints
from app.emg.source import Samples
from app.errors import DataError

NAME = "OpenSignals HDF5"
KIND = "a sound OpenSignals file"
COUNTS = "counts"
MAX_BITS = 24
MAX_RATE_HZ = 1e6


@dataclass(frozen=True, slots=True, kw_only=True)
class _Channel:
    """A dataset of a device: where it is, and what lies around which value."""

    dataset: str
    device: int
    signal: Signal
    offset: int  # of the middle of its scale


@dataclass(frozen=True, slots=True, kw_only=True)
class _Device:
    address: str
    rate: float
    rows: int
    began: float | None  # s
    segments: tuple[Segment, ...]
    counted: bool


def matches(head: FileHead) -> bool:
    """Return whether it is HDF5 with a group that has channels of a device."""
    if not is_hdf5(head):
        return False
    try:
        load_h5py()
        with opened(head.path) as file:
            return bool(_groups(file))
    except Exception:  # said when the file is read, as HDF5
        return False


def read(path: Path, hints: ImportHints) -> ImportedFile:
    """Return what the file holds: EMG as counts around 0; `hints.emg` names channels.

    Raises:
        DataError: it is damaged or has no EMG; or h5py is not there.
    """
    with in_one_line(path, KIND), opened(path) as file:
        groups = _groups(file)
        several = len(groups) > 1
        devices = [_device(path, group) for group in groups]
        channels = [
            channel
            for number, group in enumerate(groups)
            for channel in _channels(path, group, number, devices[number].rate, several)
        ]
        return _imported(path, hints, devices, channels)


def _groups(file: Any) -> list[Any]:
    return [
        group
        for _, group in members(file)
        if hasattr(group, "keys") and "sampling rate" in group.attrs and "raw" in group
    ]


def _device(path: Path, group: Any) -> _Device:
    address = group.name.strip("/")
    rate = attribute(group, "sampling rate")
    if not isinstance(rate, (int, float)) or not 0 < rate <= MAX_RATE_HZ:
        raise DataError(
            f"{path.name}: device {address} has the sampling rate {rate!r}; it must be a number in Hz"
        )
    raw = {
        name: item
        for name, item in members(group["raw"])
        if hasattr(item, "shape") and own(item) and item.ndim
    }
    counter = raw.pop("nSeq", None)
    rows = min((item.shape[0] for item in raw.values()), default=0)
    counted = counted_segments(np.asarray(counter).reshape(-1)[:rows]) if counter is not None else None
    return _Device(
        address=address,
        rate=float(rate),
        rows=rows,
        began=_seconds(attribute(group, "date"), attribute(group, "time")),
        segments=counted or (Segment(0, rows, 0),),
        counted=counter is None or counted is not None,
    )


def _channels(path: Path, group: Any, device: int, rate: float, several: bool) -> Iterator[_Channel]:
    numbers = np.atleast_1d(group.attrs.get("channels", []))
    bits = np.atleast_1d(group.attrs.get("resolution", []))
    resolution = {f"channel_{n}": int(b) for n, b in zip(numbers.tolist(), bits.tolist(), strict=False)}
    for part in ("raw", "digital"):
        for name, item in members(group[part]) if part in group else ():
            if name == "nSeq" or not hasattr(item, "shape") or not own(item) or item.dtype.kind not in "iuf":
                continue
            if item.ndim not in (1, 2) or (item.ndim == 2 and item.shape[1] != 1):
                continue
            sensor = str(attribute(item, "sensor") or "")
            kind = "trigger" if part == "digital" else kind_of(sensor) or sensor
            expect_real(path, name, item)
            label = str(attribute(item, "label") or name)
            called = f"{sensor} {label}".strip() if part == "raw" else name
            called = f"{group.name.strip('/')[-5:]} {called}" if several else called
            depth = min(max(resolution.get(name, 0), 0), MAX_BITS)
            yield _Channel(
                dataset=f"{group.name}/{part}/{name}",
                device=device,
                signal=Signal(name=called, kind=kind, units=COUNTS, rate=rate, clock=device),
                offset=2 ** (depth - 1) if kind == "EMG" and depth and item.dtype.kind == "u" else 0,
            )


def _imported(
    path: Path, hints: ImportHints, devices: Sequence[_Device], channels: Sequence[_Channel]
) -> ImportedFile:
    choice = choose(path, [channel.signal for channel in channels], hints)
    emg = [channels[k] for k in choice.emg]
    taken = sorted({channel.device for channel in emg})
    first = devices[taken[0]]
    rows = min(devices[k].rows for k in taken)
    segments = first.segments if len(taken) == 1 else (Segment(0, rows, 0),)
    rate = hints.rate_hz or choice.rate
    layout = Layout(
        channels=len(emg),
        segments=segments,
        read=partial(_rows, path, tuple(emg)),
        aux=tuple(
            track
            for n, group in enumerate(choice.aux)
            for track in _tracks(path, n, group, channels, devices, first)
        ),
    )
    seen = survey(path, layout, choice.names)
    return ImportedFile(
        path=path,
        format=NAME,
        channel_names=choice.names,
        units=choice.units,
        sampling_rate=float(rate),
        rate_source="as given" if hints.rate_hz else f"from the header of device {first.address}",
        chunks=iterated_in_one_line(path, KIND, layout.chunks),
        aux=tuple(group.stream for group in choice.aux),
        found=(
            *_offsets(emg),
            *choice.found,
            *gap_lines(segments, rate),
            *seen.lines,
            *_counters(devices, taken),
        ),
        assumed=(*choice.assumed, *_together(devices, taken, rows)),
    )


def _rows(path: Path, channels: Sequence[_Channel], begin: int, end: int) -> Samples:
    made = np.empty((end - begin, len(channels)), np.float32)
    with opened(path) as file:
        for k, channel in enumerate(channels):
            made[:, k] = file[channel.dataset][begin:end].reshape(-1)
            made[:, k] -= channel.offset
    return made


def _tracks(
    path: Path,
    number: int,
    group: AuxGroup,
    channels: Sequence[_Channel],
    devices: Sequence[_Device],
    emg: _Device,
) -> Iterator[AuxTrack]:
    """Yield the parts of an auxiliary stream; it begins where its device did, by the clock in the file."""
    members_of = tuple(channels[k] for k in group.places)
    device = devices[members_of[0].device]
    step = emg.rate / device.rate
    known = device.began is not None and emg.began is not None
    late = ((device.began or 0.0) - (emg.began or 0.0)) * emg.rate if known else 0.0
    rows = min(devices[channel.device].rows for channel in members_of)
    for segment in device.segments:

        def place(row: int, segment: Segment = segment) -> float:
            return late + (segment.index + row - segment.first) * step

        count = min(segment.rows, rows - segment.first)
        if count > 0:
            yield AuxTrack(number, segment.first, count, place, partial(_rows, path, members_of))


def _seconds(date: Any, time: Any) -> float | None:
    for form in ("%Y-%m-%d %H:%M:%S.%f", "%Y-%m-%d %H:%M:%S"):
        try:
            return datetime.strptime(f"{date} {time}", form).timestamp()
        except (ValueError, OverflowError):
            continue
    return None


def _offsets(emg: Sequence[_Channel]) -> Iterator[str]:
    offsets = sorted({channel.offset for channel in emg if channel.offset})
    if offsets:
        middle = " and ".join(str(offset) for offset in offsets)
        yield f"the EMG is counts around the middle of the converter's scale, {middle}, which is taken off"


def _counters(devices: Sequence[_Device], taken: Sequence[int]) -> Iterator[str]:
    if any(not devices[k].counted for k in taken):
        yield "nSeq does not count, so that lost samples cannot be seen"


def _together(devices: Sequence[_Device], taken: Sequence[int], rows: int) -> Iterator[str]:
    if len(taken) > 1:
        names = " and ".join(devices[k].address for k in taken)
        yield f"the devices {names} are taken as started together, and cut to {rows} samples; --emg takes one of them"
