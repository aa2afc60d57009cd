"""A file of arrays as a recording, once it is known which array is what."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from app.emg.auxiliary import AuxStream
from app.emg.files.binary.array_info import ArrayInfo
from app.emg.files.binary.array_labels import by_sample, classes_of
from app.emg.files.binary.array_mapping import Mapping, propose
from app.emg.files.binary.array_trials import with_trials
from app.emg.files.binary.channel_choice import expect_few, kind_of, unique
from app.emg.files.binary.damage import iterated_in_one_line
from app.emg.files.binary.layout import AuxTrack, Layout, RowLabels, Segment, gap_lines, survey
from app.emg.files.binary.signal_choice import UNKNOWN
from app.emg.files.binary.stamp_segments import timeline
from app.emg.files.imported import ImportedFile, ImportHints
from app.emg.source import Labels, Samples
from app.emg.units import standard
from app.errors import DataError

MAX_RATE_HZ = 1e6


@dataclass(frozen=True, slots=True, eq=False)
class _Clock:
    """How fast the samples come, how that was found, and which of them follow one another."""

    rate: float
    source: str
    segments: tuple[Segment, ...]
    assumed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class _Classes:
    """The labels, and what they mean."""

    names: tuple[str, ...] = ()
    rest: str | None = None
    labels: RowLabels | None = None
    repetitions: RowLabels | None = None
    assumed: tuple[str, ...] = ()


def imported(
    path: Path,
    form: str,
    kind: str,
    arrays: Sequence[ArrayInfo],
    hints: ImportHints,
    unread: Sequence[str] = (),
) -> ImportedFile:
    """Return the file that holds those arrays, mapped by `hints` and by looking.

    Raises:
        DataError: what is what cannot be told, its rate cannot be found, or it holds no signal.
    """
    mapping = propose(path, with_trials(arrays), hints)
    channels = mapping.places or tuple(range(mapping.channels))
    expect_few(path, len(channels), mapping.emg.name)
    clock = _clock(path, mapping, hints)
    classes = _classes(path, mapping, hints)
    names = _names(mapping, channels)
    layout = Layout(
        channels=len(channels),
        segments=clock.segments,
        read=partial(_rows, mapping.emg, mapping.axis, channels),
        labels=classes.labels,
        repetitions=classes.repetitions,
        aux=tuple(_track(number, array, clock) for number, array in enumerate(mapping.aux)),
    )
    seen = survey(path, layout, names)
    units, of_units = _units(mapping, hints)
    return ImportedFile(
        path=path,
        format=form,
        channel_names=names,
        units=units,
        sampling_rate=clock.rate,
        rate_source=clock.source,
        chunks=iterated_in_one_line(path, kind, layout.chunks),
        gesture_names=classes.names,
        rest=classes.rest,
        subject=_subject(mapping),
        aux=tuple(_stream(array, clock.rate) for array in mapping.aux),
        found=(
            *mapping.found,
            *(f"beside the EMG: {array}" for array in mapping.aux),
            *gap_lines(clock.segments, clock.rate),
            *seen.lines,
            *([f"of a kind that is not read: {', '.join(unread[:8])}"] if unread else []),
        ),
        assumed=(*mapping.assumed, *clock.assumed, *classes.assumed, *of_units),
    )


def _rows(array: ArrayInfo, axis: int, places: Sequence[int], begin: int, end: int) -> Samples:
    values = array.rows(begin, end, axis)
    table = np.moveaxis(values, axis, 0).reshape(end - begin, -1)
    with np.errstate(over="ignore", invalid="ignore"):
        return np.ascontiguousarray(table[:, list(places)], dtype=np.float32)


def _clock(path: Path, mapping: Mapping, hints: ImportHints) -> _Clock:
    """Return the rate: as given, from the file's own number, else from its times."""
    rows = mapping.emg.length
    whole = _trials(mapping.emg.parts or (rows,))
    if hints.rate_hz is not None:
        return _Clock(float(hints.rate_hz), "as given", whole)
    if mapping.rate is not None:
        value = _number(mapping.rate)
        if not 0 < value <= MAX_RATE_HZ:
            raise DataError(
                f"{path.name}: {mapping.rate.name} is {value:g}; a rate in Hz is above 0; --rate gives it"
            )
        return _Clock(value, f"from {mapping.rate.name}", whole)
    if mapping.time is not None:
        found = _by_times(mapping.time, rows, whole)
        if found is not None:
            return found
    raise DataError(f"{path.name}: says no sampling rate: give it with --rate, in Hz")


def _by_times(time: ArrayInfo, rows: int, trials: tuple[Segment, ...]) -> _Clock | None:
    values = np.asarray(time.value(), np.float64).reshape(-1)[:rows]
    step = float(np.median(np.diff(values))) if len(values) > 1 else 0.0
    if not 0 < step < 1e7:
        return None
    # Nobody samples EMG below 10 Hz or above 100 kHz
    name, scale = ("s", 1.0) if step < 0.1 else ("ms", 1e-3) if step < 100 else ("us", 1e-6)
    line = timeline(values * scale, 0.0)
    if line is None:
        return None
    rate = round(line.measured, 3) if abs(line.measured - round(line.measured, 3)) < 1e-4 else line.measured
    line = timeline(values * scale, 0.0, rate) or line
    said = f"{time.name} is taken as times in {name}; --rate or --time says otherwise"
    segments = line.segments if len(trials) == 1 else trials
    return _Clock(line.rate, f"from the times in {time.name}", segments, (said,))


def _trials(counts: Sequence[int]) -> tuple[Segment, ...]:
    """Return one segment a trial; each begins anew."""
    firsts = [sum(counts[:k]) for k in range(len(counts))]
    return tuple(Segment(at, count, at, at > 0) for at, count in zip(firsts, counts, strict=True))


def _classes(path: Path, mapping: Mapping, hints: ImportHints) -> _Classes:
    if mapping.label is None:
        return _Classes()
    called = tuple(_texts(mapping.gestures))
    hints = replace(hints, gesture_names=hints.gesture_names or called or None)
    found = classes_of(path, mapping.label, mapping.emg, hints)
    repetitions = _whole(mapping.repetition, mapping.emg)
    return _Classes(
        found.names, found.rest, _slices(found.labels), repetitions and _slices(repetitions()), found.assumed
    )


def _whole(array: ArrayInfo | None, emg: ArrayInfo) -> Callable[[], Labels] | None:
    """Return what gives the repetitions, where they are such."""
    if array is None:
        return None
    values = by_sample(array, emg)
    good = values.dtype.kind in "biuf" and bool(np.isfinite(values).all())
    top = np.iinfo(np.int16).max
    if not good or not ((values >= 0) & (values <= top) & (values == np.trunc(values))).all():
        return None
    return lambda: values.astype(np.int16)


def _slices(values: Labels) -> RowLabels:
    return lambda row, _index, count: values[row : row + count]


def _track(number: int, array: ArrayInfo, clock: _Clock) -> AuxTrack:
    axis = int(np.argmax(array.shape))
    places = tuple(range(array.size // array.length))

    def place(row: int) -> float:
        segment = next(part for part in reversed(clock.segments) if row >= part.first)
        return float(segment.index + row - segment.first)

    return AuxTrack(number, 0, array.length, place, partial(_rows, array, axis, places))


def _stream(array: ArrayInfo, rate: float) -> AuxStream:
    channels = array.size // array.length
    return AuxStream(
        name=kind_of(array.short),
        channel_names=tuple(f"{array.short} {k}" for k in range(1, channels + 1))
        if channels > 1
        else (array.short,),
        units=UNKNOWN,
        sampling_rate=rate,
    )


def _names(mapping: Mapping, channels: Sequence[int]) -> tuple[str, ...]:
    said = list(_texts(mapping.names))
    fits = len(said) == mapping.channels
    return unique([said[k][:80] if fits else f"ch{k + 1}" for k in channels])


def _units(mapping: Mapping, hints: ImportHints) -> tuple[str, tuple[str, ...]]:
    if hints.units is not None:
        return standard(hints.units), ()
    said = next(iter(_texts(mapping.units)), "")
    return (
        (standard(said), ())
        if said
        else (UNKNOWN, ("the units of the EMG are not known; --units says them",))
    )


def _subject(mapping: Mapping) -> str | None:
    if mapping.subject is None:
        return None
    if mapping.subject.text:
        return next(iter(_texts(mapping.subject)), None)
    return f"{_number(mapping.subject):g}"


def _texts(array: ArrayInfo | None) -> Iterator[str]:
    if array is not None:
        yield from (str(text).strip() for text in array.value() if str(text).strip())


def _number(array: ArrayInfo) -> float:
    return float(np.asarray(array.value()).reshape(-1)[0])
