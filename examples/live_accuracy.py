"""How often a live stream is right: its `label` and `decision_label` beside the recording's own `truth`.

    EMG_MODE=ninapro EMG_RECORDING=S01.npz EMG_MODEL=myo-8ch-200hz make serve
    python examples/live_accuracy.py --duration 120

Needs only Python. Every frame counts that has a truth, those in the middle of a change of gesture too.
"""

from __future__ import annotations

import argparse
import json
import sys
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from typing import Any

Pairs = Counter[tuple[str, str]]  # (truth, said): frames


def events(url: str, job: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The events of a new stream, as dictionaries."""
    body, headers = json.dumps(job).encode(), {"Content-Type": "application/json"}
    request = urllib.request.Request(f"{url}/infer/stream", body, headers)
    with urllib.request.urlopen(request, timeout=30) as stream:
        for line in stream:
            if line.startswith(b"data: "):
                yield json.loads(line[6:])


def recalls(pairs: Pairs) -> dict[str, float]:
    """For each gesture that was there, the share of its frames that was called so."""
    frames: Counter[str] = Counter()
    for (truth, _), n in pairs.items():
        frames[truth] += n
    return {truth: pairs[truth, truth] / n for truth, n in sorted(frames.items())}


def accuracies(pairs: Pairs) -> tuple[float, float]:
    """The share of right frames, and the mean of the gestures' own shares (balanced)."""
    found = recalls(pairs)
    right = sum(n for (truth, said), n in pairs.items() if truth == said)
    return right / sum(pairs.values()), sum(found.values()) / len(found)


def measure(url: str, job: dict[str, Any]) -> dict[str, Any]:
    """The figures of one stream.

    Raises:
        ValueError: no frame had a truth.
    """
    labels, decisions, dropped, last = Counter(), Counter(), 0, {}
    for event in events(url, job):
        if "prediction" in event:
            dropped = event["dropped"]
            if event["truth"] is not None:
                labels[event["truth"], event["label"]] += 1
                decisions[event["truth"], event["decision_label"]] += 1
        else:
            last = event
            print(json.dumps(event), file=sys.stderr)
    if not labels:
        raise ValueError("no frame had a truth; does the server play a recording with labels?")
    accuracy, balanced = accuracies(labels)
    decision, decision_balanced = accuracies(decisions)
    return {
        "frames": sum(labels.values()),
        "dropped": dropped,
        "seconds": last.get("duration_seconds"),
        "accuracy": round(accuracy, 4),
        "balanced_accuracy": round(balanced, 4),
        "decision_accuracy": round(decision, 4),
        "decision_balanced_accuracy": round(decision_balanced, 4),
        "recall": {truth: round(value, 4) for truth, value in recalls(labels).items()},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--url", default="http://127.0.0.1:8000")
    parser.add_argument("--duration", type=float, default=120.0, help="seconds")
    parser.add_argument("--fps", type=float, default=30.0)
    parser.add_argument("--votes", type=int, default=1, help="the decision is the majority of so many")
    chosen = parser.parse_args()
    job = {"duration_seconds": chosen.duration, "fps": chosen.fps, "votes": chosen.votes}
    try:
        print(json.dumps(measure(chosen.url, job), indent=2))
    except (OSError, ValueError) as error:
        reason = error.read().decode() if isinstance(error, urllib.error.HTTPError) else error
        sys.exit(f"error: {reason}")


if __name__ == "__main__":
    main()
