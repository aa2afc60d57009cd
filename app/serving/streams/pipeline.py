"""One source being acquired, and all that is worked out from it for everyone who reads it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np

from app.emg.quality.monitor import QualityMonitor
from app.emg.source import Samples, Source
from app.errors import NotReadyError, OverloadedError, SourceNameError
from app.inference.manifest import Manifest
from app.serving.counters.stream_stats import StreamStats
from app.serving.engine.engine import Engine
from app.serving.process.memory import trim
from app.serving.sources.acquisition import Acquisition
from app.serving.streams.broadcast import Broadcast
from app.serving.streams.events import StreamOptions
from app.serving.streams.frames import FrameMaker, too_many_dead
from app.serving.streams.group import Encode
from app.serving.streams.turns import Turns
from app.serving.streams.window_classifier import WindowClassifier

PATIENCE_S = 0.1  # beside a window's length, for a caller who comes before the first window is whole
SNAPSHOT_HOP_S = 1 / 30  # between the windows that `POST /infer` takes from the running source


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineServices:
    """What all pipelines of a worker share."""

    engine: Engine
    manifest: Manifest
    encode: Encode
    stats: StreamStats
    cpu_percent: Callable[[], float]
    turns: Turns = field(default_factory=Turns)
    mains_hz: float | None = None


class SourcePipeline:
    """A source's acquisition, the classifier of its windows, and the groups of its readers."""

    def __init__(self, name: str, acquisition: Acquisition, services: PipelineServices) -> None:
        self.name, self.acquisition, self._services = name, acquisition, services
        self.source, self.ring = acquisition.source, acquisition.ring
        self.classifier = WindowClassifier(
            services.engine, services.manifest, self.ring, self.source.gesture_names
        )
        self.broadcast = Broadcast(
            acquisition, self._frame_maker, services.encode, services.stats, services.turns
        )
        self.quality = monitor_for(self.source, services.manifest, services.mains_hz)
        acquisition.taps.append(lambda chunk, _: self.quality.process(chunk))

    @property
    def sampling_rate(self) -> float:
        return self.source.sampling_rate

    @property
    def too_bad(self) -> bool:
        """Whether decisions have fallen to rest because too many channels carry no signal."""
        return too_many_dead(self.quality.problems, self.source.channels)

    @property
    def unbroken(self) -> int:
        """Return how many samples there are since the source's last break, as far as they are kept."""
        return self.ring.newest - max(self.ring.segment_start, self.ring.oldest)

    @property
    def has_window(self) -> bool:
        return self.ring.usable(self.ring.newest, self._services.manifest.length)

    def start(self) -> None:
        self.acquisition.start()

    def close(self) -> None:
        """Stop acquiring; the streams end. Safe to call twice."""
        self.acquisition.close()

    def snapshot(self, count: int) -> Samples:
        """Return the newest `count` windows, (count, length, channels), the newest last.

        They lie SNAPSHOT_HOP_S apart, closer where the signal is not yet that long. Waits for a source that has just
        begun, or begun anew, up to a window's length and PATIENCE_S.

        Raises:
            NotReadyError: the source has not delivered enough samples since its last break.
        """
        ring, length = self.ring, self._services.manifest.length
        missing = length + count - 1 - self.unbroken
        if missing > 0 and self.acquisition.state in ("starting", "running"):
            ring.wait_beyond(ring.newest + missing - 1, timeout=length / self.sampling_rate + PATIENCE_S)
        newest, state = ring.newest, self.acquisition.state
        spare = self.unbroken - length
        if state in ("stalled", "disconnected", "ended") or spare < count - 1:
            raise NotReadyError(
                f"the source {self.name} is {state} and has {max(spare + length, 0)} samples; "
                f"{count} windows of {length} need {length + count - 1}"
            )
        hop = min(max(1, round(SNAPSHOT_HOP_S * self.sampling_rate)), spare // max(count - 1, 1) or 1)
        ends = [newest - k * hop for k in reversed(range(count))]
        windows = [ring.window(end, length) for end in ends if ring.usable(end, length)]
        found = [window for window in windows if window is not None]
        if len(found) < count:
            raise NotReadyError(f"the source {self.name} has just lost too many samples; try again")
        return np.stack(found)

    def _frame_maker(self, options: StreamOptions) -> FrameMaker:
        services = self._services
        return FrameMaker(
            options,
            classifier=self.classifier,
            manifest=services.manifest,
            ring=self.ring,
            problems=lambda: self.quality.problems,
            stats=services.stats,
            cpu_percent=services.cpu_percent,
        )


def monitor_for(source: Source, manifest: Manifest, mains_hz: float | None) -> QualityMonitor:
    """Levels are judged where the source's units are the model's."""
    comparable = source.units == manifest.units
    return QualityMonitor(
        source.channels,
        source.sampling_rate,
        mains_hz,
        manifest.rest_rms if comparable else None,
        manifest.active_rms if comparable else None,
    )


class SourcePipelines:
    """The pipelines of a worker, by name; the first is the default."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._pipelines: dict[str, SourcePipeline] = {}

    def __iter__(self) -> Iterator[SourcePipeline]:
        return iter(list(self._pipelines.values()))

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._pipelines)

    @property
    def default(self) -> SourcePipeline | None:
        return next(iter(self), None)

    def named(self, name: str | None = None) -> SourcePipeline:
        """Return the pipeline of that name; None: the default.

        Raises:
            NotReadyError: there is no source yet.
            SourceNameError: there is none of that name.
        """
        if name is None:
            if self.default is None:
                raise NotReadyError("there is no source yet: declare one with POST /emg/sources/<name>")
            return self.default
        found = self._pipelines.get(name)
        if found is None:
            there_is = f"there is {', '.join(self.names)}" if self._pipelines else "there is none yet"
            raise SourceNameError(f"no source {name!r}; {there_is}")
        return found

    def find(self, name: str) -> SourcePipeline | None:
        return self._pipelines.get(name)

    def add(self, pipeline: SourcePipeline) -> None:
        """Take one more, not yet started.

        Raises:
            OverloadedError: there are as many as EMG_MAX_SOURCES.
        """
        if len(self._pipelines) >= self._most:
            raise OverloadedError(f"{self._most} sources are open, as many as EMG_MAX_SOURCES")
        self._pipelines[pipeline.name] = pipeline

    def remove(self, pipeline: SourcePipeline) -> None:
        """Close and forget it. Safe to call twice."""
        if self._pipelines.get(pipeline.name) is pipeline:
            del self._pipelines[pipeline.name]
        pipeline.close()
        trim()  # the rings of sources that come and go would tear glibc's heap, which then grows with each

    def close(self) -> None:
        for pipeline in self:
            self.remove(pipeline)
