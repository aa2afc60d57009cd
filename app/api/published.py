"""Has other workers hear the streams of this worker's sources, and this one theirs."""

from __future__ import annotations

from functools import partial
from typing import Any

from app.api.live.heard_sources import facts_of
from app.api.open_stream import asked_elsewhere
from app.errors import SourceNameError
from app.serving.fanout.publisher import Publisher
from app.serving.fanout.remote_streams import RemoteStreams
from app.serving.runtime import Runtime


def register(runtime: Runtime | None) -> None:
    """Answer other workers, where there are such, and be able to ask them."""
    if runtime is None or runtime.sharing is None:
        return

    def facts(what: str, source: str) -> dict[str, Any]:
        pipeline = runtime.pipelines.find(source)
        if pipeline is None:
            raise SourceNameError(f"no source {source!r} at this worker")
        return facts_of(pipeline, what)

    publisher = Publisher(runtime.sharing.bus, partial(asked_elsewhere, runtime), facts)
    runtime.sharing.remote_streams = RemoteStreams(runtime.sharing.bus, publisher, runtime.encode)
