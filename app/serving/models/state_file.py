"""`<instance>/state.json`: which model each source uses, and used before, so that a server that starts again goes on.

It blocks: in a server everything here runs on a native thread.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from app import private_files
from app.emg.recording.json_fields import list_of, maybe, read_object, text_of, whole_of
from app.errors import NotReadyError
from app.inference.manifest import is_name
from app.serving.counters.shared_swap import Chosen, Pick

log = logging.getLogger(__name__)

SCHEMA = 1
MOST_BEFORE = 32  # models of a source to go back to
MOST_SOURCES = 1024  # of more, those go that were longest not changed
MAX_BYTES = 1 << 24  # 1024 sources with 33 models and profiles of the longest names are 5 MB
MAX_SOURCE = 200  # characters of a source's name
HEX = frozenset("0123456789abcdef")


class StateFile:
    """The file. One process writes it at a time: that which owns the sources."""

    def __init__(self, instance: Path) -> None:
        self.path = instance / "state.json"

    def load(self) -> dict[str, Chosen]:
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

    def save(self, chosen: Mapping[str, Chosen]) -> None:
        """Write what each source uses, whole or not at all; it is on the disk when this returns.

        Of more than MOST_SOURCES the first ones are left out.

        Raises:
            NotReadyError: the disk does not take it; what was saved before is as it was.
        """
        try:
            private_files.replace(self.path, _encode(chosen))
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


def _encode(chosen: Mapping[str, Chosen]) -> bytes:
    newest = list(chosen.items())[-MOST_SOURCES:]
    said = {"schema": SCHEMA, "sources": [{"source": source, **asdict(one)} for source, one in newest]}
    return f"{json.dumps(said, separators=(',', ':'))}\n".encode("ascii")


def _parse(text: bytes) -> dict[str, Chosen]:
    """Return what each source uses.

    Raises:
        ValueError: it is damaged; names the field.
    """
    top = read_object(text, MAX_BYTES)
    whole_of(top, "schema", SCHEMA, SCHEMA)
    return dict(map(_source, list_of(top, "sources")))


def _source(values: Any) -> tuple[str, Chosen]:
    if not isinstance(values, dict):
        raise ValueError("sources must be a list of objects")
    source, sha256 = text_of(values, "source"), maybe(text_of, values, "sha256")
    if not 0 < len(source) <= MAX_SOURCE:
        raise ValueError(f"a source's name has 1 to {MAX_SOURCE} characters")
    if sha256 is not None and (len(sha256) != 64 or not HEX.issuperset(sha256)):
        raise ValueError(f"{sha256[:64]!r} is no sha256")
    before = list_of(values, "before")
    if len(before) > MOST_BEFORE:
        raise ValueError(f"before: at most {MOST_BEFORE} models")
    pick = _pick(values.get("pick"))
    return source, Chosen(pick=pick, sha256=sha256, before=tuple(map(_pick, before)))


def _pick(values: Any) -> Pick:
    if not isinstance(values, list) or len(values) != 2:
        raise ValueError("a choice must be the names of a model and of a profile")
    for what, name in zip(("model", "profile"), values, strict=True):
        if name is not None and not (isinstance(name, str) and is_name(name)):
            raise ValueError(f"{str(name)[:64]!r} is no name of a {what}")
    return Pick(*values)
