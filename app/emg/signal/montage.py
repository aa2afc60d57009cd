"""From a source's chunks to those of a model: which channels in which order, scaled, and at its rate."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from app.emg.signal.channel_choice import written
from app.emg.signal.rates import Ratio
from app.emg.signal.resampler import Resampler
from app.emg.source import Chunk
from app.errors import SourceError

ONE_TO_ONE = Ratio(1, 1)


class Montage:
    """Between one source and one reader of it; used by one thread.

    Chunks that come out have the sample index of the model's side, by `to_output`: it counts lost samples and
    jumps over gaps as the source's does. Over a gap of up to `max_fill` samples of the model's side, which the
    ring behind fills, the resampler holds the last sample and carries on; after a longer one, and a restart, it
    starts afresh, as the model's filters do. What comes beside the EMG is not carried.
    """

    def __init__(
        self,
        of: int,
        columns: tuple[int, ...],
        *,
        scale: float = 1.0,
        resampler: Resampler | None = None,
        low_hz: float = 0.0,
        max_fill: int = 0,
    ) -> None:
        """`of` is how many channels the source has, `columns` those that the model gets, counted from 0."""
        self.columns, self.scale, self.max_fill = columns, scale, max_fill
        self._of, self._in_order = of, columns == tuple(range(of))
        self._resampler = resampler
        self.delay_ms = 0.0 if resampler is None else resampler.delay_ms(low_hz)
        self._restart_owed = False  # a restart stays one when the chunk that announced it was refused

    @property
    def ratio(self) -> Ratio:
        """Samples of the model's side for those of the source's."""
        return ONE_TO_ONE if self._resampler is None else self._resampler.ratio

    @property
    def trivial(self) -> bool:
        """Whether chunks pass as they are."""
        return self._in_order and self.scale == 1.0 and self._resampler is None

    def to_output(self, index: int) -> int:
        """Return the first sample of the model's side at or after the source's sample `index`."""
        return self.ratio.to_output(index)

    def to_input(self, index: int) -> int:
        """Return the source's newest sample that sample `index` of the model's side has seen."""
        return self.ratio.to_input(index)

    def to_input_end(self, end: int) -> int:
        """Return the source's index after the last sample seen by a window that ends at `end` of the model's side."""
        return self.ratio.to_input_end(end)

    def process(self, chunk: Chunk) -> Chunk:
        """Return what can be made now of `chunk`; it may hold no sample. The chunk itself where the montage is trivial.

        A sample's label is that of the source's newest sample that it has seen.

        Raises:
            SourceError: wrong shape; where the rate changes also samples that are not finite, or an index that
                goes backwards. Nothing is kept of such a chunk but its restart.
        """
        if self.trivial:
            return chunk
        if chunk.samples.ndim != 2 or chunk.samples.shape[1] != self._of:
            raise SourceError(f"samples must be (n, {self._of}), got {chunk.samples.shape}")
        samples = chunk.samples if self._in_order else chunk.samples[:, self.columns]
        if self.scale != 1.0:
            samples = samples * np.float32(self.scale)
        chosen = replace(chunk, samples=samples, aux=())
        return chosen if self._resampler is None else self._resampled(chosen, self._resampler)

    def _resampled(self, chunk: Chunk, resampler: Resampler) -> Chunk:
        self._restart_owed = restart = chunk.restart or self._restart_owed
        first = self.to_output(chunk.index)
        if restart or first - self.to_output(resampler.end) > self.max_fill:
            resampler.reset()
        samples = resampler(chunk.index, chunk.samples)
        self._restart_owed = False
        newest, _ = self.ratio.between(chunk.index, len(chunk.samples))
        return replace(
            chunk,
            index=first,
            samples=samples,
            restart=restart,
            labels=None if chunk.labels is None else chunk.labels[newest],
            repetitions=None if chunk.repetitions is None else chunk.repetitions[newest],
        )

    def __str__(self) -> str:
        said = [] if self._in_order else [f"channels {written(self.columns)}"]
        said += [f"times {self.scale:g}"] if self.scale != 1.0 else []
        said += [] if self._resampler is None else [str(self._resampler)]
        return ", ".join(said) or "as it is"
