"""What is told of a model, to people and programs alike: `flask model list` and `GET /models` say the same."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from app.inference.artefact import Artefact
from app.inference.manifest import Manifest


def described(model: Artefact, others: Iterable[Artefact] = ()) -> dict[str, Any]:
    """Return a model for JSON; `others` are those beside it, among which are its parent and children."""
    manifest = model.manifest
    return {
        "name": manifest.name,
        "version": manifest.version,
        "sha256": model.sha256,
        "architecture": manifest.architecture,
        "input": {
            "channels": manifest.channels,
            "length": manifest.length,
            "context": manifest.context,
            "sampling_rate_hz": manifest.sampling_rate,
            "units": manifest.units,
            "layout": manifest.layout,
        },
        "outputs": described_outputs(manifest),
        "classes": list(manifest.classes),
        "rest_class": manifest.rest_class or None,
        "decision": None if manifest.decision is None else asdict(manifest.decision),
        "control": asdict(manifest.control_rule) if manifest.gives_values else None,
        "lineage": _lineage(model, list(others)),
        "metrics": dict(manifest.metrics),
        "files": dict(manifest.files),
    }


def described_outputs(manifest: Manifest) -> dict[str, Any]:
    """Return what the graph gives; `values` with their ranges, none of a model of classes."""
    values = [
        {**asdict(value), "rest": value.neutral, "units": value.units or None}
        for value in manifest.outputs.values
    ]
    return {"kind": manifest.outputs.kind, "values": values}


def _lineage(model: Artefact, others: list[Artefact]) -> dict[str, Any]:
    parent = model.manifest.parent
    here = [one.manifest.name for one in others if parent is not None and one.sha256 == parent.sha256]
    return {
        "parent": None
        if parent is None
        else {"name": parent.name, "sha256": parent.sha256, "here": bool(here)},
        "children": sorted(one.manifest.name for one in others if _is_child(one.manifest, model.sha256)),
        "person": person_of(model.manifest),
        "recordings": _recordings(model.manifest),
    }


def _is_child(manifest: Manifest, sha256: str) -> bool:
    return manifest.parent is not None and manifest.parent.sha256 == sha256


def person_of(manifest: Manifest) -> str | None:
    """Return whose model it is, where its training says so."""
    found = manifest.training.get("person", manifest.training.get("subject"))
    return found if isinstance(found, str) else None


def _recordings(manifest: Manifest) -> list[str]:
    """Return the hashes of what taught it: of each session's content, whatever its file is called."""
    lists = [manifest.training.get(name, []) for name in ("hashes", "taught")]
    found = [one for hashes in lists if isinstance(hashes, list) for one in hashes if isinstance(one, str)]
    return list(dict.fromkeys(found))
