"""A counter that is one more each time and begins again somewhere: at 256, 65536, 2^32 or any number, signed or not."""

from __future__ import annotations

from app.emg.serial_device.decoder import NO_LIMIT

SIZES = (2**8, 2**16, 2**32)
NEAR = 16  # numbers from the end of those bits at which a fall is one across it
NEAR_SHARE = 64  # or such a part of them
EVEN = 16  # numbers without a loss, after which a fall to where counting begins is a turn, wherever it is


class WrappingCounter:
    """Tells how many numbers lie between one and the next. Where it wraps is learned from what comes.

    `sizes` are those that the format allows for, in numbers of a turn.
    """

    def __init__(self, *sizes: int) -> None:
        self._allowed = sizes
        self.reset()

    def reset(self) -> None:
        self.last: int | None = None
        self._lowest: int | None = None
        self._wrap: int | None = None  # numbers in a turn, as learned
        self._fell_by: int | None = None  # last time it did not fit
        self._even = 0  # numbers without a loss

    @property
    def wrap(self) -> int | None:
        """How many numbers a turn has, where that was learned."""
        return self._wrap

    def begin(self, number: int) -> None:
        """Count from here: it began anew. Where it wraps stays known."""
        self.last, self._lowest, self._even = number, number, 0

    def interrupt(self) -> None:
        """Say that something else came, or nothing for a while: a fall is no turn now."""
        self._even = 0

    def missing(self, number: int, most: int = NO_LIMIT) -> int | None:
        """Return how many are missing before this one, -1 for the same again; None: it does not go on from the last."""
        if self.last is None:
            self.begin(number)
            return 0
        missing = number - self.last - 1
        if missing < -1:
            across = self._across(number, self.last - number + 1, most)
            if across is None:
                return None
            missing = across
        if missing > most:
            return None
        if missing >= 0:
            self._take(number, missing)
        return missing

    def _take(self, number: int, missing: int) -> None:
        assert self._lowest is not None
        self._even = self._even + 1 if missing == 0 else 0
        self.last, self._lowest = number, min(self._lowest, number)
        if self._wrap is not None and number - self._lowest >= self._wrap:
            self._wrap = None  # it goes further than it was thought to

    def _across(self, number: int, fell_by: int, most: int) -> int | None:
        """Return how many are missing where it fell by so much and one; learn where it wraps."""
        for size in (self._wrap, *self._allowed):
            if size is not None and 0 <= size - fell_by <= most and (size - fell_by) * 2 < max(size, 2**15):
                return size - fell_by
        size = self._size(number, fell_by)
        self._fell_by = fell_by
        if size is None:
            return None
        self._wrap = size
        return size - fell_by

    def _size(self, number: int, fell_by: int) -> int | None:
        assert self.last is not None
        assert self._lowest is not None
        for size in SIZES:
            near = max(NEAR, size // NEAR_SHARE)
            for first in (0, -size // 2):
                if first + size - near <= self.last < first + size and first <= number < first + near:
                    return size
        beginnings = (0, 1, self._lowest, -self.last - 1, -self.last)
        if fell_by == self._fell_by or (self._even >= EVEN and number in beginnings):
            return fell_by
        return None
