"""Instants in a stream of bytes without a header: found, and kept checked, by the counter that ends each of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

LOOK = 24  # instants in which the counter must rise by one each for width and phase to be believed
CHECKED = 4  # that must follow one another after a jump for it to be a loss, and no shift of bytes
SIZE = 65536  # of the counter

Values = npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """Instants that follow one another. `lost` are missing before; `restart`: nobody knows how many are."""

    values: Values  # (n, of an instant), the counter last
    lost: int = 0
    restart: bool = False


class RampDecoder:
    """Cuts instants of `candidates` values, of `value_bytes` each, big-endian, out of a stream.

    A byte too many or too few shifts all that comes after it: then the counter rises no more, and the place is looked
    for again. What was unreadable meanwhile counts as lost, by the counter.
    """

    def __init__(self, candidates: Sequence[int], value_bytes: int) -> None:
        self._candidates, self._value_bytes = tuple(candidates), value_bytes
        self.lost_samples = self.slips = self.skipped_bytes = 0
        self.reset()

    def reset(self) -> None:
        """Forget all but the sums: the probe dialled in anew."""
        self._buffer = bytearray()
        self.values: int | None = None  # of an instant; None: not found yet
        self._last: int | None = None  # the counter of the newest instant
        self.unread = 0  # bytes since the last instant

    def feed(self, data: bytes, most_lost: int) -> list[Part]:
        """Return what is complete and sure now. More than `most_lost` cannot be missing: the counter began anew."""
        self._buffer += data
        self.unread += len(data)
        parts: list[Part] = []
        while True:
            if self.values is None and not self._find():
                return parts
            part, sure = self._next(most_lost)
            if part is not None:
                parts.append(part)
                self.unread = 0
            if sure:
                return parts

    def _find(self) -> bool:
        """Look for the width and phase of instants; what is before the first is dropped."""
        for values in self._candidates:
            size = values * self._value_bytes
            if len(self._buffer) >= (LOOK + 3) * size and (start := self._phase(size)) is not None:
                self._drop(start)
                self.values = values
                return True
        most = max(self._candidates) * self._value_bytes * (LOOK + 3)
        if len(self._buffer) > most:  # a shift within what is looked at: go on behind it
            self._drop(len(self._buffer) - most // 2)
        return False

    def _phase(self, size: int) -> int | None:
        """Return where an instant of so many bytes begins; None: the counter rises at no place of them."""
        # of each place at once: the two bytes there as a counter, in LOOK + 1 instants
        data = np.frombuffer(bytes(self._buffer[: (LOOK + 1) * size + 1]), np.uint8).astype(np.int64)
        counters = (data[:-1] * 256 + data[1:]).reshape(LOOK + 1, size)
        rises = np.diff(counters, axis=0) % SIZE == 1
        ends = [(int(place) + 2) % size for place in np.flatnonzero(rises.all(axis=0))]
        if ends:  # several where channels carry ramps as well, as in a test; a stream begins with an instant
            return 0 if 0 in ends else ends[0]
        for damaged in (1, 2):  # instants in front, as after a shift
            later = np.flatnonzero(rises[damaged:].all(axis=0))
            if len(later):
                return damaged * size + int(later[0]) + 2
        return None

    def _next(self, most_lost: int) -> tuple[Part | None, bool]:
        """Return (the next part, whether that is all that can be said now)."""
        assert self.values is not None
        size = self.values * self._value_bytes
        count = len(self._buffer) // size
        if not count:
            return None, True
        table = _decoded(bytes(self._buffer[: count * size]), self._value_bytes).reshape(count, self.values)
        counter = table[:, -1].astype(np.int64) % SIZE
        before = np.concatenate([[counter[0] - 1 if self._last is None else self._last], counter[:-1]])
        steps = (counter - before) % SIZE
        jumps = np.flatnonzero(steps != 1)
        if not len(jumps):
            return self._taken(table, count * size, 0, False), True
        if jumps[0]:
            return self._taken(table[: jumps[0]], int(jumps[0]) * size, 0, False), False
        if count < CHECKED:
            return None, True
        if (steps[1:CHECKED] != 1).any():
            self.values = None
            self.slips += 1
            return None, False
        end = int(jumps[1]) if len(jumps) > 1 else count
        lost = int(steps[0]) - 1
        restart = not 0 <= lost <= most_lost
        return self._taken(table[:end], end * size, 0 if restart else lost, restart), end == count

    def _taken(self, values: Values, size: int, lost: int, restart: bool) -> Part:
        self._last = int(values[-1, -1]) % SIZE
        self.lost_samples += lost
        del self._buffer[:size]
        return Part(values, lost, restart)

    def _drop(self, count: int) -> None:
        self.skipped_bytes += count
        del self._buffer[:count]


def _decoded(data: bytes, value_bytes: int) -> Values:
    if value_bytes == 2:
        return np.frombuffer(data, ">i2").astype(np.int32)
    parts = np.frombuffer(data, np.uint8).reshape(-1, 3)
    wide = np.zeros((len(parts), 4), np.uint8)
    wide[:, :3] = parts
    return (wide.view(">i4")[:, 0] >> 8).astype(np.int32)
