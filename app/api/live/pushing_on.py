"""A live socket that brings the samples of a source which another worker reads."""

from __future__ import annotations

from app.api.codec.live_samples import read_pushed
from app.api.live import events
from app.api.live.heard_sources import SourceElsewhere
from app.api.live.talks import Listening
from app.api.live.writer import LiveWriter
from app.api.schemas.params import LiveJob
from app.serving.pipelines.forwarding import Forwarding
from app.serving.pipelines.remote_source import RemoteSource
from app.serving.runtime import Runtime


class PushingOn(Listening):
    """Carries them on to that worker, and hears what it makes of them. Where that dies, another goes on."""

    def __init__(
        self, runtime: Runtime, source: RemoteSource, job: LiveJob, writer: LiveWriter, caller: str
    ) -> None:
        """As `Listening`."""
        self._source, self._scale, self._forwarding = source, job.scale, Forwarding(source)
        super().__init__(SourceElsewhere(runtime, source.name), job, writer, caller)

    @property
    def owes(self) -> bool:
        return self._forwarding.owes

    def take(self, message: bytes, /) -> None:
        pushed = read_pushed(message, self._source.channels, self._source.aux_streams, self._scale)
        self._forwarding.push(pushed.first_sample, pushed.samples, pushed.aux)

    def acknowledge(self) -> bytes | None:
        came = self._forwarding.receipts()
        if not came:
            return None
        return events.acknowledged(
            came[-1].next_sample,
            sum(receipt.accepted for receipt in came),
            sum(receipt.duplicates for receipt in came),
            sum(receipt.lost_samples for receipt in came),
        )

    def close(self) -> None:
        self._forwarding.close()
        super().close()
