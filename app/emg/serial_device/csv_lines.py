"""The text format of a serial device: one line a sample, as Arduino sketches print it."""

from __future__ import annotations

import re

import numpy as np

from app.emg.serial_device.decoder import NO_LIMIT, Run
from app.emg.serial_device.leading_number import LeadingNumber, Placed, Row
from app.emg.serial_device.line_numbers import numbers

VALUE_BYTES = 32  # more than any number takes
OTHERS = 8  # lines in a row that are not like the first one: that was the odd one
PLAIN, WHOLE, FRACTION = range(
    3
)  # what lines have in front: nothing, a whole number, one that may have a fraction

_FRACTION = re.compile(rb"[^.,;\t]*\d\.")  # in the first number


class CsvDecoder:
    """Lines of `channels` numbers, with a counter or a time in front or without.

    They are parted by commas, tabs, blanks or semicolons, and lines end with CR, LF or both. The first line after a
    reset is not believed: its beginning may be missing. Text before the first sample is a header. Every other line that
    cannot be read is counted as bad. Names (`ch1:12`, `ch1: 12`, `ch1=12`) are passed over.
    """

    def __init__(self, channels: int, sampling_rate: float | None = None) -> None:
        self.channels = channels
        self.lines = self.lost_samples = self._bad_lines = 0
        self._leading = LeadingNumber(sampling_rate)
        self.reset()

    def reset(self) -> None:
        self._rest = b""
        self._leading.reset()
        self._front: int | None = None  # what the lines have there
        self._others = 0  # lines in a row that have something else
        self._unread = 0  # bad lines since the last sample
        self._begun = False  # the first line is over
        self._header = True  # no sample yet
        self._width: int | None = None  # numbers in the last line that has another number of them

    @property
    def numbered(self) -> bool:
        return self._leading.known

    @property
    def bad_lines(self) -> int:
        return self._bad_lines + self._leading.refused

    @property
    def repeated(self) -> int:
        return self._leading.repeated

    @property
    def restarts(self) -> int:
        return self._leading.restarts

    @property
    def sums(self) -> dict[str, int]:
        names = ("lines", "bad_lines", "lost_samples", "repeated", "restarts")
        return {name: getattr(self, name) for name in names}

    @property
    def notes(self) -> tuple[str, ...]:
        if self._header:
            return ()
        if not self._leading.known:
            return ("the lines carry neither a counter nor a time: what is lost between them does not show",)
        return () if self._leading.note is None else (self._leading.note,)

    @property
    def complaint(self) -> str:
        if self._width is not None:
            return (
                f"the lines hold {self._width} numbers; {self.channels} are expected (EMG_CH), "
                f"or {self.channels + 1} with a counter or a time in front"
            )
        if self._leading.unclear:
            return "the first number of the lines is neither a counter nor a time: it does not rise regularly"
        if self._leading.stands_still:
            return "the first number of the lines stands still; a counter must be one more in each"
        return "not one line of numbers: are EMG_BAUD and EMG_FORMAT right?"

    def feed(self, data: bytes, most_lost: int = NO_LIMIT) -> list[Run]:
        *lines, self._rest = (self._rest + data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")).split(b"\n")
        if len(self._rest) > (self.channels + 1) * VALUE_BYTES:  # no line is as long
            self._rest = b""
            self._bad_line()
        placed: list[Placed] = []
        leading: list[Row] = []  # rows with a number in front, that wait for those behind them
        for line in lines:
            if (row := self._row(line)) is None:
                continue
            unread, self._unread = self._unread, 0
            if len(row) > self.channels:
                leading.append(row)
            else:
                placed.append(Placed(row, unread, False))  # a line that cannot be read was a sample
        placed += self._leading.place(leading, most_lost)
        return self._runs(placed)

    def paused(self) -> None:
        self._leading.interrupt()

    def _runs(self, placed: list[Placed]) -> list[Run]:
        runs: list[Run] = []
        rows: list[Row] = []  # of the run that is being put together
        lost, restart = 0, False  # before it
        for one in placed:
            if one.lost or one.restart:
                runs += self._run(rows, lost, restart)
                rows, lost, restart = [], one.lost, one.restart
            rows.append(one.row[-self.channels :])
            self.lines, self.lost_samples = self.lines + 1, self.lost_samples + one.lost
            self._header, self._width = False, None
        return runs + self._run(rows, lost, restart)

    def _run(self, rows: list[Row], lost: int, restart: bool) -> list[Run]:
        return [Run(samples=np.array(rows, np.float32), lost=lost, restart=restart)] if rows else []

    def _row(self, line: bytes) -> Row | None:
        """Return the numbers of a line; None where it is no sample."""
        first, self._begun = not self._begun, True
        if first or not line.strip():
            return None
        row = numbers(line)
        if row is not None and len(row) - self.channels in (0, 1) and self._is_alike(row, line):
            self._header = False
            return row
        if row is not None:
            self._width = len(row)
        self._bad_line()
        return None

    def _is_alike(self, row: Row, line: bytes) -> bool:
        """Whether the line is of the same kind as those before: two that ran together, say, are not."""
        if len(row) == self.channels:
            front = PLAIN
        else:
            front = FRACTION if not row[0].is_integer() or _FRACTION.match(line) else WHOLE
        alike = front == self._front or (front, self._front) == (WHOLE, FRACTION)
        if not alike and (self._front is None or self._others >= OTHERS):
            self._front, alike = front, True
            self._leading.reset()
        self._others = 0 if alike else self._others + 1
        return alike

    def _bad_line(self) -> None:
        self._leading.interrupt()
        if self._begun and not self._header:
            self._bad_lines += 1
            self._unread += 1
