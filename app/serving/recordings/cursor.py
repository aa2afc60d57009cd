"""The cursor of a recording that a person follows: where it is, what of it goes into the recording, and who follows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from app.emg.auxiliary import AuxChunk, AuxStream
from app.emg.recording.prompts.trajectory import NAME, RATE_HZ, Trajectory
from app.emg.simulated_person import SimulatedPerson
from app.errors import DataError

AHEAD_S, STEP_S = 2.0, 0.05  # of the cursor that whoever shows it is told, so that it moves between two looks
TELL_S, HELD_S = 0.1, 0.5  # how often a simulated person looks, and how long they do what they saw


@dataclass(frozen=True, slots=True, kw_only=True)
class CursorNow:
    """Where the cursor is, and where it goes."""

    position_seconds: float
    seconds: float  # of the whole trajectory
    step_seconds: float
    ahead: dict[str, tuple[float, ...]]  # of each value from now on, every step; -1 to 1, or 0 to 1


def aux_stream(trajectory: Trajectory, sampling_rate: float) -> AuxStream:
    """Return the stream in which a recording keeps it."""
    return AuxStream(
        name=NAME,
        channel_names=trajectory.names,
        units="1",
        sampling_rate=min(RATE_HZ, sampling_rate),
    )


def expect_room(streams: tuple[AuxStream, ...]) -> None:
    """See that no stream of the source has the name.

    Raises:
        DataError: one has.
    """
    if any(one.name == NAME for one in streams):
        raise DataError(f"the source has a stream {NAME} of its own; that can be learned as it is")


class FollowedCursor:
    """One recording's. Positions are samples of its signal since the first, those lost included."""

    def __init__(self, trajectory: Trajectory, rate: float, stream: int) -> None:
        """`stream` is its number among the recording's auxiliary streams."""
        self._trajectory, self._rate, self._stream = trajectory, rate, stream
        self._step = rate / min(RATE_HZ, rate)  # samples of the signal between two of the cursor
        self._written = 0  # samples of the cursor
        self._told = -np.inf

    def due(self, first: int, position: int) -> AuxChunk | None:
        """Return what there is of the cursor up to that position and was not returned yet, as it is written down."""
        end = min(position, round(self._trajectory.seconds * self._rate))
        count = int(np.ceil(end / self._step))
        if count <= self._written:
            return None
        places = np.arange(self._written, count) * self._step
        self._written = count
        samples = self._trajectory.at(places / self._rate).astype(np.float32)
        return AuxChunk(stream=self._stream, at=first + float(places[0]), samples=samples)

    def over(self, position: int) -> bool:
        """Whether it has come to its end."""
        return position >= self._trajectory.seconds * self._rate

    def now(self, position: int) -> CursorNow:
        """Return where it is at that position."""
        at = min(position / self._rate, self._trajectory.seconds)
        ahead = self._trajectory.at(at + np.arange(0, AHEAD_S + STEP_S / 2, STEP_S))
        return CursorNow(
            position_seconds=round(at, 3),
            seconds=self._trajectory.seconds,
            step_seconds=STEP_S,
            ahead={
                name: tuple(np.round(column, 3).tolist())
                for name, column in zip(self._trajectory.names, ahead.T, strict=True)
            },
        )

    def show(self, person: SimulatedPerson, position: int) -> None:
        """Have a simulated person look at it, every TELL_S."""
        if position - self._told >= TELL_S * self._rate:
            self._told = float(position)
            person.follow(self._trajectory.at([position / self._rate])[0].tolist(), HELD_S)
