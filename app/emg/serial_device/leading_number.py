"""The number in front of each line: a counter or a time, told by how it goes on."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from itertools import islice, pairwise
from typing import NamedTuple

from app.emg.serial_device.decoder import NO_LIMIT
from app.emg.serial_device.time_column import TimeColumn
from app.emg.serial_device.wrapping_counter import WrappingCounter

HELD = 16  # lines that are kept back where the first two do not tell
RECENT = 32  # steps of a counter that are looked at again when it turns out to be none
AHEAD = 32  # lines that are already here and may explain that one is late
LIKE_COUNTING = (500.0, 5000.0)  # Hz; of a time in ms most steps are 0, 1 or 2 then

Row = list[float]


class Placed(NamedTuple):
    """A line that was taken, what is missing before it, and whether the device began anew."""

    row: Row
    lost: int
    restart: bool


class LeadingNumber:
    """Counts what is missing between lines by the number in front of them.

    One more in each line, it is a counter; anything else that rises regularly is a time, or counts in steps of its own,
    and is used alike. Where the first two lines do not tell, up to HELD lines are kept back until it is clear. A number
    that does not go on is a digit that was damaged, until the next goes on from it: the device began anew.
    """

    def __init__(self, sampling_rate: float | None = None) -> None:
        self._rate = sampling_rate  # Hz; without it units are not told
        self.repeated = self.restarts = self.refused = 0
        self.reset()

    def reset(self) -> None:
        self._held: list[Row] = []  # the first of them was taken
        self._counter: WrappingCounter | None = None
        self._time: TimeColumn | None = None
        self._suspect: float | None = None
        self._recent: deque[Row] = deque(maxlen=RECENT + 1)
        self.stands_still = False
        self.unclear = False

    @property
    def known(self) -> bool:
        """Whether any line had such a number."""
        return bool(self._held) or self._counter is not None or self._time is not None

    @property
    def note(self) -> str | None:
        """What it is taken for; None while that is open."""
        if self._time is not None:
            unit = None if self._rate is None else self._time.unit(self._rate)
            if unit is None:
                return f"the first number of each line rises by {self._time.period:.4g}, and is no channel"
            return f"the first number of each line is a time in {unit}"
        if self._counter is not None:
            wrap = self._counter.wrap
            return "the first number of each line is a counter" + (
                f", again after {wrap} lines" if wrap else ""
            )
        return None

    def interrupt(self) -> None:
        """Say that a line could not be read, or that nothing came for a while."""
        if self._counter is not None:
            self._counter.interrupt()

    def place(self, rows: list[Row], most_lost: int = NO_LIMIT) -> list[Placed]:
        """Return those lines that are samples; the first number of each row is the one in front."""
        taken: list[Placed] = []
        for at, row in enumerate(rows):
            if self._time is not None:
                return taken + self._timed(rows[at:], most_lost)
            taken += (
                self._counted(row, most_lost) if self._counter is not None else self._opened(row, most_lost)
            )
        return taken

    def _opened(self, row: Row, most_lost: int) -> list[Placed]:
        """Take a line while it is open what its number is."""
        held = self._held
        if not held:
            held.append(row)
            return [Placed(row, 0, False)]
        if row == held[-1] and not self._like_counting:
            self.repeated, self.stands_still = self.repeated + 1, True
            return []
        held.append(row)
        if not self._is_told():
            return []
        self._held = []
        if self._counter is not None:
            self._counter.begin(int(held[0][0]))
            return [placed for row in held[1:] for placed in self._counted(row, most_lost)]
        return self._timed(held[1:], most_lost)

    def _is_told(self) -> bool:
        """Whether the lines that are held tell what it is; sets it."""
        numbers = [row[0] for row in self._held]
        steps = [after - before for before, after in pairwise(numbers)]
        whole = all(number.is_integer() for number in numbers)
        if whole and not self._like_counting and 1 in (steps[-1], numbers[-1] - numbers[0]):
            self._counter = WrappingCounter()
            return True
        if len(self._held) <= HELD:
            return False
        time = TimeColumn(numbers, self._rate)
        if time.regular and not (whole and self._counts(steps)):
            self._time = time
        elif whole:
            self._counter = WrappingCounter()
        else:  # neither: look again
            self.refused, self.unclear, self._held = self.refused + len(self._held) - 1, True, self._held[-1:]
            return False
        return True

    @property
    def _like_counting(self) -> bool:
        return self._rate is not None and LIKE_COUNTING[0] < self._rate < LIKE_COUNTING[1]

    def _counts(self, steps: list[float]) -> bool:
        """Whether whole numbers that rise by these steps count lines, rather than milliseconds."""
        if 0 in steps and any(steps):
            return False
        ones = steps.count(1)
        twos_of_time = self._rate is not None and abs(sum(steps) / len(steps) * self._rate / 1e3 - 1) < 0.1
        if ones < len(steps) and set(steps) <= {1, 2} and twos_of_time and self._rate and self._rate < 970:
            return False
        return 2 * ones > len(steps) or not any(steps)

    def _counted(self, row: Row, most_lost: int) -> list[Placed]:
        assert self._counter is not None
        number = int(row[0])
        before = self._recent[-1] if self._recent else None
        self._recent.append(row)
        if before is not None and number != before[0] + 1 and self._was_no_counter():
            return [Placed(row, 0, False)]
        missing = self._counter.missing(number, most_lost)
        if missing == -1:
            self.repeated, self.stands_still = self.repeated + 1, True
            return []
        if missing is None:
            return self._suspected(row, self._suspect is not None and number - 1 == self._suspect)
        self._suspect, self.stands_still = None, False
        return [Placed(row, missing, False)]

    def _was_no_counter(self) -> bool:
        """Whether the recent steps are of a time after all; sets it."""
        steps = [after[0] - before[0] for before, after in pairwise(self._recent)]
        again = sum(after[0] == before[0] and after != before for before, after in pairwise(self._recent))
        often = len(steps) == RECENT and set(steps) <= {0, 1, 2}
        if not often or not (again >= 2 or 4 * steps.count(2) >= RECENT):
            return False
        self._time = TimeColumn([row[0] for row in self._recent], self._rate)
        self._time.begin(self._recent[-1][0])
        self._counter = None
        return True

    def _timed(self, rows: list[Row], most_lost: int) -> list[Placed]:
        assert self._time is not None
        time = self._time
        taken: list[Placed] = []
        for at, row in enumerate(rows):
            straight = time.straight(row[0])
            missing = NO_LIMIT if straight is None else time.missing(straight, _times(rows, at))
            if straight is None or missing > most_lost:
                taken += self._suspected(
                    row, self._suspect is not None and time.follows(row[0], self._suspect)
                )
                continue
            time.take(row[0], straight, missing)
            self._suspect = None
            taken.append(Placed(row, missing, False))
        return taken

    def _suspected(self, row: Row, goes_on: bool) -> list[Placed]:
        """Refuse a number that does not go on from the last, unless it does from the one that was refused before."""
        if not goes_on:
            self._suspect, self.refused = row[0], self.refused + 1
            return []
        self._suspect, self.restarts = None, self.restarts + 1
        if self._counter is not None:
            self._counter.begin(int(row[0]))
        if self._time is not None:
            self._time.begin(row[0])
        return [Placed(row, 0, True)]


def _times(rows: list[Row], at: int) -> Iterator[float]:
    """Yield the times of the rows behind that one, up to where they fall."""
    for row in islice(rows, at + 1, at + 1 + AHEAD):
        if row[0] < rows[at][0]:
            return
        yield row[0]
