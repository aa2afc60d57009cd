"""The README.md of a model of one's own: what it was taught with, how good it is, and what would make it better."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from app.inference.manifest import Manifest

if TYPE_CHECKING:
    from app.learning.own.joined import Joined
    from app.learning.own.judging import Judgement
    from app.learning.own.making import Learned


def card(manifest: Manifest, learned: Learned) -> bytes:
    """Return the card."""
    joined = learned.joined
    gestures = ", ".join(f"{name} ({joined.seconds(k):.0f} s)" for k, name in enumerate(joined.classes))
    span = 1e3 / manifest.sampling_rate
    lines = [
        f"# {manifest.name}",
        "",
        f"A model of one person's own recordings: {manifest.channels} channels at {manifest.sampling_rate:g} Hz, "
        f"windows of {manifest.length} samples ({manifest.length * span:.0f} ms) with {manifest.context} "
        f"({manifest.context * span:.0f} ms) before them. Logarithms of channel covariances under a linear head, "
        "learned in closed form; no other person's data is in it.",
        "",
        "## Data",
        "",
        f"- Recordings: {', '.join(joined.names)}",
        f"- Gestures, as they were learned: {gestures}",
        *_labels(learned),
        *(f"- {line}" for line in learned.said),
        "",
        "## Figures",
        "",
        *_figures(learned.judgement, learned.calibration_error),
    ]
    if learned.advice:
        lines += ["", "## What would make it better", "", *(f"- {line}" for line in learned.advice)]
    lines += [
        "",
        "## Limits",
        "",
        "It knows one person, one placement of the electrodes and these gestures. Put on again, the electrodes sit "
        "otherwise: record one repetition and run `flask --app wsgi model calibrate`. It is no medical device, and not "
        "for anything that moves with force.",
        "",
    ]
    return "\n".join(lines).encode()


def child_card(name: str, parent: str, joined: Joined, metrics: Mapping[str, Any]) -> bytes:
    """Return the card of a model that is another's, made one person's own."""
    gestures = ", ".join(f"{one} ({joined.seconds(k):.0f} s)" for k, one in enumerate(joined.classes))
    lines = [
        f"# {name}",
        "",
        f"{parent}, made one person's own: {joined.channels} channels at {joined.rate:g} Hz.",
        "",
        "## Data",
        "",
        f"- Recordings: {', '.join(joined.names)}",
        f"- Gestures, as they were learned: {gestures}",
        "",
        "## Figures",
        "",
    ]
    if "interval" not in metrics:
        lines.append("Not judged: no repetition was left to judge it by.")
    else:
        low, high = metrics["interval"]
        before = metrics.get("balanced_accuracy_before")
        lines += [
            f"Of {metrics['tested_on']} ({metrics['windows']} windows); in brackets 95 %.",
            "",
            "| | balanced accuracy |",
            "| --- | --- |",
            f"| this model | **{metrics['balanced_accuracy']:.3f}** ({low:.3f}-{high:.3f}) |",
            *([] if before is None else [f"| {parent} | {before:.3f} |"]),
            f"| Hudgins' features and LDA, the same windows | {metrics['lda_balanced_accuracy']:.3f} |",
        ]
    if metrics.get("advice"):
        lines += ["", "## What would make it better", "", *(f"- {line}" for line in metrics["advice"])]
    return "\n".join([*lines, ""]).encode()


def _labels(learned: Learned) -> list[str]:
    told = learned.told
    if not told.edges:
        return ["- Labels: taken as they are"]
    return [
        f"- Labels: {told.edges} edges moved to where the activity changes, {told.moved_s:.2f} s on average; "
        f"{told.left_out} stretches and {told.vague} edges that nobody can tell were left out"
    ]


def _figures(found: Judgement | None, error: float | None) -> list[str]:
    if found is None:
        return ["Not judged: there is one repetition of each gesture, and none left to judge it by."]
    low, high = found.interval
    lines = [
        f"Each repetition judged by a model that was taught without it ({found.windows} windows; statistics, too, "
        "are of the others only).",
        "",
        "| | balanced accuracy |",
        "| --- | --- |",
        f"| this model | **{found.balanced_accuracy:.3f}** ({low:.3f}-{high:.3f}) |",
        f"| Hudgins' features and LDA, the same windows | {found.lda:.3f} |",
        f"| taught with shuffled labels | {found.chance:.3f} |",
        "",
        "In brackets 95 %: between what later repetitions are likely to give (a beta distribution for each gesture).",
        f"Expected calibration error of its confidence on the same windows: {error or 0.0:.3f}.",
        "",
        "Each row in percent of its true gesture:",
        "",
        f"| | {' | '.join(found.classes)} |",
        f"| --- |{' --- |' * len(found.classes)}",
    ]
    for name, row in zip(found.classes, found.confusion, strict=True):
        cells = [f"{100 * value / max(row.sum(), 1):.0f}" for value in row]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return lines
