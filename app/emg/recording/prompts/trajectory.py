"""Trajectories that a cursor draws and a person follows: each movement alone, at two levels, then several at once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from app.errors import DataError

Doubles = npt.NDArray[np.float64]

NAME = "trajectory"  # of the stream beside the EMG in which a recording keeps it
MOST_VALUES, MAX_NAME = 6, 40
SECONDS = 120.0
SHORTEST_S, LONGEST_S = 20.0, 1800.0
LEVELS = (1.0, 0.5)  # of a full movement, each alone
REST_S, RAMP_S, HELD_S = 1.0, 1.0, 1.5
TOGETHER_HZ = (0.05, 0.35)  # of the waves that add up to a movement of all at once
WAVES = 4
RATE_HZ = 50.0  # at which it is written down: a cursor moves once in a frame of a screen


@dataclass(frozen=True)
class Trajectory:
    """Where the cursor of each value is, -1 to 1 (or 0 to 1), at any time. The same seed gives the same one.

    Raises:
        DataError: no value, too many, a name that is none, or a length out of range.
    """

    names: tuple[str, ...]
    seconds: float
    seed: int = 0
    one_way: frozenset[str] = frozenset()  # of the names, those from 0 to 1, such as a grip

    def __post_init__(self) -> None:
        if not 1 <= len(self.names) <= MOST_VALUES:
            raise DataError(f"a trajectory has 1 to {MOST_VALUES} values, got {len(self.names)}")
        for name in self.names:
            if not (0 < len(name) <= MAX_NAME and name.isprintable() and name.strip() == name):
                raise DataError(f"a value's name must be a short printable text, got {name[:40]!r}")
        if len(set(self.names)) != len(self.names):
            raise DataError(f"values must have names that differ, got {', '.join(self.names)}")
        if not SHORTEST_S <= self.seconds <= LONGEST_S:
            raise DataError(f"a trajectory lasts {SHORTEST_S:g} to {LONGEST_S:g} s, got {self.seconds:g}")

    def at(self, times: npt.ArrayLike) -> Doubles:
        """Return the cursors (n, values) at those times (n,) in s; at rest before the beginning and after the end."""
        when = np.atleast_1d(np.asarray(times, np.float64))
        found = np.zeros((len(when), len(self.names)))
        for begin, column, level in self._alone:
            found[:, column] += level * _hump(when - begin)
        begins, ends = self._together
        inside = (when >= begins) & (when < ends)
        if inside.any():
            found[inside] = self._waves(when[inside] - begins) * _edges(when[inside], begins, ends)
        return found

    def places(self) -> Iterator[tuple[float, str, float]]:
        """Yield when each movement that is made alone begins, of what, and how far it goes."""
        return ((begin, self.names[column], level) for begin, column, level in self._alone)

    @cached_property
    def _alone(self) -> list[tuple[float, int, float]]:
        """Return each movement that is made alone: when it begins, of which value, to what level."""
        each = 2 * RAMP_S + HELD_S + REST_S
        ways = [
            (column, way * level)
            for level in LEVELS
            for column, name in enumerate(self.names)
            for way in ((1,) if name in self.one_way else (1, -1))
        ]
        room = int(self.seconds / 2 / each)  # the other half, at least, is for all at once
        return [(k * each + REST_S, column, level) for k, (column, level) in enumerate(ways[:room])]

    @property
    def _together(self) -> tuple[float, float]:
        """Return from when to when all move at once."""
        each = 2 * RAMP_S + HELD_S + REST_S
        return len(self._alone) * each + REST_S, self.seconds

    def _waves(self, since: Doubles) -> Doubles:
        chance = np.random.default_rng(self.seed)
        shape = (len(self.names), WAVES)
        hertz, phase = chance.uniform(*TOGETHER_HZ, shape), chance.uniform(0, 2 * np.pi, shape)
        size = chance.uniform(0.3, 1.0, shape)
        size /= size.sum(axis=1, keepdims=True)
        angle = 2 * np.pi * hertz * since[:, np.newaxis, np.newaxis] + phase
        swing = np.clip(1.8 * (size * np.sin(angle)).sum(axis=2), -1, 1)  # waves seldom all peak at once
        up = [name in self.one_way for name in self.names]
        return np.asarray(np.where(up, np.maximum(swing, 0), swing), np.float64)


def _hump(since: Doubles) -> Doubles:
    """Return a movement that begins at 0: up, held, and back, with smooth ends."""
    up = np.clip(since / RAMP_S, 0, 1)
    down = np.clip((2 * RAMP_S + HELD_S - since) / RAMP_S, 0, 1)
    return np.asarray(_smooth(up) * _smooth(down))


def _edges(when: Doubles, begins: float, ends: float) -> Doubles:
    """Return what has a movement begin and end at rest, (n, 1)."""
    inner = np.minimum(when - begins, ends - when) / RAMP_S
    return _smooth(np.clip(inner, 0, 1))[:, np.newaxis]


def _smooth(share: Doubles) -> Doubles:
    return np.asarray((1 - np.cos(np.pi * share)) / 2)
