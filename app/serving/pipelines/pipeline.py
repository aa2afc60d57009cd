"""One source being acquired, and all that is worked out from it for everyone who reads it."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from app.emg.signal.aux_buffer import AuxBuffer
from app.emg.signal.fit import Fit
from app.emg.signal.montage import Montage
from app.emg.signal.ring import Ring
from app.emg.signal.signal_path import SignalPath
from app.emg.source import Samples, Source, aux_streams
from app.errors import NotReadyError
from app.inference.manifest import Manifest
from app.serving.bus.bus import Lease
from app.serving.counters.stream_stats import StreamStats
from app.serving.models.open_models import OpenModel
from app.serving.pipelines.frame_makers import maker_for
from app.serving.pipelines.model_use import ModelUse, alike, use_of
from app.serving.pipelines.monitoring import levels_for, monitor_for
from app.serving.pipelines.named_models import NamedModels
from app.serving.pipelines.newest_windows import newest_windows, unbroken
from app.serving.process.work_loop import WorkLoop
from app.serving.profiles.profile import Profile
from app.serving.sources.acquisition import Acquisition
from app.serving.sources.signal_feed import SignalFeed
from app.serving.streams.broadcast import Broadcast, Reading
from app.serving.streams.due_windows import DueWindows
from app.serving.streams.events import ENDED, MOVED, StreamOptions
from app.serving.streams.frame_context import FrameContext
from app.serving.streams.frame_parts import too_many_dead, used_problems
from app.serving.streams.group import Group, Maker, nothing
from app.serving.streams.group_events import Encode
from app.serving.streams.hop_signal import AuxReader
from app.serving.streams.turns import Turns

FITTING_S = 10.0  # for which a look at the models on the disk holds
READY_S = 0.5  # beside its length, for the first window behind a path of its own
LEAVING_S = 1.0  # for which the signal of the model before is still filled


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineServices:
    """What all pipelines of a worker share."""

    encode: Encode
    stats: StreamStats
    cpu_percent: Callable[[], float]
    turns: Turns = field(default_factory=Turns)
    mains_hz: float | None = None
    no_model: Callable[[Source, Sequence[Fit]], str] = lambda source, _: f"no model reads {source.name}"
    fitting: Callable[[Source], Sequence[Fit]] = lambda _: ()  # the models that could read it
    release: Callable[[OpenModel], None] = lambda _: None  # called with each model that is used no more
    glance: Callable[[int], None] = nothing  # before each window: see ModelSwaps
    due_windows: DueWindows = field(default_factory=DueWindows)
    loop: WorkLoop = field(default_factory=WorkLoop)


class SourcePipeline:
    """A source's acquisition, the model that reads it, and the groups of its readers.

    The model is held by whoever gives it. Without one the source is shown, judged and recorded, and predicts nothing.
    `use` is how it is read at its newest sample; groups come to a change of the model each at its own window, the same
    by number.
    """

    def __init__(
        self,
        name: str,
        acquisition: Acquisition,
        services: PipelineServices,
        model: OpenModel | None,
        profile: Profile | None = None,
    ) -> None:
        self._services, self._lock, self._closed = services, threading.Lock(), False
        self.lease: Lease | None = None  # of a source that other workers may read or push to
        self.moved = False  # whether it is closed because another worker has the source
        self._take(name, acquisition, model, profile)
        self.broadcast = self._groups_of(self.use)

    def _take(
        self,
        name: str,
        acquisition: Acquisition,
        model: OpenModel | None,
        profile: Profile | None = None,
    ) -> None:
        self.name, self.acquisition, self.source = name, acquisition, acquisition.source
        self.use = use_of(model, acquisition.main, self.source.gesture_names, profile)
        self.reading = self._reading(self.use)
        self._ahead: list[ModelUse] = []  # prepared, for a change that may come
        self._coming: list[tuple[Reading, ModelUse]] = []  # changes ahead, in their order
        self._leaving: list[
            tuple[int, SignalFeed]
        ] = []  # of models before, and until which sample they are filled
        self.named = NamedModels(self._use, self._groups_of, self._fill)
        self.aux = AuxBuffer(aux_streams(self.source))
        self.quality = monitor_for(self.source, self.manifest, self._services.mains_hz, self.montage)
        self._fitting: Sequence[Fit] = ()
        self._fitting_at = -math.inf
        quality, aux = self.quality, self.aux
        acquisition.kept_up.append(lambda chunk, _: quality.process(chunk))
        acquisition.kept_up.append(lambda chunk, _: aux.write(chunk))
        acquisition.kept_up.append(self._turn_over)

    def switch(self, name: str, acquisition: Acquisition, model: OpenModel | None) -> None:
        """Go on with another source, not yet started; streams stay, and are told. The one before is closed.

        A recording of the one before ends, and so do streams that named a model.
        """
        before, named = self.acquisition, self.named
        before.kept_up.remove(self._turn_over)
        with self._lock:
            uses = self._uses
            self._take(name, acquisition, model)
            self.broadcast.move(acquisition.main, self.reading.make, self.reading.event)
        named.end()
        for use in uses:
            self._release(use)
        before.on_end = lambda: None
        before.close()
        acquisition.start()

    @property
    def manifest(self) -> Manifest | None:
        """Return that of the model which reads the source now."""
        return self.use.manifest

    @property
    def awaited(self) -> tuple[Reading, ModelUse]:
        """Return how the source will be read when all changes of the model have come that have been made."""
        coming = self._coming
        return coming[-1] if coming else (self.reading, self.use)

    @property
    def montage(self) -> Montage | None:
        return self.use.montage

    @property
    def ring(self) -> Ring:
        return self.use.feed.ring

    def prepare(self, model: OpenModel | None, path: SignalPath, profile: Profile | None = None) -> ModelUse:
        """Return that model on this source, filled from now on: by a `path` of its own, or one here that is like it.

        Waits until a path of its own holds a window, where the source delivers. What it returns is given to `change`
        or to `forget`.

        Raises:
            NotReadyError: the source is over, or has become another meanwhile.
        """
        acquisition = self.acquisition
        use = self._use(model, path, profile)
        with self._lock:
            if self._closed or self.acquisition is not acquisition:
                raise NotReadyError(f"the source {self.name} is no longer there")
            self._ahead.append(use)
            self._fill()
        if self.acquisition.silence == "running":
            self._await_window(use.feed)
        return use

    def _await_window(self, feed: SignalFeed) -> None:
        ends = time.monotonic() + feed.length / feed.rate + READY_S
        while (missing := feed.length - unbroken(feed.ring)) > 0 and time.monotonic() < ends:
            # an empty ring begins wherever the source is
            feed.ring.wait_beyond(feed.ring.newest + (missing - 1 if feed.ring.newest else 0), READY_S / 2)

    def forget(self, use: ModelUse) -> None:
        """Do without what was prepared. Safe to call twice."""
        with self._lock:
            known = use in self._ahead  # else the source has gone, and it with it
            self._ahead = [one for one in self._ahead if one is not use]
            self._fill()
        if known:
            self._release(use)

    def _release(self, use: ModelUse) -> None:
        if use.model is not None:
            self._services.release(use.model)

    @property
    def looked_at(self) -> int:
        """Return the source's sample up to which there is signal, or a window was looked at."""
        return max(self.acquisition.samples, self.broadcast.looked_at)

    def change(self, use: ModelUse, from_sample: int) -> None:
        """Have every window that ends at that sample of the source, or later, read by `use`, and none before it.

        Raises:
            NotReadyError: the source for which it was prepared is no longer there.
        """
        reading = self._reading(use, from_sample)
        with self._lock:
            if use not in self._ahead:
                raise NotReadyError(f"the source {self.name} is no longer there")
            self._ahead = [one for one in self._ahead if one is not use]
            self._coming.append((reading, use))
            self._fill()
            self.broadcast.change(reading)
        self._turn_over()

    def _turn_over(self, *_: object) -> None:
        """Take the changes whose sample has come; on the acquisition's thread, after each chunk."""
        if not self._coming and not self._leaving:
            return
        samples = self.acquisition.samples
        with self._lock:
            while self._coming and self._coming[0][0].from_sample <= samples:
                before, (self.reading, self.use) = self.use, self._coming.pop(0)
                self.acquisition.main = self.use.feed
                self._leaving.append((samples + round(LEAVING_S * self.sampling_rate), before.feed))
                self._release(before)
                self.quality.judge_by(*levels_for(self.source, self.manifest, self.montage))
            # groups that are late by so much have still to see what ends before it
            self._leaving = [(until, feed) for until, feed in self._leaving if until > samples]
            self._fill()

    def _fill(self) -> None:
        coming = [*self._ahead, *(use for _, use in self._coming)]
        leaving = [feed for _, feed in self._leaving]
        self.acquisition.fill(*(use.feed for use in coming), *leaving, *self.named.feeds)

    def _use(self, model: OpenModel | None, path: SignalPath, profile: Profile | None = None) -> ModelUse:
        there = next((feed.path for feed in self.acquisition.feeds if alike(feed.path, path)), path)
        length = 1 if model is None else model.manifest.length
        return use_of(model, self.acquisition.feed(there, length), self.source.gesture_names, profile)

    def _reading(self, use: ModelUse, from_sample: int = 0) -> Reading:
        return Reading(
            from_sample, use.feed, lambda options: self._maker(options, use), use.change(from_sample)
        )

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
        return unbroken(self.ring)

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
        """Stop acquiring; the streams end, and come back where another worker has the source. Safe to call twice."""
        if self.moved:
            self.broadcast.end(MOVED)
        self.named.end(MOVED if self.moved else ENDED)
        self.acquisition.close()
        with self._lock:
            uses = [] if self._closed else self._uses
            self._closed, self._ahead, self._coming = True, [], []
        for use in uses:
            self._release(use)

    @property
    def _uses(self) -> list[ModelUse]:
        """Return the models that are held for it: that of now, those to come and those that may."""
        return [self.use, *(use for _, use in self._coming), *self._ahead]

    def snapshot(self, count: int, use: ModelUse | None = None) -> Samples:
        """Return the newest `count` windows with their context, (count, reads, channels), the newest last.

        `use` is of a model that was named; without it the source's own. See `newest_windows`.

        Raises:
            NotReadyError: the source has not delivered enough samples since its last break, or no model reads it.
        """
        use = use or self.use
        if use.manifest is None:
            self.expect_model()
        assert use.manifest is not None
        return newest_windows(self.name, use.feed, use.manifest, count)

    def _groups_of(self, use: ModelUse) -> Broadcast:
        services, reading = self._services, self._reading(use)
        return Broadcast(
            use.feed,
            reading.make,
            services.encode,
            services.stats,
            services.turns,
            services.glance,
            services.due_windows,
            reading.event,
            services.loop,
        )

    def groups(self) -> Iterator[tuple[ModelUse, StreamOptions, Group]]:
        """Go through the groups that have readers: what reads, and their options."""
        for use, broadcast in ((self.use, self.broadcast), *self.named.running()):
            for options, group in broadcast.running.items():
                yield use, options, group

    def _maker(self, options: StreamOptions, use: ModelUse) -> Maker:
        services, quality = self._services, self.quality
        context = FrameContext(
            path=use.feed.path,
            problems=lambda: quality.problems,
            stats=services.stats,
            cpu_percent=services.cpu_percent,
            aux=AuxReader(self.aux) if options.include_aux else None,
        )
        return maker_for(options, use, context, self.source.gesture_names)
