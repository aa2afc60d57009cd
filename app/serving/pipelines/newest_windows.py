"""The windows that a source has just now, for those who ask once."""

from __future__ import annotations

import numpy as np

from app.counted import counted, verb
from app.emg.signal.ring import Ring
from app.emg.source import Samples
from app.errors import NotReadyError
from app.inference.history import with_history
from app.inference.manifest import Manifest
from app.serving.sources.signal_feed import SignalFeed

HOP_S = 1 / 30  # between two windows
PATIENCE_S = 0.1  # beside a window's length, for a caller who comes before the first window is whole


def newest_windows(name: str, feed: SignalFeed, manifest: Manifest, count: int) -> Samples:
    """Return the newest `count` windows of a feed with their context, (count, reads, channels), the newest last.

    A context that the signal is too short for is its mirror. They lie HOP_S apart, closer where the signal is not yet
    that long. Waits for a source that has just begun, or begun anew, up to a window's length and PATIENCE_S.

    Raises:
        NotReadyError: the source `name` has not delivered enough samples since its last break.
    """
    ring, length, reads = feed.ring, manifest.length, manifest.reads
    missing = length + count - 1 - unbroken(ring)
    if missing > 0 and feed.state in ("starting", "running"):
        ring.wait_beyond(ring.newest + missing - 1, timeout=length / feed.rate + PATIENCE_S)
    newest, state = ring.newest, feed.state
    spare = unbroken(ring) - length
    if state in ("stalled", "disconnected", "ended") or spare < count - 1:
        raise NotReadyError(
            f"the source {name} is {state} and has {counted(max(spare + length, 0), 'sample')}; "
            f"{counted(count, 'window')} of {length} {verb(count, 'needs', 'need')} {length + count - 1}"
        )
    hop = min(max(1, round(HOP_S * feed.rate)), spare // max(count - 1, 1) or 1)
    ends = [newest - k * hop for k in reversed(range(count))]
    windows = [ring.recent(end, length, reads) for end in ends if ring.usable(end, length)]
    found = [with_history(window, reads) for window in windows if window is not None]
    if len(found) < count:
        raise NotReadyError(f"the source {name} has just lost too many samples; try again")
    return np.stack(found)


def unbroken(ring: Ring) -> int:
    """Return how many samples there are since the last break, as far as they are kept."""
    return ring.newest - max(ring.segment_start, ring.oldest)
