"""The manifest of somebody's own graph, of which its author writes only what nobody else can know."""

from __future__ import annotations

import json
from typing import Any

from app.errors import ArtefactError
from app.inference.manifest import FOREIGN, SCHEMA, Manifest, shown
from app.inference.manifest_json import decode, parse

_USUAL: dict[str, Any] = {
    "schema": SCHEMA,
    "version": "1.0.0",
    "architecture": FOREIGN,
    "hyper_parameters": {},
    "steps": 1,
    "training": {},
    "metrics": {},
    "parent": None,
}


def is_draft(text: bytes) -> bool:
    """Whether a manifest vouches for no files yet.

    Raises:
        ArtefactError: it is not JSON.
    """
    given = decode(text)
    return isinstance(given, dict) and not given.get("files")


def completed(text: bytes, name: str | None = None) -> Manifest:
    """Return the manifest that a draft means: what it leaves out has its default, `name` takes the place of its own.

    To be given: name, input (channels, length, sampling_rate_hz, units), intensity, and either classes and rest_class
    or outputs of the kind values.

    Raises:
        ArtefactError: something is missing or wrong; names the field.
    """
    given = decode(text)
    if not isinstance(given, dict):
        raise ArtefactError(f"the manifest must be an object, got {shown(given)}")
    if given.get("architecture", FOREIGN) != FOREIGN:
        raise ArtefactError(
            f"architecture must be {FOREIGN}, or left out, got {shown(given['architecture'])}"
        )
    full = {**_USUAL, **given, "files": {}}
    if name is not None:
        full["name"] = name
    if isinstance(full.get("input"), dict):
        full["input"] = {"filters": [], **full["input"]}
        full.setdefault("normalisation", _as_it_is(full["input"].get("channels")))
    return parse(json.dumps(full).encode())


def _as_it_is(channels: object) -> dict[str, Any]:
    """Return the statistics that change nothing, for a graph that normalises by itself."""
    count = channels if isinstance(channels, int) and 0 < channels <= 1024 else 0
    return {"mean": [0.0] * count, "std": [1.0] * count}
