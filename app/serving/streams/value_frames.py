"""Frames of a model of values: what it says, and what should be acted upon."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

from app.emg.signal.signal_path import SignalPath
from app.inference.artefact import Artefact
from app.inference.manifest import Manifest
from app.serving.counters.stream_stats import StreamStats
from app.serving.streams.events import SourceChange, StreamOptions, ValueFrame
from app.serving.streams.frame_parts import hop_rows, quality_now, too_many_dead
from app.serving.streams.hop_signal import AuxReader
from app.serving.streams.value_reader import ValueReader


class ValueFrameMaker:
    """Makes the frames of one group of readers; used by one thread. It has no state: values need no votes."""

    def __init__(
        self,
        options: StreamOptions,
        *,
        reader: ValueReader,
        manifest: Manifest,
        path: SignalPath,
        problems: Callable[[], Mapping[str, Sequence[int]]],
        stats: StreamStats,
        cpu_percent: Callable[[], float],
        aux: AuxReader | None = None,
        model: Artefact | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._options, self._path, self._stats = options, path, stats
        self._aux = aux if options.include_aux else None
        self._reader, self._model, self._manifest = reader, model, manifest
        self._rest = {value.name: value.neutral for value in manifest.outputs.values}
        self._problems = problems  # of the channels, over the last second: QualityMonitor
        self._cpu_percent, self._clock = cpu_percent, clock

    def frame(self, end: int) -> ValueFrame | None:
        """Return the frame of the window that ends before sample `end`; None where none is usable.

        Raises:
            NoNumberError: the model says no number.
            MyostreamError: the engine refused.
        """
        options, path = self._options, self._path
        seen = self._reader.read(end, options.backend, options.preprocess)
        if seen is None:
            return None
        facts = seen.facts
        quality = quality_now(self._problems(), facts.dead, path.montage)
        values = dict(zip(self._manifest.columns, seen.values, strict=True))
        trusted = not too_many_dead(quality, self._manifest.channels)
        age_ms = (self._clock() - facts.acquired_at) * 1e3 if facts.acquired_at is not None else 0.0
        self._stats.frame_made(wait_ms=seen.wait_ms, infer_ms=seen.latency_ms, age_ms=age_ms)
        rate = self._manifest.sampling_rate
        return ValueFrame(
            timestamp=time.time(),
            window=seen,
            values=values,
            output=values if trusted else self._rest,  # rest when in doubt
            cpu_percent=self._cpu_percent(),
            sample_index=path.to_source(end),
            age_ms=age_ms,
            quality=quality or None,
            signal=hop_rows(path, end, rate, options.fps) if options.include_signal else None,
            aux=self._aux.take() if self._aux is not None else None,
            model=self._model,
        )

    def source_change(self, status: str, source_state: str) -> SourceChange:
        """Return the event of a source that stalled or recovered: what should be acted upon is rest."""
        return SourceChange(
            status=status, timestamp=time.time(), output=self._rest, source_state=source_state
        )
