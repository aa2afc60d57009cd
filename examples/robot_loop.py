"""The control loop of a robot or a game: moves by `decision` and `intensity`, and stops when there is no news.

    python examples/robot_loop.py --seconds 20

The loop keeps its own time step and never waits for the network: a thread reads the stream, and the loop looks at the
newest command. No frame for 0.25 s, a stalled source, a lost connection, trouble or the end of the stream all mean
the same: stop. The "robot" here is a hand of two joints; put your own in the place of `Hand`.
"""

from __future__ import annotations

import argparse
import os
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

sys.path.append(
    str(Path(__file__).resolve().parent.parent / "clients" / "python" / "src")
)  # where none is installed

from myostream_client import (
    DEFAULT_URL,
    ClientError,
    Event,
    Frame,
    ModelChange,
    SignalFrame,
    StreamingInferenceClient,
    ValueFrame,
    line_of,
)

STEP_S = 0.02  # 50 steps a second
STALE_S = 0.25  # older news is none: about seven frames at 30 fps
SHOWN_EVERY = 10  # steps
MOVES: Mapping[
    str, tuple[float, float]
] = {  # gesture -> speed of (grip, wrist) at full intensity, per second
    "fist": (1.0, 0.0),
    "open_hand": (-1.0, 0.0),
    "flexion": (0.0, 1.0),
    "extension": (0.0, -1.0),
}


@dataclass(frozen=True, slots=True)
class Command:
    """What to do now."""

    gesture: str
    intensity: float  # 0..1
    reason: str = ""  # why it is a stop, where it is one

    @property
    def stops(self) -> bool:
        return bool(self.reason)


@dataclass(frozen=True, slots=True)
class Hand:
    """Joints from 0 (open, extended) to 1 (closed, flexed)."""

    grip: float = 0.0
    wrist: float = 0.5

    def moved(self, command: Command, step_s: float) -> Hand:
        """The hand one step later. A stop holds it where it is: to let go might drop something."""
        if command.stops:
            return self
        grip, wrist = MOVES.get(command.gesture, (0.0, 0.0))
        reach = step_s * command.intensity
        return replace(
            self, grip=_bounded(self.grip + grip * reach), wrist=_bounded(self.wrist + wrist * reach)
        )


class Pilot:
    """Reads a stream on its own thread, and says what it means now."""

    def __init__(self, events: Iterable[Event], clock: Callable[[], float] = time.monotonic) -> None:
        self._events, self._clock = events, clock
        self._newest: tuple[Command, float] = (_stop("no frame yet"), clock())  # replaced as a whole
        self.error: ClientError | None = None
        self.finished = threading.Event()

    def start(self) -> None:
        threading.Thread(target=self.read, name="pilot", daemon=True).start()

    def read(self) -> None:
        """To the end of the stream."""
        try:
            for event in self._events:
                if isinstance(event, ModelChange):
                    continue  # the first frame of the new model follows at once, or what there is becomes too old
                self._newest = _command_of(event), self._clock()
        except ClientError as error:
            self.error = error
            self._newest = _stop(str(error)), self._clock()
        finally:
            self.finished.set()

    def command(self) -> Command:
        """The newest command; a stop when it is too old."""
        command, came = self._newest
        age = self._clock() - came
        if self.finished.is_set() and not command.stops:  # the reader died of something
            return _stop("the stream has ended")
        return command if command.stops or age <= STALE_S else _stop(f"no frame for {age:.1f} s")


def run(pilot: Pilot, show: Callable[[Hand, Command], None]) -> Hand:
    """Until the stream is over. Steps are due at fixed times; those missed are left out, not made up for."""
    hand, due, steps = Hand(), time.monotonic(), 0
    while not pilot.finished.is_set():
        command = pilot.command()
        hand = hand.moved(command, STEP_S)
        if steps % SHOWN_EVERY == 0:
            show(hand, command)
        steps += 1
        due = max(due + STEP_S, time.monotonic())
        time.sleep(max(0.0, due - time.monotonic()))
    show(hand, pilot.command())
    return hand


def show(hand: Hand, command: Command) -> None:
    """One line; in a terminal it is written over."""
    doing = f"STOP: {command.reason}" if command.stops else f"{command.gesture} {command.intensity:.2f}"
    line = f"grip {_gauge(hand.grip)}  wrist {_gauge(hand.wrist)}  {doing}"
    print(
        f"\r\x1b[K{line[:110]}" if sys.stdout.isatty() else line,
        end="" if sys.stdout.isatty() else "\n",
        flush=True,
    )


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--url", default=DEFAULT_URL)
    parser.add_argument("--api-key", default=os.environ.get("EMG_API_KEY") or None, help="or in EMG_API_KEY")
    parser.add_argument("--seconds", type=float, help="default: until Ctrl-C")
    asked = parser.parse_args()
    client = StreamingInferenceClient(asked.url, asked.api_key)
    with client.stream(duration_seconds=asked.seconds, votes=5, min_confidence=0.5) as stream:
        pilot = Pilot(stream)
        pilot.start()
        run(pilot, show)
    if pilot.error is not None:
        print(f"\nerror: {pilot.error}", file=sys.stderr)
        return 1
    print()
    return 0


def _command_of(event: Event) -> Command:
    if isinstance(event, Frame):
        return Command(event.decision_label, event.intensity)
    if isinstance(event, ValueFrame):
        return _stop("the model gives values and no gestures: move by event.output instead")
    return _stop("no model reads the source" if isinstance(event, SignalFrame) else line_of(event))


def _stop(reason: str) -> Command:
    return Command("rest", 0.0, reason)


def _bounded(value: float) -> float:
    return min(max(value, 0.0), 1.0)


def _gauge(value: float, width: int = 12) -> str:
    at = round(value * (width - 1))
    return "[" + "-" * at + "o" + "-" * (width - 1 - at) + "]"


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
