"""How often a live stream is right, over time: figures as JSON, and a picture.

    EMG_MODE=ninapro EMG_RECORDING=S01.npz EMG_MODEL=myo-8ch-200hz make serve
    python examples/accuracy_over_time.py --duration 120 --votes 5 --png accuracy.png

The server plays a recording with labels; each frame brings the label of its last sample as `truth`. Every frame counts
that has one, those in the middle of a change of gesture too. The figures need only Python, the picture matplotlib.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

sys.path.append(
    str(Path(__file__).resolve().parent.parent / "clients" / "python" / "src")
)  # where none is installed

from accuracy import Judged, figures
from myostream_client import (
    DEFAULT_URL,
    ClientError,
    Completed,
    Frame,
    StreamingInferenceClient,
    line_of,
)

# 1. What to ask for


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--url", default=DEFAULT_URL)
    parser.add_argument("--api-key", default=os.environ.get("EMG_API_KEY") or None, help="or in EMG_API_KEY")
    parser.add_argument("--duration", type=float, default=120.0, help="seconds (default: 120)")
    parser.add_argument("--fps", type=float, default=30.0)
    parser.add_argument("--votes", type=int, default=1, help="the decision is the majority of so many")
    parser.add_argument(
        "--over", type=float, default=10.0, help="seconds that a point of the curve is taken over"
    )
    parser.add_argument("--png", type=Path, help="where the picture goes; without it there is none")
    return parser.parse_args()


# 2. Stream, and keep what has a truth


def listen(
    client: StreamingInferenceClient, rate_hz: float, **options: Any
) -> tuple[list[Judged], dict[str, Any]]:
    """The frames that had a truth, and what the stream itself says: frames dropped, seconds."""
    judged: list[Judged] = []
    time_of = SignalTime(rate_hz)
    said: dict[str, Any] = {"dropped": 0, "seconds": None}
    for event in client.stream(**options):
        if isinstance(event, Frame):
            said["dropped"] = event.dropped
            at_s = time_of(event)
            if event.truth is not None:
                judged.append(
                    Judged(at_s=at_s, truth=event.truth, label=event.label, decision=event.decision_label)
                )
        else:
            print(line_of(event), file=sys.stderr)
            if isinstance(event, Completed):
                said["seconds"] = event.duration_seconds
    return judged, said


class SignalTime:
    """Seconds of signal since the first frame, by sample index. A restarted server counts its samples anew: then the
    clock says how much later that is."""

    def __init__(self, rate_hz: float) -> None:
        self._rate_hz = rate_hz
        self._last: tuple[Frame, float] | None = None

    def __call__(self, frame: Frame) -> float:
        if self._last is None:
            at_s = 0.0
        else:
            last, was_s = self._last
            samples = frame.sample_index - last.sample_index
            at_s = was_s + (samples / self._rate_hz if samples > 0 else frame.timestamp - last.timestamp)
        self._last = frame, at_s
        return at_s


# 3. Figures, then the picture


def main() -> None:
    asked = arguments()
    client = StreamingInferenceClient(asked.url, asked.api_key)
    model = client.health_check()["model"]
    judged, said = listen(
        client,
        model["sampling_rate_hz"],
        duration_seconds=asked.duration,
        fps=asked.fps,
        votes=asked.votes,
    )
    found = figures(judged)
    print(json.dumps({**said, **found}, indent=2))
    if asked.png is not None:
        from accuracy_plot import draw  # noqa: PLC0415  matplotlib is optional

        title = f"{model['name']}, {asked.fps:g} fps, {asked.votes} vote{'s' * (asked.votes != 1)}"
        draw(judged, model["classes"], asked.over, asked.png, title)
        print(f"wrote {asked.png}", file=sys.stderr)


if __name__ == "__main__":
    try:
        main()
    except ModuleNotFoundError as error:
        sys.exit(f"error: the picture needs {error.name}: pip install {error.name}")
    except (ClientError, OSError, ValueError) as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
