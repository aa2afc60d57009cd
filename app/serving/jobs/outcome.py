"""What came of a training, in numbers and in words, and whether the model is better than the one before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from operator import itemgetter
from typing import Any

from app.inference.artefact import Artefact
from app.inference.manifest import Manifest
from app.serving.jobs.job import IF_BETTER, NO

ALIKE = 0.05  # share of two gestures' windows that are mistaken, below which nobody need hear of it


def result_of(model: Artefact, found: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is told of the model that a training has made; nothing yet of its use."""
    metrics = {name: value for name, value in found["metrics"].items() if name != "advice"}
    return {
        "model": model.manifest.name,
        "sha256": model.sha256,
        "classes": list(model.manifest.classes),
        "told": told(metrics),
        **_judged(model.manifest, metrics),
        "metrics": metrics,
        "advice": list(found["metrics"].get("advice", ())),
        "advised": found.get("advised", []),
        "comparison": found["comparison"],
        "beside": found.get("beside", []),
        "tested": found.get("tested"),
        "proof": found["proof"],
        "used": False,
        "why_not_used": None,
        "source": None,
        "previous": None,
        "from_sample": None,
    }


def _judged(manifest: Manifest, metrics: Mapping[str, Any]) -> dict[str, Any]:
    """Return how good it is, in numbers; nulls where it was not judged."""
    if "interval" not in metrics:
        none = dict.fromkeys(("accuracy", "interval", "confusion", "alike"))
        return {**none, "more_repetitions": []}
    return {
        "accuracy": metrics["balanced_accuracy"],
        "interval": metrics["interval"],
        "confusion": {"classes": list(manifest.classes), "windows": metrics["confusion"]},
        "alike": alike(manifest.classes, manifest.rest_class, metrics["confusion"]),
        "more_repetitions": metrics.get("learning_curve", []),
    }


def alike(classes: Sequence[str], rest: str, confusion: Sequence[Sequence[int]]) -> dict[str, Any] | None:
    """Return the two gestures that are most mistaken for each other, and in which share; None where hardly any is.

    Rest is none of them: what is taken for it is too weak, not alike.
    """
    totals = [sum(row) for row in confusion]

    def share(one: int, two: int) -> float:
        return (confusion[one][two] / totals[one] + confusion[two][one] / totals[two]) / 2

    tested = [k for k, name in enumerate(classes) if name != rest and totals[k]]
    pairs = [(share(one, two), classes[one], classes[two]) for one, two in combinations(tested, 2)]
    worst = max(pairs, key=itemgetter(0), default=None)
    if worst is None or worst[0] < ALIKE:
        return None
    return {"gestures": list(worst[1:]), "share": round(worst[0], 4)}


def told(metrics: Mapping[str, Any]) -> str:
    """Return in words how good it is."""
    if "roll" in metrics:
        worn = f"turned by {metrics['roll']}{', the other way round' if metrics['mirrored'] else ''}"
        return (
            f"not judged: nobody said which gesture was made when; {worn}, {metrics['rest_share']:.0%} rest"
        )
    if "r2" in metrics:
        linear = metrics["beside"]["linear"]
        return (
            f"R2 {metrics['r2']:.2f}, mean error {metrics['mae']:.1%} of the range on {metrics['split']}; linear "
            f"regression {linear['r2']:.2f} and {linear['mae']:.1%}"
        )
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
    if use != IF_BETTER:
        return None
    return _why_no_values(result) if "r2" in result["metrics"] else _why_not_better(result)


def _why_no_values(result: Mapping[str, Any]) -> str | None:
    """Return why a model of values is not used: it cannot be compared with the one that reads the source."""
    comparison = result["comparison"]
    if comparison is None:  # no model reads the source
        return None
    return f"{comparison['why']}; use=yes uses it: {result['told']}"


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
