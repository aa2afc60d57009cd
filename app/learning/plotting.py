"""Reports as pictures: the confusion matrix, and misses against false activations."""

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
    figure_of = _figure_class()
    counts = np.array(report["confusion"], dtype=np.float64)
    percent = 100 * counts / np.maximum(counts.sum(1, keepdims=True), 1)
    figure = figure_of(figsize=(1.5 + 0.8 * len(counts), 1 + 0.8 * len(counts)), layout="constrained")
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
    _save(figure, path)


def events_png(path: Path, report: Mapping[str, Any]) -> None:
    """Draw the gestures missed against the false activations an hour of a report of `report_of_events`.

    Raises:
        MyostreamError: matplotlib is not installed.
        DataError: the file cannot be written.
    """
    figure = _figure_class()(figsize=(6, 4.5), layout="constrained")
    axes = figure.subplots()
    for name, curve, colour in (
        (report["model"], report["curve"], "tab:blue"),
        ("LDA", report["lda"]["curve"], "tab:orange"),
    ):
        known = [one for one in curve if one["found"] is not None and one["false_an_hour"] is not None]
        rates, missed = ([one[key] for one in known] for key in ("false_an_hour", "found"))
        axes.plot(rates, [100 * (1 - one) for one in missed], "o-", color=colour, markersize=4, label=name)
    if report["found"] is not None and report["false_an_hour"] is not None:
        missed_here = 100 * (1 - report["found"])
        axes.plot(
            [report["false_an_hour"]], [missed_here], "s", color="tab:blue", markersize=9, label="its rules"
        )
    chance = report["shuffled"]
    if chance["found"] is not None and chance["false_an_hour"] is not None:
        # said and not drawn: it misses nearly all, and the curves would lie on the axis
        said = f"{100 * (1 - chance['found']):.0f} % missed, {chance['false_an_hour']:.1f} an hour"
        axes.plot([], [], "x", color="tab:gray", label=f"shuffled labels: {said}")
    axes.set_xscale("symlog", linthresh=1)
    axes.set_xlim(left=0)
    axes.set_ylim(bottom=0)
    axes.set_xlabel("false activations an hour of rest")
    axes.set_ylabel("gestures missed, %")
    axes.set_title(f"{report['model']}, {report['split']}", fontsize="medium")
    axes.grid(alpha=0.3)
    axes.legend()
    _save(figure, path)


def _figure_class() -> Any:
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise MyostreamError("a plot needs matplotlib: `pip install matplotlib`") from None
    return Figure


def _save(figure: Any, path: Path) -> None:
    try:
        figure.savefig(path, format="png", dpi=120)
    except OSError as error:
        raise DataError(f"{path}: the plot cannot be written: {error.strerror}") from None
