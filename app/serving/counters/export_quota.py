"""How many recordings are taken home, or brought, at a time: each holds a file, and a place, until it is there."""

from __future__ import annotations

from collections.abc import Callable

from app.errors import OverloadedError, TooFastError
from app.serving.counters.stream_quota import StreamQuota

RETRY_S = 5.0  # after which a caller with too many downloads may ask again
_ALL = "exports"


class ExportQuota:
    """Counts open downloads of all workers: in all, and of each key or address."""

    def __init__(self, quota: StreamQuota, most: int, most_per_key: int) -> None:
        self._quota, self._most, self._most_per_key = quota, most, most_per_key

    def open(self, caller: str) -> Callable[[], None]:
        """Count one more, and return what counts it as closed; to be called once.

        Raises:
            OverloadedError: EMG_MAX_EXPORTS are open.
            TooFastError: EMG_MAX_EXPORTS_PER_KEY are open for the caller.
        """
        if not self._quota.opened(_ALL, self._most):
            raise OverloadedError(f"{self._most} downloads and imports are open, as many as EMG_MAX_EXPORTS")
        own = f"{_ALL} of {caller}"
        if not self._quota.opened(own, self._most_per_key):
            self._quota.closed(_ALL)
            raise TooFastError(
                f"{self._most_per_key} downloads and imports of yours are open, as many as EMG_MAX_EXPORTS_PER_KEY",
                RETRY_S,
            )

        def close() -> None:
            self._quota.closed(own)
            self._quota.closed(_ALL)

        return close
