"""What every way to a person's own model shares: where it goes, and how it compares."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.errors import DataError
from app.learning.progress import Progress, silently


class NotBetterError(DataError):
    """The adapted model is no better than it was, or than chance."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where the new model goes, and what is written of it."""

    path: Path
    replacing: bool = False  # the model that is there
    graphs: bool = True
    progress: Progress = silently


def told(metrics: Mapping[str, Any]) -> str:
    """Return in words how a calibrated model compares with the one it comes from."""
    if "balanced_accuracy" not in metrics:
        return "not judged, since there is no later repetition to test on"
    after = f"{metrics['balanced_accuracy']:.2f}, chance {metrics['chance']:.3f}"
    if "balanced_accuracy_before" not in metrics:  # it has gestures that were not there
        return f"balanced accuracy {after}"
    return f"balanced accuracy before {metrics['balanced_accuracy_before']:.2f} -> after {after}"
