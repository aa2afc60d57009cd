"""One source being acquired, and all that is worked out from it for everyone who reads it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from app.counted import counted, verb
from app.emg.quality.monitor import QualityMonitor
from app.emg.signal.aux_buffer import AuxBuffer
from app.emg.signal.fit import Fit
from app.emg.signal.montage import Montage
from app.emg.source import Samples, Source, aux_streams
from app.emg.units import factor
from app.errors import NotReadyError, OverloadedError, SourceNameError
from app.inference.history import with_history
from app.inference.manifest import Manifest
from app.serving.counters.stream_stats import StreamStats
from app.serving.engine.engine import Engine
from app.serving.process.memory import trim
from app.serving.sources.acquisition import Acquisition
from app.serving.streams.broadcast import Broadcast
from app.serving.streams.events import StreamOptions
from app.serving.streams.frames import FrameMaker, too_many_dead, used_problems
from app.serving.streams.group import Encode
from app.serving.streams.hop_signal import AuxReader
from app.serving.streams.signal_frames import SignalFrameMaker
from app.serving.streams.turns import Turns
from app.serving.streams.window_classifier import WindowClassifier

PATIENCE_S = 0.1  # beside a window's length, for a caller who comes before the first window is whole
DECLARE = "there is no source yet: declare one with POST /emg/sources/<name>"
FITTING_S = 10.0  # for which a look at the models on the disk holds
SNAPSHOT_HOP_S = 1 / 30  # between the windows that `POST /infer` takes from the running source


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineServices:
    """What all pipelines of a worker share."""

    engine: Engine
    encode: Encode
    stats: StreamStats
    cpu_percent: Callable[[], float]
    turns: Turns = field(default_factory=Turns)
    mains_hz: float | None = None
    no_model: Callable[[Source, Sequence[Fit]], str] = lambda source, _: f"no model reads {source.name}"
    fitting: Callable[[Source], Sequence[Fit]] = lambda _: ()  # the models that could read it


class SourcePipeline:
    """A source's acquisition, the classifier of its windows, and the groups of its readers.

    `manifest` is that of the model which reads it; None: it is shown, judged and recorded, and predicts nothing.
    """

    def __init__(
        self, name: str, acquisition: Acquisition, services: PipelineServices, manifest: Manifest | None
    ) -> None:
        self._services = services
        self._take(name, acquisition, manifest)
        self.broadcast = Broadcast(
            acquisition, self._frame_maker, services.encode, services.stats, services.turns
        )

    def _take(self, name: str, acquisition: Acquisition, manifest: Manifest | None) -> None:
        services = self._services
        self.name, self.acquisition, self.manifest = name, acquisition, manifest
        self.source, self.ring, self.montage = acquisition.source, acquisition.ring, acquisition.path.montage
        self.aux = AuxBuffer(aux_streams(self.source))
        self.quality = monitor_for(self.source, manifest, services.mains_hz, self.montage)
        self.classifier = None
        if manifest is not None:
            names = self.source.gesture_names
            self.classifier = WindowClassifier(services.engine, manifest, self.ring, names)
        self._fitting: Sequence[Fit] = ()
        self._fitting_at = -math.inf
        quality, aux = self.quality, self.aux
        acquisition.taps.append(lambda chunk, _: quality.process(chunk))
        acquisition.taps.append(lambda chunk, _: aux.write(chunk))

    def switch(self, name: str, acquisition: Acquisition, manifest: Manifest | None) -> None:
        """Go on with another source, not yet started; streams stay, and are told. The one before is closed.

        A recording of the one before ends.
        """
        before = self.acquisition
        self._take(name, acquisition, manifest)
        self.broadcast.move(acquisition)
        before.on_end = lambda: None
        before.close()
        acquisition.start()

    @property
    def length(self) -> int:
        """Return how many samples of the ring make a window; 1 where no model reads it."""
        return 1 if self.manifest is None else self.manifest.length

    @property
    def sampling_rate(self) -> float:
        return self.source.sampling_rate

    @property
    def frame_rate_limit(self) -> float:
        """Return the most frames a second that a stream can have: a frame ends with a sample."""
        return self.acquisition.rate

    @property
    def too_bad(self) -> bool:
        """Whether decisions have fallen to rest because too many channels carry no signal."""
        if self.manifest is None:
            return False
        return too_many_dead(used_problems(self.quality.problems, self.montage), self.manifest.channels)

    @property
    def unbroken(self) -> int:
        """Return how many samples there are since the source's last break, as far as they are kept."""
        return self.ring.newest - max(self.ring.segment_start, self.ring.oldest)

    @property
    def has_window(self) -> bool:
        return self.ring.usable(self.ring.newest, self.length)

    def fitting(self) -> Sequence[Fit]:
        """Return the models that could read the source; looked up anew after FITTING_S, as they lie on the disk."""
        if time.monotonic() - self._fitting_at > FITTING_S:
            self._fitting, self._fitting_at = self._services.fitting(self.source), time.monotonic()
        return self._fitting

    @property
    def no_model(self) -> str:
        """Return what to do where no model reads it."""
        return self._services.no_model(self.source, self.fitting())

    def expect_model(self) -> None:
        """See that a model reads the source.

        Raises:
            NotReadyError: none does; says what to do.
        """
        if self.manifest is None:
            raise NotReadyError(self.no_model)

    @property
    def trouble(self) -> str | None:
        """Return why no decision can be made on it now; None where one can."""
        if self.acquisition.state != "running":
            return f"the source {self.name} is {self.acquisition.state}"
        if not self.has_window:
            return f"the source {self.name} has {self.unbroken} of the {self.length} samples of a window"
        return f"the source {self.name} has too many bad channels: see /emg/quality" if self.too_bad else None

    def start(self) -> None:
        self.acquisition.start()

    def close(self) -> None:
        """Stop acquiring; the streams end. Safe to call twice."""
        self.acquisition.close()

    def snapshot(self, count: int) -> Samples:
        """Return the newest `count` windows with their context, (count, reads, channels), the newest last.

        A context that the signal is too short for is its mirror. They lie SNAPSHOT_HOP_S apart, closer where the
        signal is not yet that long. Waits for a source that has just begun, or begun anew, up to a window's length
        and PATIENCE_S.

        Raises:
            NotReadyError: the source has not delivered enough samples since its last break, or no model reads it.
        """
        self.expect_model()
        assert self.manifest is not None
        ring, length = self.ring, self.manifest.length
        missing = length + count - 1 - self.unbroken
        if missing > 0 and self.acquisition.state in ("starting", "running"):
            ring.wait_beyond(ring.newest + missing - 1, timeout=length / self.acquisition.rate + PATIENCE_S)
        newest, state = ring.newest, self.acquisition.state
        spare = self.unbroken - length
        if state in ("stalled", "disconnected", "ended") or spare < count - 1:
            raise NotReadyError(
                f"the source {self.name} is {state} and has {counted(max(spare + length, 0), 'sample')}; "
                f"{counted(count, 'window')} of {length} {verb(count, 'needs', 'need')} {length + count - 1}"
            )
        hop = min(max(1, round(SNAPSHOT_HOP_S * self.acquisition.rate)), spare // max(count - 1, 1) or 1)
        ends = [newest - k * hop for k in reversed(range(count))]
        reads = self.manifest.reads
        windows = [ring.recent(end, length, reads) for end in ends if ring.usable(end, length)]
        found = [with_history(window, reads) for window in windows if window is not None]
        if len(found) < count:
            raise NotReadyError(f"the source {self.name} has just lost too many samples; try again")
        return np.stack(found)

    def _frame_maker(self, options: StreamOptions) -> FrameMaker | SignalFrameMaker:
        services, quality, aux = self._services, self.quality, AuxReader(self.aux)
        if self.manifest is None or self.classifier is None:
            return SignalFrameMaker(
                options,
                path=self.acquisition.path,
                rate=self.acquisition.rate,
                gesture_names=self.source.gesture_names,
                problems=lambda: quality.problems,
                stats=services.stats,
                cpu_percent=services.cpu_percent,
                aux=aux,
            )
        return FrameMaker(
            options,
            classifier=self.classifier,
            manifest=self.manifest,
            path=self.acquisition.path,
            problems=lambda: quality.problems,
            stats=services.stats,
            cpu_percent=services.cpu_percent,
            aux=aux,
        )


def monitor_for(
    source: Source, manifest: Manifest | None, mains_hz: float | None, montage: Montage | None = None
) -> QualityMonitor:
    """Return what judges the source's channels; their levels too, where its units can be made the model's."""
    levels: tuple[float | None, float | None] = (None, None)
    scale = None if manifest is None else factor(source.units, manifest.units)
    scale = montage.scale if montage is not None else scale
    if manifest is not None and scale is not None:
        levels = manifest.rest_rms / scale, manifest.active_rms / scale
    return QualityMonitor(source.channels, source.sampling_rate, mains_hz, *levels)


class SourcePipelines:
    """The pipelines of a worker, by name; the first is the default."""

    def __init__(self, most: int, none_yet: Callable[[], str] = lambda: DECLARE) -> None:
        self._most, self.none_yet = most, none_yet
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
                raise NotReadyError(self.none_yet())
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
            are = verb(self._most, "is", "are")
            raise OverloadedError(f"{counted(self._most, 'source')} {are} open, as many as EMG_MAX_SOURCES")
        self._pipelines[pipeline.name] = pipeline

    def rename(self, pipeline: SourcePipeline, name: str) -> None:
        """Know it by another name from now on; its place stays."""
        self._pipelines = {
            name if one is pipeline else its_name: one for its_name, one in self._pipelines.items()
        }

    def remove(self, pipeline: SourcePipeline) -> None:
        """Close and forget it. Safe to call twice."""
        if self._pipelines.get(pipeline.name) is pipeline:
            del self._pipelines[pipeline.name]
        pipeline.close()
        trim()  # the rings of sources that come and go would tear glibc's heap, which then grows with each

    def close(self) -> None:
        for pipeline in self:
            self.remove(pipeline)
