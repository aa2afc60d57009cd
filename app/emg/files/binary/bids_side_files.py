"""What the side files of a BIDS dataset say of a signal: types, units and events (BIDS 1.11.1, electromyography)."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.errors import DataError

MAX_BYTES = 64 * 2**20  # of a side file
MAX_FOLDERS = 4  # up from the file's own: modality, session, subject, dataset


@dataclass(frozen=True, slots=True)
class BidsEvent:
    """A row of `*_events.tsv`, in seconds from the beginning of the signal."""

    onset_s: float
    duration_s: float | None
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SideFiles:
    """What stands beside a signal; empty where there is nothing."""

    types: dict[str, str]  # by the channel's name
    units: dict[str, str]
    events: tuple[BidsEvent, ...]
    about: dict[str, Any]  # *_emg.json
    subject: str | None
    read: tuple[str, ...]  # the names of the files


def read(path: Path) -> SideFiles:
    """Return what the side files of a signal such as `sub-01_task-typing_emg.edf` say.

    Raises:
        DataError: one of them cannot be read.
    """
    entities, _, modality = path.stem.rpartition("_")
    if "sub-" not in entities:
        return SideFiles(types={}, units={}, events=(), about={}, subject=None, read=())
    channels = _nearest(path, entities, "_channels.tsv")
    events = _nearest(path, entities, "_events.tsv")
    about = _nearest(path, entities, f"_{modality}.json")
    rows = list(_rows(channels)) if channels else []
    found = [file for file in (channels, events, about) if file]
    return SideFiles(
        types={row["name"]: row["type"] for row in rows if row.get("name") and row.get("type")},
        units={row["name"]: row["units"] for row in rows if row.get("name") and _said(row.get("units"))},
        events=tuple(_events(events)) if events else (),
        about=_object(about) if about else {},
        subject=next((part[4:] for part in entities.split("_") if part.startswith("sub-")), None),
        read=tuple(file.name for file in found),
    )


def _nearest(path: Path, entities: str, ending: str) -> Path | None:
    """Return the side file that holds for the signal: its own, or one further up that names no other entity."""
    wanted = set(entities.split("_"))
    for folder in path.absolute().parents[:MAX_FOLDERS]:
        fitting = [
            file
            for file in sorted(folder.glob(f"*{ending}"))
            if file.is_file() and set(file.name.removesuffix(ending).split("_")) <= wanted
        ]
        if fitting:
            return max(fitting, key=lambda file: len(file.name))
        if (folder / "dataset_description.json").is_file():
            return None
    return None


def _rows(path: Path) -> Iterator[dict[str, str]]:
    lines = csv.DictReader(_text(path).splitlines(), delimiter="\t", quoting=csv.QUOTE_NONE)
    for row in lines:
        yield {key.strip(): value.strip() for key, value in row.items() if key and isinstance(value, str)}


def _events(path: Path) -> Iterator[BidsEvent]:
    for number, row in enumerate(_rows(path), 2):
        text = next((row[key] for key in ("trial_type", "value", "event_type") if _said(row.get(key))), "")
        try:
            onset, duration = float(row["onset"]), row.get("duration", "")
            lasts = float(duration) if _said(duration) else None
        except (KeyError, ValueError):
            raise DataError(f"{path.name}: line {number} has no onset and duration in seconds") from None
        yield BidsEvent(onset, lasts if lasts else None, text)


def _object(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(_text(path))
    except (ValueError, RecursionError):
        raise DataError(
            f"{path.name}: is not JSON; mend it, or take it away from beside the signal"
        ) from None
    return found if isinstance(found, dict) else {}


def _text(path: Path) -> str:
    if path.stat().st_size > MAX_BYTES:
        raise DataError(f"{path.name}: is larger than {MAX_BYTES >> 20} MiB, which no side file of BIDS is")
    return path.read_text(encoding="utf-8-sig", errors="replace")


def _said(value: str | None) -> bool:
    return bool(value) and value != "n/a"
