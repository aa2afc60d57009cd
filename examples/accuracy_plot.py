"""Accuracy over time, and under it what was asked for and what was recognised."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")  # a file, no window

import matplotlib.pyplot as plt
from matplotlib.axes import Axes

from accuracy import Judged, running

TRUTH, DECISION, MODEL = "#b8c4ce", "#0072b2", "#e69f00"  # Okabe and Ito: told apart by everyone
GAP_S = 1.0  # longer without a frame is drawn as a gap


def draw(judged: Sequence[Judged], gestures: Sequence[str], over_s: float, target: Path, title: str) -> None:
    """Write the PNG. `gestures` are the model's classes, the first at the top."""
    figure, (top, bottom) = plt.subplots(
        2, 1, sharex=True, figsize=(11, 6), height_ratios=[3, 2], layout="constrained"
    )
    _draw_accuracy(top, judged, over_s)
    _draw_gestures(bottom, judged, gestures)
    top.set_title(title, loc="left")
    for axes in (top, bottom):
        axes.spines[["top", "right"]].set_visible(False)
        axes.margins(x=0)
    figure.savefig(target, dpi=120)
    plt.close(figure)


def _draw_accuracy(axes: Axes, judged: Sequence[Judged], over_s: float) -> None:
    times = [frame.at_s for frame in judged]
    # a share of a few frames jumps about and says nothing
    first = next((k for k, at in enumerate(times) if at >= min(over_s, times[-1] / 2)), 0)
    for name, color, width, right in (
        ("model", MODEL, 3.0, [frame.label == frame.truth for frame in judged]),
        ("decision", DECISION, 1.4, [frame.decision == frame.truth for frame in judged]),
    ):
        mean = sum(right) / len(right)
        shares = running(times, right, over_s)
        for k, (at, then) in enumerate(itertools.pairwise(times)):
            if then - at > GAP_S:
                shares[k] = math.nan  # no line through a time that nothing is known of
        label = f"{name}: {mean:.1%} of all frames"
        axes.plot(times[first:], shares[first:], color=color, linewidth=width, label=label)
    axes.set_ylim(0, 1.02)
    axes.yaxis.set_major_formatter(mpl.ticker.PercentFormatter(1.0))
    axes.set_ylabel(f"right, over the last {over_s:g} s")
    axes.grid(axis="y", color="#e5e8eb")
    axes.legend(loc="lower right", frameon=False, ncols=2)


def _draw_gestures(axes: Axes, judged: Sequence[Judged], gestures: Sequence[str]) -> None:
    """A wide bar where a gesture was asked for, and a narrow one in it where it was decided."""
    rows = {gesture: row for row, gesture in enumerate(gestures)}
    times = [frame.at_s for frame in judged]
    for said, color, height, name in (
        ([frame.truth for frame in judged], TRUTH, 0.8, "asked for"),
        ([frame.decision for frame in judged], DECISION, 0.32, "decided"),
    ):
        for gesture, row in rows.items():
            spans = _spans(times, [one == gesture for one in said])
            axes.broken_barh(spans, (row - height / 2, height), color=color, linewidth=0)
        axes.plot([], [], color=color, linewidth=8 * height + 1, label=name)
    axes.set_yticks(range(len(gestures)), gestures)
    axes.set_ylim(len(gestures) - 0.4, -0.6)
    axes.set_xlabel("seconds of signal")
    axes.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), frameon=False, ncols=2)


def _spans(times: Sequence[float], holds: Sequence[bool]) -> list[tuple[float, float]]:
    """(start, length) of each run in which it holds; a frame lasts until the next, unless that is long after."""
    spans: list[tuple[float, float]] = []
    for (at, then), held in zip(itertools.pairwise(times), holds, strict=False):
        if not held or then - at > GAP_S:
            continue
        if spans and math.isclose(sum(spans[-1]), at):
            spans[-1] = spans[-1][0], then - spans[-1][0]
        else:
            spans.append((at, then - at))
    return spans
