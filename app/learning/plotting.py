"""The confusion matrix as a picture."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from app.errors import DataError, MyostreamError


def confusion_png(path: Path, report: Mapping[str, Any]) -> None:
    """Draw the confusion of a report of `evaluate`, each row in percent of its true class.

    Raises:
        MyostreamError: matplotlib is not installed.
        DataError: the file cannot be written.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise MyostreamError("a plot needs matplotlib: `pip install matplotlib`") from None
    counts = np.array(report["confusion"], dtype=np.float64)
    percent = 100 * counts / np.maximum(counts.sum(1, keepdims=True), 1)
    figure = Figure(figsize=(1.5 + 0.8 * len(counts), 1 + 0.8 * len(counts)), layout="constrained")
    axes = figure.subplots()
    axes.imshow(percent, cmap="Blues", vmin=0, vmax=100)
    ticks = np.arange(len(counts))
    axes.set_xticks(ticks, report["classes"], rotation=45, ha="right")
    axes.set_yticks(ticks, report["classes"])
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    axes.set_title(
        f"{report['model']}, {report['split']}: balanced accuracy {report['balanced_accuracy']:.3f}",
        fontsize="medium",
    )
    for row, column in np.ndindex(percent.shape):
        colour = "white" if percent[row, column] > 50 else "black"
        axes.text(column, row, f"{percent[row, column]:.0f}", ha="center", va="center", color=colour)
    try:
        figure.savefig(path, format="png", dpi=120)
    except OSError as error:
        raise DataError(f"{path}: the plot cannot be written: {error.strerror}") from None
