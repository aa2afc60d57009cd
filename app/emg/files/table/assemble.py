"""From a table and what its columns are for to an imported file."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from app.emg.auxiliary import AuxStream
from app.emg.files.imported import ImportedFile, ImportHints
from app.emg.files.table.chunks import AuxPlace, Chunks
from app.emg.files.table.dialect import Dialect
from app.emg.files.table.held_aux import held as held_in
from app.emg.files.table.labels import MOST, LabelNames, of_numbers, of_words
from app.emg.files.table.layout import MAX_CHANNELS, Layout, called
from app.emg.files.table.lines import TextFile
from app.emg.files.table.names import units_of
from app.emg.files.table.numbering import Column, Numbered, Numbering
from app.emg.files.table.rates import SAID_TOLERANCE, nominal
from app.emg.files.table.survey import Survey, look_through, told_oddities
from app.emg.units import standard
from app.errors import DataError

HELD = 0.5  # share of the rows that differ from the one before; below, values are held to a higher rate
FEWEST_HELD = 100  # rows for that to be told
LONG_RUNS = 20  # rows that a label lasts, in the mean
TOLD_BEYOND = 1e-5  # of a rate, by which the measured one differs
TRIGGER = "trigger"  # stays as it is: when it changes is what it says
SPARSE = 0.6  # of the rows have a value, below which an auxiliary column has a lower rate


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """A text file and how it writes its table."""

    text: TextFile
    dialect: Dialect

    @property
    def file(self) -> str:
        return self.text.path.name

    @property
    def path(self) -> Path:
        return self.text.path


def assemble(table: Table, layout: Layout, hints: ImportHints) -> ImportedFile:
    """Look through the table and return what it holds.

    Raises:
        DataError: no rate, too many channels, no signal: one line that says what would be right.
    """
    _expect_channels(table, layout)
    survey = look_through(table.text, table.dialect, layout)
    layout = _settled(table, layout, survey)
    _expect_signal(table, layout, survey)
    labels, assumed = _labels(table, layout, survey, hints)
    numbered = _numbering(table, layout, survey).numbered(table.file, hints.rate_hz or layout.rate_hz)
    rate, source, told = _rate(table, layout, numbered, hints)
    share = (survey.changed - 1) / (survey.rows - 1)
    held = share < HELD and survey.rows >= FEWEST_HELD and survey.varied and hints.rate_hz is None
    if held:
        told.append(
            f"{1 - share:.0%} of the rows only repeat the one before: values held to {rate:g} Hz; "
            f"the device delivered {share * rate:.1f} samples a second, and only those are taken "
            f"(--rate {rate:g} keeps all rows)"
        )
        rate, source = nominal(round(share * rate, 1)), f"new values in {share:.1%} of the rows, {source}"
    aux = tuple(_aux(layout, survey, rate, None if held or hints.aux_rows else numbered))
    told += [_told_held(place) for place in aux if place.held]
    units = hints.units or layout.units
    chunks = Chunks(survey, numbered, layout, labels, aux, rate, share if held else None)
    names = labels.gesture_names if labels else layout.fixed.gesture_names if layout.fixed else ()
    return ImportedFile(
        path=table.path,
        format=layout.format,
        channel_names=layout.channel_names,
        units=standard(units),
        sampling_rate=rate,
        rate_source=source,
        chunks=chunks.read,
        gesture_names=names,
        rest=labels.rest if labels else layout.fixed.rest if layout.fixed else None,
        subject=layout.subject,
        aux=tuple(place.stream for place in aux),
        found=(
            *layout.found,
            *numbered.found,
            *told,
            *told_oddities(survey.oddities),
            *_told_signal(table, layout, survey),
        ),
        assumed=(
            *layout.assumed,
            *assumed,
            *(("units are unknown; --units says them",) if units == "unknown" else ()),
        ),
    )


def _expect_channels(table: Table, layout: Layout) -> None:
    if not layout.emg:
        raise DataError(
            f"{table.file}: no column of it looks like EMG; --emg says which are, such as --emg 2-9"
        )
    if len(layout.emg) > MAX_CHANNELS:
        raise DataError(
            f"{table.file}: has {len(layout.emg)} channels, at most {MAX_CHANNELS} are recorded; "
            "--emg says which, such as --emg 1-64"
        )


def _settled(table: Table, layout: Layout, survey: Survey) -> Layout:
    """Return the layout in which a column of few whole numbers, each for long, is the label it seemed to be."""
    if layout.label is not None or not layout.perhaps_labels or layout.fixed is not None:
        return layout
    notes = survey.notes
    fitting = [
        column
        for column in layout.perhaps_labels
        if notes[column].whole
        and 2 <= len(notes[column].values or ()) <= MOST
        and min(notes[column].values or {0.0}) >= -1
        and notes[column].changes * LONG_RUNS <= survey.rows
    ]
    if not fitting or len(fitting) == len(layout.emg):
        return layout
    label = fitting[-1]
    keep = [k for k, column in enumerate(layout.emg) if column != label]
    return replace(
        layout,
        emg=tuple(layout.emg[k] for k in keep),
        channel_names=tuple(layout.channel_names[k] for k in keep),
        offsets=tuple(layout.offsets[k] for k in keep) if layout.offsets else (),
        label=label,
        assumed=(
            *layout.assumed,
            f"{called(table.dialect, label)} holds few whole numbers, each for long: taken as the "
            "label; --label none, or another column, overrides",
        ),
    )


def _expect_signal(table: Table, layout: Layout, survey: Survey) -> None:
    never = [column for column in layout.emg if not survey.notes[column].known]
    if never:
        raise DataError(
            f"{table.file}: {called(table.dialect, never[0])} is never a number; --emg says which columns are EMG"
        )
    if all(survey.notes[column].constant for column in layout.emg):
        raise DataError(
            f"{table.file}: no channel has two different values (fewer than two distinct values); a "
            "signal is expected, --emg says which columns are EMG"
        )


def _told_signal(table: Table, layout: Layout, survey: Survey) -> Iterator[str]:
    dead = [called(table.dialect, column) for column in layout.emg if survey.notes[column].constant]
    if dead:
        yield f"{', '.join(dead)} never changes: kept as a channel without a signal"


def _numbering(table: Table, layout: Layout, survey: Survey) -> Numbering:
    said = [column for column in (layout.counter, layout.clock) if column is not None]
    columns = []
    for column in (layout.counter, layout.clock):
        name = "" if column is None or column >= len(table.dialect.names) else table.dialect.names[column]
        columns.append(
            None
            if column is None
            else Column(said.index(column), called(table.dialect, column), units_of(name))
        )
    spool = survey.numbering if said else survey.samples
    return Numbering(spool, *columns)


def _rate(
    table: Table, layout: Layout, numbered: Numbered, hints: ImportHints
) -> tuple[float, str, list[str]]:
    """Return the rate, how it was found, and what is to be told of it."""
    measured, said = numbered.rate_hz, layout.rate_hz
    if hints.rate_hz is not None:
        if not (math.isfinite(hints.rate_hz) and hints.rate_hz > 0):
            raise DataError(f"{table.file}: --rate {hints.rate_hz:g}: a rate in Hz above 0 is expected")
        told = _told_other(
            measured or said,
            hints.rate_hz,
            "the clock shows" if measured else f"{layout.rate_said_by} says",
            "what --rate says is taken",
        )
        return hints.rate_hz, "as given by --rate", told
    if measured is not None and layout.clock is not None:
        rate = nominal(measured, said)
        told = [f"the clock shows {measured:.2f} Hz"] if abs(rate - measured) > TOLD_BEYOND * rate else []
        told += (
            _told_other(said, measured, f"{layout.rate_said_by} says", "the clock is believed")
            if said
            else []
        )
        return rate, f"from the clock in {called(table.dialect, layout.clock)}", told
    if said is not None:
        return said, f"from {layout.rate_said_by}", []
    hint = ""
    if layout.counter is not None:
        name = called(table.dialect, layout.counter)
        hint = f" ({name} counts the rows: where it is a clock in ms, --time {layout.counter + 1} says so)"
    raise DataError(
        f"{table.file}: no sampling rate can be found: neither a clock nor a header says it{hint}; --rate says it in Hz"
    )


def _told_other(one: float | None, other: float, who: str, then: str) -> list[str]:
    if one is None or abs(one - other) <= SAID_TOLERANCE * other:
        return []
    return [f"{who} {one:.6g} Hz, not {other:.6g} Hz: {then}"]


def _labels(
    table: Table, layout: Layout, survey: Survey, hints: ImportHints
) -> tuple[LabelNames | None, tuple[str, ...]]:
    if layout.label is None:
        return None, ()
    if layout.label in survey.words:
        labels = of_words(table.file, survey.words[layout.label], hints)
    else:
        values = survey.notes[layout.label].values
        if values is None:
            raise DataError(
                f"{table.file}: {called(table.dialect, layout.label)} holds too many different "
                "numbers for a label; --label says another column, or none"
            )
        labels = of_numbers(table.file, sorted(values), hints)
    return labels, labels.assumed


def _aux(layout: Layout, survey: Survey, rate: float, numbered: Numbered | None) -> Iterator[AuxPlace]:
    """Yield the streams beside EMG; `numbered` are the rows, None: of the EMG itself only some are taken."""
    for one in layout.aux:
        known = max(survey.notes[column].known for column in one.columns)
        if not known:
            continue
        own = one.rate_hz is not None
        share = known / survey.rows
        sparse = not own and share < SPARSE
        aux_rate = one.rate_hz if one.rate_hz is not None else round(rate * share, 3) if sparse else rate
        looked_at = numbered is not None and not own and not sparse and one.name != TRIGGER
        grid = held_in(survey, numbered, one.columns) if looked_at and numbered is not None else None
        aux_rate = aux_rate if grid is None else rate / grid.rows
        stream = AuxStream(
            name=one.name, channel_names=one.channel_names, units=one.units, sampling_rate=aux_rate
        )
        yield AuxPlace(
            stream,
            tuple(survey.places(one.columns)),
            known if own else None,
            one.begins_s * rate,
            sparse,
            grid,
        )


def _told_held(place: AuxPlace) -> str:
    rows = place.held.rows if place.held else 1
    return (
        f"each value of {place.stream.name} stands in {rows} rows: only those are taken, "
        f"at {place.stream.sampling_rate:.6g} Hz"
    )


def names_of(dialect: Dialect, columns: tuple[int, ...]) -> tuple[str, ...]:
    """Return what the file calls these columns, and ch1, ch2, ... where it does not."""
    found = [dialect.names[column] if column < len(dialect.names) else "" for column in columns]
    if all(found) and len(set(found)) == len(found):
        return tuple(found)
    return tuple(f"{name} {k + 1}" if name else f"ch{k + 1}" for k, name in enumerate(found))
