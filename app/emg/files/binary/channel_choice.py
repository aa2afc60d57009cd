"""Which of a file's channels are the EMG: as a person says it, or as their names do."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from app.errors import DataError

MAX_CHANNELS = 256  # as many as a source may have
MAX_LISTED = 24  # names in a message

_PART = re.compile(r"(\d+)(?:-(\d+))?")

# In this order: `EMG ACC X` of a sensor with both is an acceleration.
_KINDS = {
    "accelerometer": r"(?<![a-z])acc(?![a-z])|acc[xyz]\b|accel|(?<![a-z])xyz",
    "gyroscope": r"gyr",
    "magnetometer": r"(?<![a-z])mag(?![a-z])|magnet",
    "orientation": r"quat|orientation|(?<![a-z])(yaw|pitch|roll)(?![a-z])",
    "trigger": r"trig|status|(?<![a-z])stim(?![a-z])|marker|(?<![a-z])sync|digital",
    "battery": r"batt",
    "counter": r"counter|nseq|sample ?(index|number)|packet",
    "EMG": r"emg|electromyo",
    "EEG": r"eeg",
    "ECG": r"ecg|ekg",
    "EOG": r"eog",
    "EDA": r"(?<![a-z])eda|gsr",
    "respiration": r"resp",
    "temperature": r"temp",
    "force": r"force|torque|load ?cell",
    "angle": r"angle|goniom",
}


def kind_of(name: str, units: str = "") -> str:
    """Return what a channel of that name is: EMG, accelerometer, trigger, ...; empty where the name does not say."""
    plain = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower().replace("_", " ")
    for kind, form in _KINDS.items():
        if re.search(form, plain):
            return kind
    return {"g": "accelerometer", "deg/s": "gyroscope", "dps": "gyroscope"}.get(units.strip().lower(), "")


def chosen(path: Path, names: Sequence[str], said: str) -> tuple[int, ...]:
    """Return the places of the channels that `said` names, by name or by number from 1: `1-8`, `3,1,2`, `EMG1,EMG2`.

    Raises:
        DataError: there is no such channel, or one is named twice; lists what there is.
    """
    places = [place for part in _parts(names, said) for place in _places(path, names, part)]
    if len(set(places)) != len(places) or not places:
        raise DataError(f"{path.name}: --emg {said!r} names a channel twice, or none")
    return tuple(places)


def expect_few(path: Path, channels: int, array: str = "") -> None:
    """Raise DataError for more channels than a source may have; `array` is how `--emg` calls what they are of."""
    if channels > MAX_CHANNELS:
        of_it = f"{array}:" if array else ""
        raise DataError(
            f"{path.name}: has {channels} EMG channels; at most {MAX_CHANNELS} can be used: choose them, "
            f"such as --emg {of_it}1-{MAX_CHANNELS}"
        )


def listed(names: Sequence[str]) -> str:
    """Return the names for a message, with numbers from 1; the first of them where they are many."""
    said = ", ".join(f"{k} {name!r}" for k, name in enumerate(names[:MAX_LISTED], 1))
    return said + (f" and {len(names) - MAX_LISTED} more" if len(names) > MAX_LISTED else "")


def numbers(places: Sequence[int]) -> str:
    """Return places from 0 as `--emg` takes them: 1-8, or 1,3,4."""
    first, last = places[0] + 1, places[-1] + 1
    if len(places) > 2 and list(places) == list(range(first - 1, last)):
        return f"{first}-{last}"
    return ",".join(str(place + 1) for place in places[:MAX_LISTED])


def unique(names: Sequence[str]) -> tuple[str, ...]:
    """Return the names, those without one called ch<number>, and repeated ones with their number behind."""
    named = [name.strip() or f"ch{k}" for k, name in enumerate(names, 1)]
    return tuple(f"{name} {k}" if named.count(name) > 1 else name for k, name in enumerate(named, 1))


def _parts(names: Sequence[str], said: str) -> list[str]:
    return [said] if said in names else [part.strip() for part in said.split(",") if part.strip()]


def _places(path: Path, names: Sequence[str], part: str) -> range | list[int]:
    same = [k for k, name in enumerate(names) if name.lower() == part.lower()]
    exact = [k for k in same if names[k] == part]
    if same:
        return (exact or same)[:1]
    numbered = _PART.fullmatch(part)
    if numbered:
        first, last = int(numbered[1]), int(numbered[2] or numbered[1])
        if 1 <= first <= last <= len(names):
            return range(first - 1, last)
    raise DataError(f"{path.name}: --emg {part!r} is not there; there is {listed(names) or 'nothing'}")
