"""Where samples come from: the chunk, and the Protocol that every source fits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import numpy.typing as npt

from app.emg.auxiliary import AuxChunk, AuxStream
from app.errors import MyostreamError

Samples = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int16]

UNLABELLED = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """Consecutive samples of all channels.

    `index` is the sample index of `samples[0]`: the count of samples since the source started, lost ones
    included, so it jumps over a gap. `restart` says that the signal does not continue the samples before
    it (a new recording, a loop, a reconnect): filters start afresh and no window spans it. `acquired_at` is
    the monotonic time at which another process has read it; None: it is read now. `aux` is what has come beside
    the EMG meanwhile.
    """

    index: int
    samples: Samples  # (n, channels)
    labels: Labels | None = None  # (n,) ids into the source's `gesture_names`, UNLABELLED where unknown
    restart: bool = False
    acquired_at: float | None = None
    repetitions: Labels | None = None  # (n,) of the gesture in `labels`, 0 where unknown; of imported files
    aux: tuple[AuxChunk, ...] = ()


def moved(chunk: Chunk, by: int) -> Chunk:
    """Return the chunk with its sample index, and the places of what came beside it, that many samples later."""
    if by == 0:
        return chunk
    aux = tuple(replace(one, at=one.at + by) for one in chunk.aux)
    return replace(chunk, index=chunk.index + by, aux=aux)


class Source(Protocol):
    """A running signal. `read` is called from one thread only.

    One whose samples carry no number of their own (lines without a counter) says `numbered = False`: after a silence
    it cannot tell what is missing, and its sample index is a guess. One that makes its samples and has an attribute
    `hurried` is told by it whether anybody waits for them: while nobody does, they may come in longer chunks.
    """

    name: str
    channels: int
    sampling_rate: float  # Hz, nominal
    units: str
    gesture_names: Sequence[str]  # what the ids in `Chunk.labels` mean; empty where nothing is labelled

    def read(self) -> Chunk | None:
        """Wait for the next samples in real time. None: the source has ended for good.

        Raises:
            SourceError: the samples cannot be read (unplugged, damaged); calling again may succeed.
        """

    def close(self) -> None:
        """Give back the device or file. Safe to call twice."""


def pass_on_hurry(source: Source, hurried: bool) -> None:
    """Tell a source that asks whether anybody waits for its samples; of use to those that stand before one."""
    if hasattr(source, "hurried"):
        source.hurried = hurried


def channel_names(source: Source) -> tuple[str, ...]:
    """Return what the device calls its channels; `ch1`, `ch2`, ... where it does not say."""
    known: Sequence[str] = getattr(source, "channel_names", ())
    return tuple(known) or tuple(f"ch{k}" for k in range(1, source.channels + 1))


def aux_streams(source: Source) -> tuple[AuxStream, ...]:
    """Return what the source delivers beside EMG; empty of those that have no `aux_streams` of their own."""
    known: Sequence[AuxStream] = getattr(source, "aux_streams", ())
    return tuple(known)


@dataclass(frozen=True, slots=True)
class SourceState:
    """A look at a source. `state` is starting, running, stalled, disconnected or ended."""

    name: str
    state: str
    last_sample_age_ms: float | None
    samples: int
    gaps: int
    lost_samples: int
    error: str | None
    measured_rate_hz: float | None  # null before the first seconds
    rate_ok: bool  # within 5 % of the nominal rate


def trouble_with(error: Exception) -> str:
    """Return what users are told where a read failed: our own words, or of what nobody foresaw where the reason is."""
    if isinstance(error, MyostreamError):
        return str(error)
    return "it cannot be read; the server's log has the reason"
