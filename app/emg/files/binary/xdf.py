"""XDF, as LabRecorder writes it: one of its streams is the EMG, others come beside it or say what was done."""

from __future__ import annotations

import logging
import re
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from app.counted import counted
from app.emg.auxiliary import AuxStream
from app.emg.files.binary import xdf_structure
from app.emg.files.binary.channel_choice import kind_of, unique
from app.emg.files.binary.damage import in_one_line, iterated_in_one_line
from app.emg.files.binary.event_labels import NO_LABELS, Event, EventLabels, label, looks_like_gestures
from app.emg.files.binary.layout import AuxTrack, Layout, gap_lines, survey
from app.emg.files.binary.signal_choice import UNKNOWN, Choice, Signal, choose
from app.emg.files.binary.stamp_segments import Timeline, timeline
from app.emg.files.binary.xdf_structure import MAGIC, REFINED, XdfStream
from app.emg.files.imported import FileHead, ImportedFile, ImportHints
from app.emg.source import Samples
from app.emg.units import standard
from app.errors import DataError

NAME = "XDF"
KIND = "a sound XDF file"
LEAST_PYXDF = [1, 17, 1]  # before, the stamps behind a reset of the clock went wrong
GZIP = b"\x1f\x8b"


def load_pyxdf() -> Any:
    """Return the package pyxdf; raise DataError where it is not there."""
    try:
        import pyxdf
    except ImportError as error:
        raise DataError(f"XDF needs pyxdf ({error}): pip install -r requirements-files.txt") from None
    if [int(part) for part in re.findall(r"\d+", version("pyxdf"))[:3]] < LEAST_PYXDF:
        raise DataError(
            f"XDF needs a newer pyxdf than {version('pyxdf')}: pip install -r requirements-files.txt"
        )
    logging.getLogger("pyxdf").setLevel(logging.CRITICAL)  # what it warns of is looked for here, and told
    return pyxdf


def matches(head: FileHead) -> bool:
    """Return whether it begins as XDF does, or is a compressed one by its name."""
    packed = head.head[:2] == GZIP and ".xdf" in head.path.name.lower()
    return head.head[:4] == MAGIC or packed


def read(path: Path, hints: ImportHints) -> ImportedFile:
    """Return what the file holds.

    `hints.emg` names the stream by name, type or number, or as `stream:channels`; `hints.label` the one with the
    gestures.

    Raises:
        DataError: it is cut off or damaged, or which stream is the EMG cannot be told; or pyxdf is not there.
    """
    pyxdf = load_pyxdf()
    with path.open("rb") as file:
        if file.read(2) == GZIP:
            raise DataError(f"{path.name}: is compressed: unpack it first, with gunzip")
    with in_one_line(path, KIND):
        streams = xdf_structure.look_over(path)
        emg, channels = _emg_stream(path, streams, hints)
        wanted = [
            stream for stream in streams if stream.samples and (stream is emg or _comes_along(stream, hints))
        ]
        held = _load(pyxdf, path, wanted)
        return _imported(path, replace(hints, emg=channels), streams, emg, held)


@dataclass(slots=True, kw_only=True, eq=False)
class _Held:
    """A stream's samples: numbers lie in a file without a name, texts here."""

    stream: XdfStream
    values: npt.NDArray[np.float32] = field(default_factory=lambda: np.empty((0, 1), np.float32))
    texts: list[str] = field(default_factory=list)
    times: npt.NDArray[np.float64] = field(default_factory=lambda: np.empty(0))

    def rows(self, begin: int, end: int, places: Sequence[int], factors: Sequence[float]) -> Samples:
        """Return rows of some channels, times their factors."""
        part = self.values[begin:end, list(places)]
        with np.errstate(over="ignore", invalid="ignore"):
            return np.ascontiguousarray(part * np.asarray(factors, np.float32))


def _load(pyxdf: Any, path: Path, wanted: Sequence[XdfStream]) -> dict[int, _Held]:
    """Return the streams with their times on one clock; pyxdf would hold all numbers in memory."""
    held = {stream.id: _Held(stream=stream) for stream in wanted}
    with ExitStack() as stack:
        spools = {number: stack.enter_context(tempfile.TemporaryFile()) for number in held}

        def keep(values: Any, stamps: Any, info: Any, number: int) -> tuple[Any, Any, Any]:
            if isinstance(values, np.ndarray):
                with np.errstate(over="ignore", invalid="ignore"):
                    spools[number].write(values.astype(np.float32).tobytes())
                return values[:0], stamps, info
            held[number].texts.extend(str(row[0]) for row in values)
            return [], stamps, info

        file = stack.enter_context(path.open("rb"))
        found, _ = pyxdf.load_xdf(file, select_streams=list(held), dejitter_timestamps=False, on_chunk=keep)
        for one in found:
            _finish(
                path, held[one["info"]["stream_id"]], one["time_stamps"], spools[one["info"]["stream_id"]]
            )
    return held


def _finish(path: Path, held: _Held, times: Any, spool: IO[bytes]) -> None:
    """Give a stream its times, and its numbers as they lie in the file: mapped, they outlast it."""
    stream = held.stream
    held.times = np.asarray(times, np.float64)
    spool.flush()
    whole = 4 * stream.samples * stream.channels if not stream.text else 0
    there = len(held.texts) if stream.text else stream.samples
    if len(held.times) != stream.samples or there != stream.samples or spool.tell() != whole:
        raise DataError(
            f"{path.name}: is damaged: not all samples of {stream.name!r} can be read; copy it again"
        )
    if whole:
        held.values = np.memmap(spool, np.float32, mode="r", shape=(stream.samples, stream.channels))


def _emg_stream(path: Path, streams: Sequence[XdfStream], hints: ImportHints) -> tuple[XdfStream, str | None]:
    """Return which stream is the EMG, and which of its channels are named."""
    numeric = [stream for stream in streams if not stream.text and stream.samples]
    if hints.emg is not None:
        name, _, channels = hints.emg.partition(":")
        for said, rest in ((hints.emg, None), (name, channels or None)):
            fitting = _named(numeric, said)
            if len(fitting) == 1:
                return fitting[0], rest
    typed = [stream for stream in numeric if stream.type.upper() == "EMG"] or [
        stream for stream in numeric if kind_of(stream.name) == "EMG"
    ]
    likely = typed or numeric
    if len(likely) != 1 or (
        hints.emg is not None and not hints.emg[:1].isdigit() and not _has(likely[0], hints.emg)
    ):
        there = "; ".join(str(stream) for stream in streams[:20])
        if hints.emg is not None:
            why = f"--emg {hints.emg!r} is not one of its streams"
        elif not numeric:
            why = "none of its streams holds numbers"
        else:
            why = "which stream is the EMG cannot be told: name it with --emg"
        raise DataError(f"{path.name}: {why}; there is {there}")
    return likely[0], hints.emg


def _named(streams: Sequence[XdfStream], said: str) -> list[XdfStream]:
    """Return the streams of that number, name or type, whichever fits first."""
    for fitting in (
        [stream for stream in streams if stream.name == said],
        [stream for stream in streams if str(stream.number) == said],
        [stream for stream in streams if stream.type.lower() == said.lower()],
    ):
        if fitting:
            return fitting
    return []


def _has(stream: XdfStream, said: str) -> bool:
    return said.split(",", maxsplit=1)[0].strip() in stream.labels


def _comes_along(stream: XdfStream, hints: ImportHints) -> bool:
    return stream.text or stream.rate > 0 or stream.name == hints.label


def _imported(
    path: Path, hints: ImportHints, streams: Sequence[XdfStream], emg: XdfStream, held: dict[int, _Held]
) -> ImportedFile:
    choice = choose(path, _signals(emg), hints)
    line = timeline(held[emg.id].times, emg.rate, hints.rate_hz)
    if line is None:
        raise DataError(
            f"{path.name}: the times of stream {emg.name!r} do not go on; it holds no regular signal"
        )
    choice = replace(choice, rate=line.rate)
    beside = list(_beside(held, emg, choice, line))
    labels = _labels(path, streams, held, hints, line)
    layout = Layout(
        channels=len(choice.emg),
        segments=line.segments,
        read=partial(held[emg.id].rows, places=choice.emg, factors=choice.factors),
        labels=labels.labels if labels.gesture_names else None,
        aux=tuple(track for k, (_, tracks) in enumerate(beside) for track in tracks(k)),
    )
    seen = survey(path, layout, choice.names)
    return ImportedFile(
        path=path,
        format=NAME,
        channel_names=choice.names,
        units=choice.units,
        sampling_rate=line.rate,
        rate_source=_rate_source(emg, line, hints),
        chunks=iterated_in_one_line(path, KIND, layout.chunks),
        gesture_names=labels.gesture_names,
        rest=labels.rest,
        aux=tuple(stream for stream, _ in beside),
        found=(
            *_seen(streams, emg, beside),
            *gap_lines(line.segments, line.rate),
            *seen.lines,
            *labels.found,
        ),
        assumed=(*choice.assumed, *_assumed(emg, line, hints), *labels.assumed),
    )


def _signals(stream: XdfStream) -> list[Signal]:
    """Return the channels; those that do not say otherwise are EMG, since the stream was taken for it."""
    made = []
    for k in range(stream.channels):
        name = stream.labels[k] if k < len(stream.labels) else ""
        units = stream.units[k] if k < len(stream.units) else ""
        kind = kind_of(stream.types[k]) if k < len(stream.types) else ""
        kind = kind or kind_of(name, units) or "EMG"
        made.append(Signal(name=name or f"ch{k + 1}", kind=kind, units=units, rate=stream.rate))
    return made


def _beside(
    held: dict[int, _Held], emg: XdfStream, choice: Choice, line: Timeline
) -> Iterator[tuple[AuxStream, Any]]:
    """Yield the auxiliary streams, each with what makes its tracks when it has its number."""
    for group in choice.aux:
        stream = replace(group.stream, sampling_rate=line.rate)
        yield stream, partial(_tracks, held[emg.id], line, line, group.places)
    for one in held.values():
        other = one.stream
        if other is emg or other.text or other.rate <= 0:
            continue
        own = timeline(one.times, other.rate)
        if own is not None:
            yield _aux_stream(other, own), partial(_tracks, one, line, own, range(other.channels))


def _aux_stream(stream: XdfStream, own: Timeline) -> AuxStream:
    names = [signal.name for signal in _signals(stream)]
    units = {standard(said) for said in stream.units}
    return AuxStream(
        name=kind_of(stream.type) or kind_of(stream.name) or stream.name or "other",
        channel_names=unique(names),
        units=(units.pop() if len(units) == 1 else "") or UNKNOWN,
        sampling_rate=own.rate,
    )


def _tracks(held: _Held, emg: Timeline, own: Timeline, places: Sequence[int], number: int) -> list[AuxTrack]:
    read = partial(held.rows, places=tuple(places), factors=(1.0,) * len(places))

    def place(row: int) -> float:
        return emg.place(own.at(row))

    return [AuxTrack(number, run.first, run.rows, place, read) for run in own.runs]


def _labels(
    path: Path, streams: Sequence[XdfStream], held: dict[int, _Held], hints: ImportHints, line: Timeline
) -> EventLabels:
    """Return the gestures of the stream that `hints.label` names, or of the one whose texts look like gestures.

    Where several do, the one with refined edges is taken, else the longest.
    """
    end = float(line.segments[-1].index + line.segments[-1].rows)
    events = {
        one.stream.id: [
            Event(line.place(float(at)), None, text)
            for at, text in zip(one.times.tolist(), _texts(one), strict=True)
        ]
        for one in held.values()
        if one.stream.text or one.stream.name == hints.label
    }
    if hints.label not in (None, NO_LABELS):
        named = [stream for stream in _named(streams, str(hints.label)) if stream.id in events]
        if len(named) != 1:
            there = "; ".join(str(stream) for stream in streams[:20])
            raise DataError(
                f"{path.name}: --label {hints.label!r} is not one of its streams; there is {there}"
            )
        what = f"markers of {named[0].name!r}"
        return label(events[named[0].id], replace(hints, label=None), what=what, end=end, forced=True)
    fitting = [number for number, found in events.items() if looks_like_gestures(found, hints)]
    refined = [number for number in fitting or events if held[number].stream.name == REFINED]
    taken = max(refined or fitting or events, key=lambda number: len(events[number]), default=None)
    if taken is None:
        return EventLabels()
    return label(events[taken], hints, what=f"markers of {held[taken].stream.name!r}", end=end)


def _texts(one: _Held) -> list[str]:
    if one.stream.text:
        return one.texts
    return [f"{value:g}" for value in one.rows(0, one.stream.samples, (0,), (1.0,))[:, 0].tolist()]


def _rate_source(emg: XdfStream, line: Timeline, hints: ImportHints) -> str:
    if hints.rate_hz:
        return "as given"
    if line.rate == emg.rate:
        return f"from the header of stream {emg.name!r}"
    return f"measured by the times of stream {emg.name!r}"


def _assumed(emg: XdfStream, line: Timeline, hints: ImportHints) -> Iterator[str]:
    if hints.rate_hz is None and line.rate != emg.rate:
        said = f"the header says {emg.rate:g} Hz" if emg.rate else "the header says no rate"
        yield f"{said}, the samples came at {line.measured:.5g} Hz, which is taken; --rate says otherwise"
    if hints.emg is None and emg.type.upper() != "EMG":
        yield f"stream {emg.name!r} is taken, though its type is {emg.type or 'not given'}; --emg names another"


def _seen(
    streams: Sequence[XdfStream], emg: XdfStream, beside: Sequence[tuple[AuxStream, Any]]
) -> Iterator[str]:
    yield f"the EMG is stream {emg}"
    for stream, _ in beside:
        yield f"beside the EMG: {stream.name}, {counted(stream.channels, 'channel')} at {stream.sampling_rate:.7g} Hz"
    empty = [stream.name for stream in streams if not stream.samples]
    if empty:
        yield f"streams without samples: {', '.join(empty[:8])}"
    irregular = [s.name for s in streams if s.samples and not s.text and not s.rate and s is not emg]
    if irregular:
        yield f"streams of numbers without a rate are left out: {', '.join(irregular[:8])}"
    open_ended = [stream.name for stream in streams if not stream.footer]
    if open_ended:
        yield f"the recording did not end properly: no footer of {', '.join(open_ended[:8])}"
