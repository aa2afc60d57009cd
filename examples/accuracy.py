"""How often a stream was right: its `label` and `decision_label` beside the recording's own `truth`."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

Pairs = Counter[tuple[str, str]]  # (truth, said): frames


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """One frame that had a truth."""

    at_s: float  # since the first, by the signal's own time
    truth: str
    label: str
    decision: str


def figures(judged: Sequence[Judged]) -> dict[str, Any]:
    """Shares of right frames: of all, and the mean of the gestures' own (balanced).

    Raises:
        ValueError: there is no frame.
    """
    if not judged:
        raise ValueError("no frame had a truth; does the server play a recording with labels?")
    labels = Counter((frame.truth, frame.label) for frame in judged)
    decisions = Counter((frame.truth, frame.decision) for frame in judged)
    accuracy, balanced = _accuracies(labels)
    decision, decision_balanced = _accuracies(decisions)
    return {
        "frames": len(judged),
        "accuracy": round(accuracy, 4),
        "balanced_accuracy": round(balanced, 4),
        "decision_accuracy": round(decision, 4),
        "decision_balanced_accuracy": round(decision_balanced, 4),
        "recall": {truth: round(share, 4) for truth, share in recalls(labels).items()},
    }


def recalls(pairs: Pairs) -> dict[str, float]:
    """For each gesture that was there, the share of its frames that was called so."""
    frames: Counter[str] = Counter()
    for (truth, _), n in pairs.items():
        frames[truth] += n
    return {truth: pairs[truth, truth] / n for truth, n in sorted(frames.items())}


def running(times_s: Iterable[float], right: Iterable[bool], over_s: float) -> list[float]:
    """At each frame, the share of right ones among those of the `over_s` before it, itself included."""
    recent: deque[tuple[float, bool]] = deque()
    hits, shares = 0, []
    for at, hit in zip(times_s, right, strict=True):
        recent.append((at, hit))
        hits += hit
        while recent[0][0] <= at - over_s:
            hits -= recent.popleft()[1]
        shares.append(hits / len(recent))
    return shares


def _accuracies(pairs: Pairs) -> tuple[float, float]:
    found = recalls(pairs)
    right = sum(n for (truth, said), n in pairs.items() if truth == said)
    return right / sum(pairs.values()), sum(found.values()) / len(found)
