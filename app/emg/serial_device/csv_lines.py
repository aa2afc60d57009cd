"""The text format of a serial device: one line a sample, as Arduino sketches print it."""

from __future__ import annotations

import numpy as np

from app.emg.serial_device.decoder import NO_LIMIT, Run

VALUE_BYTES = 32  # more than any number takes
LARGEST = 1e10  # a 32-bit counter fits
_WRAPS = (2**8, 2**16, 2**32)
_WRAP_NEAR = (
    16  # a counter that falls from near its end to near 0 has wrapped; from anywhere else it began anew
)


class CsvDecoder:
    """Lines of `channels` numbers, or of a counter and so many numbers, parted by commas, tabs, blanks or semicolons.

    The first line after a reset is not believed: its beginning may be missing. Text before the first sample
    is a header. Every other line that cannot be read is counted as bad. Names (`ch1:12`) are passed over.
    """

    def __init__(self, channels: int) -> None:
        self.channels = channels
        self.lines = self.bad_lines = self.lost_samples = self.repeated = self.restarts = 0
        self.reset()

    def reset(self) -> None:
        self._rest = b""
        self._counter: int | None = None
        self._suspect: int | None = None  # a counter that did not fit
        self._unread = self._same_counter = 0  # bad lines, and repeated ones, since the last sample
        self._begun = False  # the first line is over
        self._header = True  # no sample yet
        self._width: int | None = None  # numbers in the last line that has another number of them

    @property
    def numbered(self) -> bool:
        return self._counter is not None

    @property
    def sums(self) -> dict[str, int]:
        names = ("lines", "bad_lines", "lost_samples", "repeated", "restarts")
        return {name: getattr(self, name) for name in names}

    @property
    def complaint(self) -> str:
        if self._width is not None:
            return (
                f"the lines hold {self._width} numbers; {self.channels} are expected (EMG_CH), "
                f"or {self.channels + 1} with a counter in front"
            )
        if self._same_counter:
            return "the first number of the lines stands still; a counter must be one more in each"
        return "not one line of numbers: are EMG_BAUD and EMG_FORMAT right?"

    def feed(self, data: bytes, most_lost: int = NO_LIMIT) -> list[Run]:
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > (self.channels + 1) * VALUE_BYTES:  # no line is as long
            self._rest = b""
            self._bad_line()
        runs: list[Run] = []
        rows: list[list[float]] = []  # of the run that is being put together
        lost, restart = 0, False  # before it
        for line in lines:
            if (row := self._row(line)) is None:
                continue
            missing, anew = self._count(row, most_lost)
            if missing is None:
                continue
            self.lines, self._header, self._width, self._same_counter = self.lines + 1, False, None, 0
            if missing or anew:
                runs += self._run(rows, lost, restart)
                rows, lost, restart = [], missing, anew
            rows.append(row[-self.channels :])
        return runs + self._run(rows, lost, restart)

    def _run(self, rows: list[list[float]], lost: int, restart: bool) -> list[Run]:
        return [Run(samples=np.array(rows, np.float32), lost=lost, restart=restart)] if rows else []

    def _row(self, line: bytes) -> list[float] | None:
        """Return the numbers of a line; None where it is no sample."""
        first, self._begun = not self._begun, True
        if first or not line.strip():
            return None
        row = _numbers(line)
        if (
            row is not None
            and len(row) - self.channels in (0, 1)
            and _is_counter(row[: len(row) - self.channels])
        ):
            return row
        if row is not None:
            self._width = len(row)
        self._bad_line()
        return None

    def _bad_line(self) -> None:
        if self._begun and not self._header:
            self.bad_lines += 1
            self._unread += 1

    def _count(self, row: list[float], most_lost: int) -> tuple[int | None, bool]:
        """Return (samples lost before this one, the counter began anew); None lost: the line is not taken."""
        unread, self._unread = self._unread, 0
        if len(row) == self.channels:  # without a counter, a line that cannot be read was a sample
            self.lost_samples += unread
            return unread, False
        before, counter = self._counter, int(row[0])
        ahead = 0 if before is None else _ahead(before, counter)
        if ahead == -1:
            self.repeated += 1
            self._same_counter += 1
            return None, False
        if 0 <= ahead <= most_lost:
            self._counter, self._suspect = counter, None
            self.lost_samples += ahead
            return ahead, False
        if counter - 1 != self._suspect:  # a digit that was damaged, until the next line counts on from it
            self._suspect = counter
            self._bad_line()
            return None, False
        self._counter, self._suspect = counter, None
        self.restarts += 1
        return 0, True


def _numbers(line: bytes) -> list[float] | None:
    """None where something is no number; a number missing between two commas makes the line shorter."""
    parts = line.translate(_BLANKS).split()
    if b":" in line:
        parts = [part.rpartition(b":")[2] for part in parts]
    try:
        row = [float(part) for part in parts]
    except ValueError:
        return None
    plain = b"_" not in line and all(abs(value) < LARGEST for value in row)  # float() takes 1_0, nan and inf
    return row if plain and row else None


_BLANKS = bytes.maketrans(b",;\t", b"   ")


def _is_counter(first: list[float]) -> bool:
    return not first or (first[0] >= 0 and first[0].is_integer())


def _ahead(before: int, counter: int) -> int:
    """How many numbers lie between two counters; -1: the same; less: it fell, and has not wrapped."""
    ahead = counter - before - 1
    if ahead >= -1:
        return ahead
    for wrap in _WRAPS:
        if wrap - _WRAP_NEAR <= before < wrap and counter < _WRAP_NEAR:
            return (counter - before - 1) % wrap
    return ahead
