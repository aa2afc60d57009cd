"""What came of a training, in numbers and in words, and whether the model is better than the one before."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app.inference.artefact import Artefact
from app.serving.jobs.job import IF_BETTER, NO


def result_of(model: Artefact, found: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is told of the model that a training has made; nothing yet of its use."""
    metrics = {name: value for name, value in found["metrics"].items() if name != "advice"}
    return {
        "model": model.manifest.name,
        "sha256": model.sha256,
        "classes": list(model.manifest.classes),
        "told": told(metrics),
        "metrics": metrics,
        "advice": list(found["metrics"].get("advice", ())),
        "comparison": found["comparison"],
        "proof": found["proof"],
        "used": False,
        "why_not_used": None,
        "source": None,
        "previous": None,
        "from_sample": None,
    }


def told(metrics: Mapping[str, Any]) -> str:
    """Return in words how good it is."""
    if "interval" not in metrics:
        return "not judged: there is one repetition of each gesture, and none left to judge it by"
    low, high = metrics["interval"]
    return (
        f"balanced accuracy {metrics['balanced_accuracy']:.2f} ({low:.2f}-{high:.2f}) on repetitions left out; "
        f"LDA {metrics['lda_balanced_accuracy']:.2f}, guessing {metrics['chance']:.2f}"
    )


def why_not(use: str, result: Mapping[str, Any]) -> str | None:
    """Return why the model is not to be used; None where it is."""
    if use == NO:
        return "nobody asked for it (use=no)"
    return _why_not_better(result) if use == IF_BETTER else None


def _why_not_better(result: Mapping[str, Any]) -> str | None:
    metrics, comparison = result["metrics"], result["comparison"]
    if "interval" not in metrics:
        return f"{result['told']}; use=yes uses it all the same"
    low, high = metrics["interval"]
    if low <= metrics["chance"]:
        return f"it is no better than guessing: {result['told']}"
    if comparison is None:  # no model reads the source
        return None
    before = comparison["balanced_accuracy"]
    if before is None:
        return (
            f"it cannot be compared with the model before: {comparison['why']}; use=yes uses it all the same"
        )
    if low > before:
        return None
    return (
        f"it is not better for sure: {metrics['balanced_accuracy']:.2f} ({low:.2f}-{high:.2f}), and "
        f"{comparison['model']} has {before:.2f} on the same repetitions"
    )
