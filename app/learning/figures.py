"""What an evaluation found, kept in the model's manifest with the split it is of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from app.inference.artefact import Artefact
from app.learning.metrics import NAMES
from app.learning.shipping import save_beside_card

SPLITS = {
    "person": "people never seen, the model as it is",
    "repetition": "adapted on repetitions 1, 3, 4, 6, 7 of a person, tested on 2 and 5",
    "session": "adapted on all sessions of a person but the last, tested on that",
    "day": "adapted on the first session of a person, tested on each later one",
    "calibrate": "adapted on the first repetitions of a session, tested on its repetitions 4 to 6",
}


def keep(model: Artefact, report: Mapping[str, Any], dataset: str) -> Artefact:
    """Write the figures of a report of `evaluate` into the manifest, in place of older ones of that split."""
    split = str(report["split"])
    entry: dict[str, Any] = {
        "split": SPLITS[split.split(maxsplit=1)[0]],
        "dataset": dataset,
        "people": len(report["people"]),
        "windows": report["windows"],
        **{name: _rounded(report[name]) for name in NAMES},
    }
    for other in ("aligned", "lda"):
        if report[other] is not None:
            entry[f"{other}_balanced_accuracy"] = _rounded(report[other]["balanced_accuracy"])
    manifest = replace(model.manifest, metrics={**model.manifest.metrics, split: entry})
    return save_beside_card(model.path, manifest, {name: model.file(name) for name in model.manifest.files})


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
