"""Samples from this machine to a server in EMG_MODE=push: the armband here, the model there."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from .errors import ClientError, RefusedError
from .patience import Patience
from .server_http import Caller, Server

if TYPE_CHECKING:
    import numpy as np

    Samples = np.ndarray[Any, Any] | list[list[float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What the server did with a chunk."""

    accepted: int
    duplicates: int
    lost_samples: int
    next_sample: int


class PushedSource:
    """A source that this program fills. Declared when it is made, and withdrawn when it is closed.

    `next_sample` counts the samples since the source began: the truth about time on the server. A chunk whose answer
    was lost is sent again under the same number, which the server recognises; after a restart of the server the source
    is declared again. Not for several threads at once.
    """

    def __init__(
        self,
        server: Server,
        name: str,
        *,
        channels: int,
        sampling_rate_hz: float,
        units: str = "uV",
        model: str | None = None,  # which reads it; None: the one it had before, or the server's own
        profile: str | None = None,  # of the person: its model, montage and decision rule
        scale: float = 1.0,  # units per count, for int16 chunks
        give_up_s: float = 30.0,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.name = name
        self._channels, self._scale, self._sleep, self._give_up_s = channels, scale, sleep, give_up_s
        self._path = f"/emg/sources/{quote(name, safe='')}"
        self._declaration: dict[str, Any] = {
            "channels": channels,
            "sampling_rate_hz": sampling_rate_hz,
            "units": units,
        }
        read_by = {"model": model, "profile": profile}
        self._declaration |= {name: value for name, value in read_by.items() if value is not None}
        self._caller = Caller(server, timeout_s=10.0)
        try:
            self.next_sample = self.declare() or 0
        except ClientError:
            self._caller.close()
            raise

    def declare(self) -> int | None:
        """Tell the server what will come.

        It may have been told before, by a run of this program that ended: then the number of the sample that it
        waits for.

        Raises:
            RefusedError: it takes no such source.
            ServerUnreachableError: it cannot be reached.
        """
        waits_for: int | None = self._caller.call("POST", self._path, body=self._declaration).get(
            "next_sample"
        )
        return waits_for

    def send(self, samples: Samples) -> Receipt:
        """Send the next samples, (n, channels): an int16 array in counts, any other array or lists in `units`.

        Waits while the server cannot be reached, at most `give_up_s`. A device goes on meanwhile: what it lost then
        is said by `skip`.

        Raises:
            ValueError: not of that shape.
            RefusedError: the server said no.
            ServerUnreachableError: it was away for too long.
        """
        count, call = self._encoded(samples)
        if count == 0:
            return Receipt(accepted=0, duplicates=0, lost_samples=0, next_sample=self.next_sample)
        receipt = self._delivered(call)
        self.next_sample += count
        return receipt

    def skip(self, samples: int) -> None:
        """So many samples were lost before they could be sent; the server counts them as a gap."""
        self.next_sample += samples

    def close(self) -> None:
        """Withdraw the source. Nothing is raised: a server that is gone has forgotten it."""
        with contextlib.suppress(ClientError):
            self._caller.call("DELETE", self._path)
        self._caller.close()

    def __enter__(self) -> PushedSource:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _encoded(self, samples: Samples) -> tuple[int, dict[str, Any]]:
        """Return the number of samples, and what `Caller.call` takes."""
        first = self.next_sample
        if isinstance(samples, list):
            if any(len(row) != self._channels for row in samples):
                raise ValueError(f"each sample must have {self._channels} channels")
            rows = [list(map(float, row)) for row in samples]
            return len(rows), {"body": {"first_sample": first, "samples": rows}}
        if samples.ndim != 2 or samples.shape[1] != self._channels:
            raise ValueError(f"a chunk must be (n, {self._channels}), got an array of {samples.shape}")
        counts = samples.dtype.kind == "i" and samples.dtype.itemsize == 2
        query: dict[str, Any] = {"first_sample": first, "dtype": "int16" if counts else "float32"}
        if counts:
            query["scale"] = self._scale
        body = samples.astype("<i2" if counts else "<f4", copy=False).tobytes()  # C order, whatever it was
        return len(samples), {"query": query, "body": body, "content_type": "application/octet-stream"}

    def _delivered(self, call: dict[str, Any]) -> Receipt:
        patience, forgotten, declared = Patience(self._give_up_s), False, False
        while True:
            try:
                if forgotten and not declared:
                    self.declare()
                    declared = True
                return _receipt(self._caller.call("POST", f"{self._path}/samples", **call))
            except ClientError as error:
                if isinstance(error, RefusedError) and error.status == 404 and not forgotten:
                    forgotten = True  # the server has been restarted, or took the source for gone
                else:
                    self._sleep(patience.delay_after(error))


def _receipt(answer: dict[str, Any]) -> Receipt:
    return Receipt(**{field.name: answer[field.name] for field in fields(Receipt)})
