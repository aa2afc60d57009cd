"""What a worker says of one way out, and what it holds there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

OF_FRAMES = ("lsl", "udp")  # ways out that send frames alone
OUTPUT_STATES = ("closed", "open", "failed")  # closed here: another worker may send


class HeldGesture(NamedTuple):
    """The gesture that a way out has told the beginning of, and not the end."""

    id: int
    number: int  # of the class
    sample_index: int
    began_at: int
    refined_by: int
    variant: int  # place in VARIANTS


class OutputRow:
    """What one worker says of a way out. It alone writes it, but for what it holds when it dies.

    One that sends frames alone has only the first three values.
    """

    def __init__(self, values: memoryview[float]) -> None:
        # state, frames sent, failures, messages of events delivered, dropped; of what is held its id + 1, and the rest
        self._values = values

    @property
    def state(self) -> str:
        return OUTPUT_STATES[int(self._values[0])]

    @property
    def frames(self) -> int:
        return int(self._values[1])

    @property
    def failures(self) -> int:
        return int(self._values[2])

    @property
    def messages(self) -> int:
        return int(self._values[3]) if len(self._values) > 3 else 0

    @property
    def drops(self) -> int:
        return int(self._values[4]) if len(self._values) > 3 else 0

    @property
    def held(self) -> HeldGesture | None:
        """Return what a receiver takes for held."""
        said = [int(value) for value in self._values[5:11]]
        return HeldGesture(said[0] - 1, *said[1:]) if said[0] else None

    def holds(self, held: HeldGesture | None) -> None:
        """Note what a receiver takes for held, so that another worker can release it where this one dies."""
        for at, value in enumerate((0,) * 6 if held is None else (held.id + 1, *held[1:]), start=5):
            self._values[at] = value

    def became(self, state: str) -> None:
        self._values[0] = OUTPUT_STATES.index(state)

    def sent(self) -> None:
        """Count a frame."""
        self._values[1] += 1

    def failed(self) -> None:
        """Count that it has raised, or that its receiver has taken nothing."""
        self._values[2] += 1
        self.became("failed")

    def delivered(self) -> None:
        """Count a message of an event."""
        self._values[3] += 1

    def dropped(self, count: int) -> None:
        """Count messages that nobody will get."""
        self._values[4] += count


class OutputCounts(NamedTuple):
    """A way out, of all workers together: `open` where one of them sends, else `failed` where one cannot."""

    state: str
    frames: int
    failures: int
    messages: int = 0
    drops: int = 0


def together(rows: Sequence[OutputRow]) -> OutputCounts:
    """Add up what all workers say of a way out."""
    states = {row.state for row in rows}
    state = next(state for state in ("open", "failed", "closed") if state in states)
    return OutputCounts(
        state,
        frames=sum(row.frames for row in rows),
        failures=sum(row.failures for row in rows),
        messages=sum(row.messages for row in rows),
        drops=sum(row.drops for row in rows),
    )
