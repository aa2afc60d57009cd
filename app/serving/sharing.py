"""What a worker has to do with the others that clients push to, where there is a bus between them."""

from __future__ import annotations

from dataclasses import dataclass

from app.serving.bus.bus import Bus
from app.serving.fanout.remote_streams import RemoteStreams
from app.serving.machines.service import OtherMachines
from app.serving.pipelines.owned_sources import OwnedSources


@dataclass(slots=True)
class Sharing:
    """The sources that are this worker's, those that others read, and what other machines have."""

    bus: Bus
    owned: OwnedSources
    machines: OtherMachines
    remote_streams: RemoteStreams | None = None  # made by the API, which knows how events are written

    def start(self) -> str:
        """Join, and return what names this start of all together."""
        self.bus.start()
        self.machines.start()
        return self.bus.run

    def leave(self) -> None:
        """Give up what is this worker's; who has been asked for by others is asked no more. Safe to call twice."""
        self.machines.close()
        self.owned.close()

    def close(self) -> None:
        """End the streams of what others read. Safe to call twice."""
        if self.remote_streams is not None:
            self.remote_streams.close()
