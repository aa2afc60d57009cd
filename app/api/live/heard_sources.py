"""A source as a live socket hears it: one that this worker reads, or one that another does."""

from __future__ import annotations

from typing import Any, Protocol

from app.api.open_stream import OpenStream, open_stream
from app.api.schemas.params import StreamJob
from app.emg.pushed_source import PushSource
from app.errors import NodeGoneError, SourceNameError
from app.serving.fanout.remote_streams import RemoteStreams
from app.serving.pipelines.pipeline import SourcePipeline
from app.serving.pipelines.stream_opener import Client
from app.serving.runtime import Runtime
from app.serving.sources import declaration

OVER = "the source has ended"
GREETING, QUALITY = "greeting", "quality"  # what the owner of a source is asked


class HeardSource(Protocol):
    """What a conversation needs of it."""

    def open(self, job: StreamJob, client: Client) -> OpenStream:
        """Return its stream.

        Raises:
            InvalidBody, MyostreamError: as `open_stream`.
        """

    def greeting(self) -> dict[str, Any]:
        """Return what a client is told first of it."""

    def quality(self) -> dict[str, Any] | None:
        """Return how good its signal is, as far as that is known just now. It must not wait."""

    @property
    def over(self) -> str | None:
        """Why it is over; None while it is not."""


class OwnSource:
    """One that this worker reads."""

    def __init__(self, runtime: Runtime, pipeline: SourcePipeline) -> None:
        self._runtime, self._pipeline = runtime, pipeline

    def open(self, job: StreamJob, client: Client) -> OpenStream:
        return open_stream(self._runtime, self._pipeline, job, client)

    def greeting(self) -> dict[str, Any]:
        return greeting_of(self._pipeline)

    def quality(self) -> dict[str, Any] | None:
        return quality_of(self._pipeline)

    @property
    def over(self) -> str | None:
        # not by its name: the server's own source has another one while it is changed
        there = any(one is self._pipeline for one in self._runtime.pipelines)
        return None if there or self._pipeline.moved else OVER


class SourceElsewhere:
    """One that another worker reads, or has read and is gone: it goes on where it is pushed to next."""

    def __init__(self, runtime: Runtime, name: str) -> None:
        if runtime.sharing is None or runtime.sharing.remote_streams is None:
            raise SourceNameError(f"no source {name!r}")
        self._runtime, self._bus, self._name = runtime, runtime.sharing.bus, name
        self._remote: RemoteStreams = runtime.sharing.remote_streams

    def open(self, job: StreamJob, client: Client) -> OpenStream:
        return open_stream(self._runtime, self._name, job, client)

    def greeting(self) -> dict[str, Any]:
        try:
            return dict(self._remote.facts(GREETING, self._name))
        except NodeGoneError:  # what it is, is known; what reads it, says the one who takes it over
            owner = self._bus.owner(self._name)
            if owner is None:
                raise SourceNameError(f"no source {self._name!r}; it has ended") from None
            declared = declaration.read(owner.declaration)
            return {
                "source": self._name,
                "channels": declared.channels,
                "sampling_rate_hz": declared.sampling_rate,
                "units": declared.units,
                "next_sample": None,
                "model": declared.model,
                "classes": None,
            }

    def quality(self) -> dict[str, Any] | None:
        newest: dict[str, Any] | None = self._remote.newest_facts(QUALITY, self._name)
        return newest

    @property
    def over(self) -> str | None:
        return OVER if self._bus.owner(self._name) is None else None


def facts_of(pipeline: SourcePipeline, what: str) -> dict[str, Any]:
    """Return what another worker asks of a source of this one: GREETING or QUALITY."""
    return greeting_of(pipeline) if what == GREETING else quality_of(pipeline)


def greeting_of(pipeline: SourcePipeline) -> dict[str, Any]:
    """Return what a client is told first of a source."""
    source, manifest = pipeline.source, pipeline.manifest
    return {
        "source": pipeline.name,
        "channels": source.channels,
        "sampling_rate_hz": source.sampling_rate,
        "units": source.units,
        "next_sample": source.next_sample if isinstance(source, PushSource) else None,
        "model": pipeline.use.name,
        "classes": None if manifest is None or manifest.gives_values else list(manifest.classes),
    }


def quality_of(pipeline: SourcePipeline) -> dict[str, Any]:
    """Return how good a source's signal is, as clients are told."""
    look = pipeline.quality.look()
    return {
        "source": pipeline.name,
        "ok": look.ok,
        "sample_index": look.sample_index,
        "loss": round(look.loss, 5),
        "advice": look.advice,
        "channels": [
            {"channel": one.channel, "ok": one.ok, "problems": list(one.problems)} for one in look.channels
        ],
    }
