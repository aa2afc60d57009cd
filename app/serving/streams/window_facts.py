"""What is known of a window by its samples alone, whatever a model says of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from app.emg.quality.monitor import dead_channels
from app.emg.signal.ring import Ring
from app.emg.source import UNLABELLED, Samples
from app.inference.decision import intensity
from app.inference.manifest import Manifest


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowFacts:
    """Of one window."""

    intensity: float  # contraction level, 0..1
    missing: int  # samples lost and filled
    dead: list[int]  # channels without a signal
    truth: str | None  # the recording's or simulator's own label of the last sample
    acquired_at: float | None  # monotonic


def window_at(
    ring: Ring, end: int, manifest: Manifest, gesture_names: Sequence[str]
) -> tuple[Samples, WindowFacts] | None:
    """Return what the model reads for the window that ends before sample `end`, and what is known of the window.

    The samples are (up to reads, channels), the context in front as far as there is one. None where the window is not
    usable.
    """
    usable = ring.usable(end, manifest.length)
    signal = ring.recent(end, manifest.length, manifest.reads) if usable else None
    if signal is None:
        return None
    window = signal[-manifest.length :]
    return signal, WindowFacts(
        intensity=intensity(window, manifest.rest_rms, manifest.active_rms),
        missing=ring.missing(end, manifest.length),
        dead=dead_channels(window, manifest.rest_rms),
        truth=truth_at(ring, end, gesture_names),
        acquired_at=ring.acquired_at(end - 1),
    )


def truth_at(ring: Ring, end: int, gesture_names: Sequence[str]) -> str | None:
    """Return the source's own label of the sample before `end`, where it has one."""
    label = ring.label_at(end - 1)
    if label is None or label == UNLABELLED or not 0 <= label < len(gesture_names):
        return None
    return gesture_names[label]
