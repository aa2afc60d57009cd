"""Recordings on disk, read and never written: Ninapro `.mat` and `.npz`."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from app.emg.auxiliary import AuxStream
from app.emg.files import ninapro
from app.emg.files.arrays import SUFFIXES, read_arrays
from app.emg.source import UNLABELLED, Labels, Samples
from app.emg.units import factor
from app.errors import DataError

log = logging.getLogger(__name__)

UNKNOWN_UNITS = "unknown"
MAX_CHANNELS = 1024  # as many as a model, and so a recording of ours, may have
USUAL_CHANNELS = (
    512  # high-density grids have a few hundred; more than that, and than rows, means they are swapped
)
MAX_RATE_HZ = 1e6
MOST_CUT = 0.01  # of an array that is longer than another: some of Ninapro's have a few label rows too many
MAX_ID = int(np.iinfo(np.int16).max)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RecordedAux:
    """What came beside the EMG, at a rate of its own."""

    stream: AuxStream
    rows: npt.NDArray[
        np.float64
    ]  # (n,) place of each sample among the recording's rows, with a fraction; rising
    samples: Samples  # (n, the stream's channels)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Recording:
    """Samples and what is known of each. The arrays are read-only and have one row a sample."""

    path: Path
    emg: Samples  # (n, channels) in `units`
    label: Labels  # (n,) ids into gesture_names; refined to the muscle's activity where the file has that
    label_cue: Labels  # (n,) what the person was shown
    repetition: Labels  # (n,) belongs to `label`; 0 where unknown
    session: Labels  # (n,)
    recording: Labels  # (n,) id of the continuous piece; no window crosses a change
    fs: float  # Hz
    gesture_names: tuple[str, ...]
    subject: str  # such as S08
    exercise: int | None
    units: str
    database: str | None = None  # of Ninapro's, such as DB5; its movements are the names then
    aux: tuple[RecordedAux, ...] = ()

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def channels(self) -> int:
        return int(self.emg.shape[1])

    @property
    def pieces(self) -> tuple[slice, ...]:
        """The continuous pieces in order."""
        edges = (np.flatnonzero(np.diff(self.recording)) + 1).tolist()
        return tuple(slice(a, b) for a, b in zip([0, *edges], [*edges, len(self.emg)], strict=True))


def load(
    path: Path | str,
    *,
    fs: float | None = None,
    gesture_names: Sequence[str] | None = None,
    labelled: bool = True,
    matlab: bool | None = None,
) -> Recording:
    """Return the recording in one file.

    `fs` and `gesture_names` are for files that have none of their own; after them comes what is known of
    the Ninapro database that the file is from (app/emg/files/ninapro.py), whose labels are counted on from one
    exercise to the next. Without names a class is called `gesture_<id>`, and 0 `rest`. With `labelled=False` a
    file without labels is taken as UNLABELLED. `matlab`: whether it is a `.mat`, whatever its suffix.
    Labels: `label_refined` before `label`; in a `.mat`, `restimulus` before `stimulus`. Arrays of unequal
    length (some Ninapro files have a few label rows too many) are cut to the shortest, and that is logged.

    Raises:
        DataError: one line that names the file, the key, what was found and what is right.
    """
    path = Path(path)
    arrays = read_arrays(path, matlab)
    matlab = path.suffix.lower() == ".mat" if matlab is None else matlab
    emg = _emg(path, arrays)
    cue, refined = ("stimulus", "restimulus") if matlab else ("label", "label_refined")
    rows = {
        "label_cue": _ids(path, arrays, len(emg), cue, refined),
        "label": _ids(path, arrays, len(emg), refined, cue),
        "repetition": _ids(path, arrays, len(emg), *_repetition_keys(arrays, refined)),
        "session": _ids(path, arrays, len(emg), "session"),
        "recording": _ids(path, arrays, len(emg), "recording"),
    }
    if rows["label"] is None and labelled:
        raise DataError(f"{path.name}: has no labels; it needs the key {refined!r} or {cue!r}")
    n = _common_length(path, {"emg": emg, **rows})
    missing = {"label_cue": UNLABELLED, "label": UNLABELLED, "repetition": 0, "session": 1, "recording": 0}
    columns = {
        key: np.full(n, missing[key], np.int16) if values is None else values[:n]
        for key, values in rows.items()
    }
    labels = (columns["label"], columns["label_cue"])
    rate, exercise = _rate(path, arrays, fs), _exercise(path, arrays)
    known = ninapro.identify(
        path,
        channels=emg.shape[1],
        rate_hz=rate,
        exercise=exercise,
        labels=set(np.unique(np.concatenate(labels)).tolist()),
    )
    if known and known.gesture_names and gesture_names is None and "gesture_names" not in arrays:
        gesture_names = known.gesture_names
        for key in ("label", "label_cue"):
            columns[key] = np.where(columns[key] > 0, columns[key] + known.shift, columns[key]).astype(
                np.int16
            )
    highest = max(columns["label"].max(), columns["label_cue"].max())
    rate = rate or (known.rate_hz if known else None)
    if rate is None:
        raise DataError(f"{path.name}: has no sampling rate; it needs the key 'fs' or 'frequency' in Hz")
    own: dict[str, Any] = {key: _read_only(values) for key, values in columns.items()}
    return Recording(
        path=path,
        emg=_read_only(emg[:n]),
        fs=rate,
        gesture_names=_names(path, arrays, gesture_names, highest),
        subject=_subject(path, arrays),
        exercise=exercise,
        units=_text(arrays.get("units")) or UNKNOWN_UNITS,
        database=known.database if known else None,
        **own,
    )


def _common_length(path: Path, arrays: Mapping[str, npt.NDArray[Any] | None]) -> int:
    """Return to how many rows all arrays are cut.

    Raises:
        DataError: more than MOST_CUT of one would be lost; names all lengths.
    """
    lengths = {key: len(values) for key, values in arrays.items() if values is not None}
    shortest, longest = min(lengths.values()), max(lengths.values())
    said = ", ".join(f"{key} {length}" for key, length in lengths.items())
    if longest - shortest > MOST_CUT * longest:
        raise DataError(
            f"{path.name}: its arrays have unequal numbers of rows: {said}; they are cut to the shortest only where "
            f"at most {MOST_CUT:.0%} of a longer one is lost"
        )
    if longest > shortest:
        log.warning("%s: arrays of unequal length are cut to %d rows: %s", path.name, shortest, said)
    return shortest


def in_units(recording: Recording, units: str) -> Recording:
    """Return the recording with its signal in `units`; as it is where its own are unknown, or nobody can know how.

    What is converted, and what is not, is logged.
    """
    scale = factor(recording.units, units)
    if scale == 1.0 or recording.units == UNKNOWN_UNITS:
        return recording
    if scale is None:
        log.warning("%s: %s are taken as %s, as they are", recording.name, recording.units, units)
        return recording
    log.info("%s: %s, times %g as %s", recording.name, recording.units, scale, units)
    return replace(recording, emg=_read_only(recording.emg * np.float32(scale)), units=units)


def load_folder(path: Path | str, **options: Any) -> tuple[Recording, ...]:
    """Every `.mat` and `.npz` of a folder in natural order (S2 before S10); `options` as for `load`.

    Raises:
        DataError: the folder holds no recording, or one that cannot be used.
    """
    return tuple(load(file, **options) for file in list_folder(path))


def numbered(highest: int) -> tuple[str, ...]:
    """Return what classes are called that have a number only."""
    return ("rest", *(f"gesture_{k}" for k in range(1, int(highest) + 1)))


def list_folder(path: Path | str) -> tuple[Path, ...]:
    """Return the recordings of a folder in natural order, not yet read."""
    folder = Path(path)
    if not folder.is_dir():
        raise DataError(f"{folder}: is not a folder")
    files = sorted(
        (f for f in folder.iterdir() if f.suffix.lower() in SUFFIXES and f.is_file()), key=_natural
    )
    if not files:
        raise DataError(f"{folder}: holds no recording; it needs at least one .mat or .npz file")
    return tuple(files)


def _natural(path: Path) -> list[tuple[int, str]]:
    parts = re.split(r"(\d+)", path.name.lower())
    return [(int(part), "") if part.isdecimal() and part.isascii() else (-1, part) for part in parts]


def _letters(path: Path) -> dict[str, int]:
    """{"S": subject, "E": exercise, "A": acquisition}, whatever their order: DB1 and DB2 differ in it."""
    found = re.findall(r"(?:^|_)([SEA])(\d{1,4})(?=_|$)", path.stem, flags=re.IGNORECASE)
    return {letter.upper(): int(number) for letter, number in found}


def _emg(path: Path, arrays: Mapping[str, npt.NDArray[Any]]) -> Samples:
    if "emg" not in arrays:
        raise DataError(
            f"{path.name}: has no key 'emg'; it holds {', '.join(sorted(arrays)) or 'nothing known'}"
        )
    emg = arrays["emg"]
    if emg.ndim != 2 or emg.dtype.kind not in "iuf":
        raise DataError(
            f"{path.name}: emg is {emg.dtype} {emg.shape}; it must be numbers (samples, channels)"
        )
    if 0 in emg.shape:
        raise DataError(f"{path.name}: emg is empty, {emg.shape}; it must hold samples")
    rows, channels = emg.shape
    if channels > MAX_CHANNELS or channels > max(rows, USUAL_CHANNELS) or rows == 1 < channels:
        hint = f"at most {MAX_CHANNELS} channels fit; are rows and columns swapped?"
        raise DataError(f"{path.name}: emg is (samples, channels) = {emg.shape}; {hint}")
    with np.errstate(over="ignore", invalid="ignore"):  # what does not fit float32 is found just below
        samples = np.ascontiguousarray(emg, dtype=np.float32)
    bad = int(samples.size - np.isfinite(samples).sum())
    if bad:
        raise DataError(f"{path.name}: emg holds {bad} values that are NaN or infinite; all must be numbers")
    return samples


def _ids(path: Path, arrays: Mapping[str, npt.NDArray[Any]], n: int, *keys: str) -> Labels | None:
    """One id a sample from the first key that is there; a scalar holds for every sample."""
    key = next((key for key in keys if key in arrays), None)
    if key is None:
        return None
    found = arrays[key]
    values = found.reshape(-1) if found.size == max(found.shape, default=1) else found
    if values.ndim != 1 or found.size == 0 or found.dtype.kind not in "iuf":
        raise DataError(
            f"{path.name}: {key} is {found.dtype} {found.shape}; it must be one whole number a sample"
        )
    if not ((values >= UNLABELLED) & (values <= MAX_ID) & (values == np.trunc(values))).all():
        raise DataError(f"{path.name}: {key} must hold whole numbers from {UNLABELLED} to {MAX_ID}")
    ids: Labels = values.astype(np.int16)
    return np.broadcast_to(ids, n) if found.ndim == 0 else ids


def _repetition_keys(arrays: Mapping[str, Any], refined: str) -> tuple[str, ...]:
    """Return the repetition that belongs to the labels taken."""
    better = ("rerepetition", "repetition_refined")
    return (*better, "repetition") if refined in arrays else ("repetition",)


def _exercise(path: Path, arrays: Mapping[str, npt.NDArray[Any]]) -> int | None:
    """By the file's name; where that has no E, by the file's word."""
    said = arrays.get("exercise")
    whole = said is not None and said.size == 1 and said.dtype.kind in "iuf"
    return _letters(path).get("E", int(said.reshape(-1)[0]) if said is not None and whole else None)


def _rate(path: Path, arrays: Mapping[str, npt.NDArray[Any]], given: float | None) -> float | None:
    """Return the rate that the file states, or else the one given."""
    key = next((key for key in ("fs", "frequency") if key in arrays), None)
    if key is None and given is None:
        return None
    found = np.asarray(given) if key is None else arrays[key]
    if found.size != 1 or found.dtype.kind not in "iuf" or not 0 < float(found.reshape(-1)[0]) <= MAX_RATE_HZ:
        raise DataError(f"{path.name}: {key or 'fs'} must be one rate in Hz above 0, got {found.tolist()}")
    return float(found.reshape(-1)[0])


def _names(
    path: Path, arrays: Mapping[str, npt.NDArray[Any]], given: Sequence[str] | None, highest: int
) -> tuple[str, ...]:
    found = arrays.get("gesture_names")
    if found is not None:
        if found.dtype.kind != "U" or found.size == 0:
            raise DataError(f"{path.name}: gesture_names is {found.dtype} {found.shape}; it must be texts")
        names = tuple(str(name).strip() for name in found.reshape(-1))
    else:
        names = tuple(given or numbered(highest))
    if highest >= len(names) or len(set(names)) != len(names):
        raise DataError(
            f"{path.name}: labels go up to {highest}, which needs as many different names, got {names}"
        )
    return names


def _subject(path: Path, arrays: Mapping[str, npt.NDArray[Any]]) -> str:
    """S and two digits at least, so that S8 and S08 are one person; else what the file says or is called."""
    text = _text(arrays.get("subject")) or (f"S{_letters(path)['S']}" if "S" in _letters(path) else path.stem)
    number = re.fullmatch(r"[Ss]?(\d+)(?:\.0)?", text)
    return f"S{int(number[1]):02d}" if number else text


def _text(value: npt.NDArray[Any] | None) -> str:
    return str(value.reshape(-1)[0]).strip() if value is not None and value.size == 1 else ""


def _read_only(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    array.flags.writeable = False
    return array
