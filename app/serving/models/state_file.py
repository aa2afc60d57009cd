"""`<instance>/state.json`: which model each source uses, and used before, so that a server that starts again goes on.

It blocks: in a server everything here runs on a native thread.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from app import private_files
from app.emg.recording.json_fields import list_of, maybe, read_object, real_of, text_of, whole_of
from app.errors import NotReadyError
from app.inference.manifest import is_name

log = logging.getLogger(__name__)

SCHEMA = 1
MOST_BEFORE = 32  # models of a source to go back to
MOST_SOURCES = 2000  # of more, those go that were longest not used
MAX_BYTES = 1 << 24  # 2000 sources with 33 models of the longest names are 10 MB
MAX_SOURCE = 200  # characters of a source's name
HEX = frozenset("0123456789abcdef")


@dataclass(frozen=True, slots=True)
class UsedModel:
    """A model as a source used it: of the same name there may be another later.

    Raises:
        ValueError: that is no name of a model, or no sha256.
    """

    name: str
    sha256: str  # of its manifest.json

    def __post_init__(self) -> None:
        if not is_name(self.name):
            raise ValueError(f"{self.name[:64]!r} is no name of a model")
        if len(self.sha256) != 64 or not HEX.issuperset(self.sha256):
            raise ValueError(f"{self.sha256[:64]!r} is no sha256")


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceModel:
    """Which model a source uses, and those before, the last one at the end.

    Raises:
        ValueError: a value is not allowed.
    """

    source: str
    model: UsedModel
    before: tuple[UsedModel, ...] = ()
    profile: str | None = None
    used_at: float = 0.0  # Unix s

    def __post_init__(self) -> None:
        if not 0 < len(self.source) <= MAX_SOURCE:
            raise ValueError(f"a source's name has 1 to {MAX_SOURCE} characters")
        if len(self.before) > MOST_BEFORE:
            raise ValueError(f"before: at most {MOST_BEFORE} models")
        if self.profile is not None and not is_name(self.profile):
            raise ValueError(f"{self.profile[:64]!r} is no name of a profile")

    def swapped(self, model: UsedModel, profile: str | None, used_at: float) -> SourceModel:
        """Return it with another model in use; of more than MOST_BEFORE before, the first one is forgotten."""
        before = (*self.before, self.model)[-MOST_BEFORE:]
        return replace(self, model=model, before=before, profile=profile, used_at=used_at)

    def undone(self, used_at: float) -> SourceModel | None:
        """Return it with the model before in use; None where there was none."""
        if not self.before:
            return None
        *before, model = self.before
        return replace(self, model=model, before=tuple(before), profile=None, used_at=used_at)


SourceModels = Mapping[str, SourceModel]  # by the source's name


class StateFile:
    """The file. One process writes it at a time: that which owns the sources."""

    def __init__(self, instance: Path) -> None:
        self.path = instance / "state.json"

    def load(self) -> dict[str, SourceModel]:
        """Return what was saved; empty where nothing was.

        Also where it is damaged: then that file is kept beside it, and the log says so.
        """
        try:
            text = _read(self.path)
            return {} if text is None else _parse(text)
        except OSError as error:
            log.warning("%s cannot be read: %s; no source has a model of its own", self.path, error.strerror)
        except ValueError as error:
            aside = self._put_aside()
            kept = f", and is kept as {aside.name}" if aside else ""
            log.warning("%s is damaged (%s)%s; no source has a model of its own", self.path, error, kept)
        return {}

    def save(self, models: SourceModels) -> None:
        """Write all of them, whole or not at all; it is on the disk when this returns.

        Raises:
            NotReadyError: the disk does not take it; what was saved before is as it was.
        """
        try:
            private_files.replace(self.path, _encode(models.values()))
        except OSError as error:
            raise NotReadyError(f"{self.path.name} cannot be written: {error.strerror or error}") from None

    def _put_aside(self) -> Path | None:
        """Keep a damaged file for whoever wants to look at it, in the place of an earlier one."""
        aside = self.path.with_name(f"{self.path.name}.damaged")
        try:
            self.path.replace(aside)
        except OSError:
            return None
        return aside


def _read(path: Path) -> bytes | None:
    """Return its content; None where it is not there."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    try:
        found = bytearray()
        while piece := os.read(handle, MAX_BYTES + 1 - len(found)):
            found += piece
        return bytes(found)
    finally:
        os.close(handle)


def _encode(models: Iterable[SourceModel]) -> bytes:
    newest = sorted(models, key=lambda one: one.used_at, reverse=True)[:MOST_SOURCES]
    said = {"schema": SCHEMA, "sources": [asdict(one) for one in newest]}
    return f"{json.dumps(said, separators=(',', ':'))}\n".encode("ascii")


def _parse(text: bytes) -> dict[str, SourceModel]:
    """Return the models by source.

    Raises:
        ValueError: it is damaged; names the field.
    """
    top = read_object(text, MAX_BYTES)
    whole_of(top, "schema", SCHEMA, SCHEMA)
    return {one.source: one for one in map(_source_model, list_of(top, "sources"))}


def _source_model(values: Any) -> SourceModel:
    if not isinstance(values, dict):
        raise ValueError("sources must be a list of objects")
    return SourceModel(
        source=text_of(values, "source"),
        model=_used_model(values.get("model")),
        before=tuple(map(_used_model, list_of(values, "before"))),
        profile=maybe(text_of, values, "profile"),
        used_at=real_of(values, "used_at", most=1e11),
    )


def _used_model(values: Any) -> UsedModel:
    if not isinstance(values, dict):
        raise ValueError("a model must be an object with name and sha256")
    return UsedModel(text_of(values, "name"), text_of(values, "sha256"))
