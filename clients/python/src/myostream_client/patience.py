"""How long to go on trying, and how long to wait between two attempts."""

from __future__ import annotations

import random
import time
from collections.abc import Callable

from .errors import ClientError

LONGEST_DELAY_S = 5.0


class Patience:
    """Counts failures since the last success. Delays double, and vary by half so that a crowd does not come at once."""

    def __init__(
        self, give_up_s: float, first_delay_s: float = 0.25, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.first_delay_s = first_delay_s
        self.failures = 0
        self._give_up_s, self._clock = give_up_s, clock
        self._since = 0.0  # the first failure

    def succeeded(self) -> None:
        self.failures = 0

    def delay_after(self, error: ClientError) -> float:
        """Seconds to wait before the next attempt.

        Raises:
            ClientError: the one given; it will not pass, or has not passed for too long.
        """
        if self.failures == 0:
            self._since = self._clock()
        self.failures += 1
        left = self._give_up_s - (self._clock() - self._since)
        if not error.passing or left <= 0:
            raise error
        # at once is said by a server that restarts, and is true the first time
        if error.retry_after_s is not None and (error.retry_after_s > 0 or self.failures == 1):
            return min(error.retry_after_s, left)
        delay = min(self.first_delay_s * 2.0 ** min(self.failures - 1, 16), LONGEST_DELAY_S)
        return min(delay * random.uniform(0.5, 1.0), left)
