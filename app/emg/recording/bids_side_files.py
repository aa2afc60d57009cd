"""The files of a BIDS dataset that say what its signal is: BIDS 1.11.1, electromyography.

Where the electrodes were is not known to the recorder: there are no `*_electrodes.tsv` and `*_coordsystem.json`, which
the specification asks for where positions were measured.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from app.emg.recording import bdf
from app.emg.recording.bdf import Annotation, BdfHeader, RecordLength
from app.emg.recording.bids_beside import Beside
from app.emg.recording.contents import Contents
from app.emg.recording.header import RecordingHeader
from app.emg.recording.plain_text import plain

VERSION = "1.11.1"
NA = "n/a"
GAP, PADDING, RESTART, UNCALIBRATED = "BAD_gap", "BAD_padding", "BAD_restart", "uncalibrated"
MODEL = "model: "

README = f"""One recording, written by Myostream. Times are UTC.

EMGPlacementScheme, EMGReference and the electrodes are not known to the recorder: fill them in before you share this.
{GAP} in *_events.tsv: the samples were lost and are filled with the last one before.
{PADDING}: fills the last data record with the last sample; nothing was recorded there.
{RESTART}: the signal does not continue the one before (reconnected, or played from its beginning).
What came beside the EMG (types other than EMG) has its own rate where a data record has whole samples of it. Where it
says "held" in the description in *_channels.tsv, it has that of the EMG, each value repeated until the next; what was
not there is the value before it.
{MODEL}NAME: from here on predictions were of that model; they are not in these files.
{UNCALIBRATED}: the values are in the units that it names, not in volts, and *_channels.tsv has n/a; MNE shows volts.
"""

_LEVELS = {
    GAP: "Samples were lost here, and are filled with the last one before them",
    PADDING: "Fills the last data record with the last sample",
    RESTART: "From here on the signal does not continue the one before",
}


def stem(header: RecordingHeader) -> str:
    """Return what the names of the files of the recording begin with."""
    return f"sub-{subject(header)}_task-{task(header)}"


def subject(header: RecordingHeader) -> str:
    """Return the BIDS label of the person: letters and digits only."""
    return _label(header.subject or "01")


def task(header: RecordingHeader) -> str:
    """Return the BIDS label of what was done: the recording's own name."""
    return _label(header.name)


def side_files(held: Contents, about: BdfHeader, beside: Sequence[Beside] = ()) -> dict[str, bytes]:
    """Return the content of all files but the events and the signal, by their paths in the dataset."""
    header = held.header
    person = f"sub-{subject(header)}"
    prefix = f"{person}/emg/{stem(header)}"
    return {
        "dataset_description.json": _json(_dataset(header)),
        "README": README.encode(),
        "participants.tsv": _tsv([("participant_id",), (person,)]),
        f"{person}/{person}_scans.tsv": _tsv(_scans(header, about.began)),
        f"{prefix}_emg.json": _json(_signal(held, beside)),
        f"{prefix}_channels.tsv": _tsv(_channels(header, about, beside)),
        f"{prefix}_events.json": _json(_event_columns(held, about)),
    }


def event_lines(
    events: Iterable[Annotation], record: RecordLength, refined: Mapping[int, int] | None = None
) -> Iterator[bytes]:
    """Yield the lines of `*_events.tsv`.

    `refined`: the places at which gestures really began, by those of their cues. With it there is a column for them.
    """
    more = () if refined is None else ("refined_onset",)
    yield _tsv([("onset", "duration", "sample", "trial_type", *more)])
    for event in events:
        begin, end = record.time_of(event.sample), record.time_of(event.sample + event.samples)
        cells = (_seconds(begin), _seconds(end - begin), str(event.sample), _cell(event.text))
        yield _tsv([cells if refined is None else (*cells, _refined(event, record, refined))])


def _refined(event: Annotation, record: RecordLength, refined: Mapping[int, int]) -> str:
    """Return when it really began: of what is as long as nothing, and of what nobody can tell, n/a."""
    if not event.samples or event.sample not in refined:
        return NA
    return _seconds(record.time_of(refined[event.sample]))


def _seconds(ticks: int) -> str:
    return f"{ticks / bdf.TICKS:.6f}"


def _event_columns(held: Contents, about: BdfHeader) -> dict[str, Any]:
    gestures = {_cell(name): "The person was asked for this, or did it" for name in held.gesture_names}
    strange = {} if about.units else {uncalibrated(held.header): "What the values are in; not volts"}
    models = {
        model_event(name): "Predictions were of this model from here on" for _, name in held.model_changes()
    }
    return {
        "sample": {"Description": "Index of the first sample in the file, from 0"},
        "trial_type": {
            "Description": "Gestures, and what else befell the signal",
            "Levels": {**gestures, **_LEVELS, **strange, **models},
        },
        **({} if held.refined is None else {"refined_onset": _refined_column(held.refined.model)}),
    }


def _refined_column(model: str) -> dict[str, str]:
    return {
        "Description": (
            "When the activity of a gesture or of rest begins, as the training of the model "
            f"{_cell(model)[:64]} found; onset is when it was asked for. n/a: nobody can tell"
        ),
        "Units": "s",
    }


def uncalibrated(header: RecordingHeader) -> str:
    """Return the text of the event that says in which units, not of voltage, the values are."""
    return f"{UNCALIBRATED}: {_cell(header.units)[:40]}"


def model_event(name: str | None) -> str:
    """Return the text of the event that says which model was used from then on."""
    return f"{MODEL}{'none' if name is None else _cell(name)[:64]}"


def _scans(header: RecordingHeader, began: datetime) -> Iterator[tuple[str, ...]]:
    """Yield when the recording began, with the fraction of the second that readers of BDF+ disagree on."""
    yield ("filename", "acq_time")
    yield f"emg/{stem(header)}_emg.bdf", f"{began.replace(tzinfo=None).isoformat(timespec='microseconds')}Z"


def _channels(
    header: RecordingHeader, about: BdfHeader, beside: Sequence[Beside]
) -> Iterator[tuple[str, ...]]:
    yield ("name", "type", "units", "sampling_frequency", "signal_electrode", "reference", "description")
    for label in about.labels:
        yield label, "EMG", about.units or NA, f"{header.sampling_rate:.12g}", NA, NA, NA
    for one in beside:
        rate = one.rate if one.held else one.about.sampling_rate
        said = f"{one.about.name}, {one.about.sampling_rate:.6g} Hz held" if one.held else one.about.name
        for label in one.group.labels:
            yield label, one.type, one.group.units or NA, f"{rate:.12g}", NA, NA, _cell(said)


def _signal(held: Contents, beside: Sequence[Beside]) -> dict[str, Any]:
    header = held.header
    return {
        "TaskName": task(header),
        "EMGPlacementScheme": "Other",
        "EMGPlacementSchemeDescription": NA,
        "EMGReference": NA,
        "SamplingFrequency": header.sampling_rate,
        "PowerLineFrequency": header.mains_hz if header.mains_hz is not None else NA,
        "SoftwareFilters": NA,  # what is recorded is the signal before the model's filters
        "EMGChannelCount": header.channels,
        **_counts(beside),
        "RecordingType": "continuous",  # gaps are filled, see *_events.tsv
        "RecordingDuration": held.places / header.sampling_rate,
        "ManufacturersModelName": header.source,
    }


def _counts(beside: Sequence[Beside]) -> dict[str, int]:
    """Return how many channels there are that BIDS has a count for."""
    found: dict[str, int] = {}
    for one in beside:
        key = {"TRIG": "TriggerChannelCount"}.get(one.type, f"{one.type}ChannelCount")
        found[key] = found.get(key, 0) + one.about.channels
    return found


def _dataset(header: RecordingHeader) -> dict[str, Any]:
    made = {"Name": "Myostream"}
    return {"Name": header.name, "BIDSVersion": VERSION, "DatasetType": "raw", "GeneratedBy": [made]}


def _label(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9]", "", text) or "01"


def _json(values: dict[str, Any]) -> bytes:
    return json.dumps(values, indent=2, ensure_ascii=False).encode()


def _tsv(rows: Iterable[tuple[str, ...]]) -> bytes:
    return "".join("\t".join(row) + "\n" for row in rows).encode()


def _cell(text: str) -> str:
    """Return the text without what would end a cell or a line, or cannot be seen."""
    return " ".join(plain(text, " ").split()) or NA
