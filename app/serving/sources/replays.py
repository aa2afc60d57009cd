"""Where the server's own source is in the recordings that it plays, and how it is sent elsewhere."""

from __future__ import annotations

import time

from app.emg.replay import Replay, ReplayPosition
from app.emg.source import Source
from app.errors import BusyError, NotReadyError
from app.serving.sources.acquisition import Acquisition

PATIENCE_S = 3.0  # for whoever plays, which may be another worker, and just taking over
LOOK_S = 0.01


def replay_of(source: Source) -> Replay | None:
    """Return the replay that a source is, or wraps; None where it is none."""
    found: Replay | None = getattr(source, "replay", None)
    return found


def expect_replay(acquisition: Acquisition | None) -> Replay:
    """Return the replay of the server's own source.

    Raises:
        BusyError: it is none.
    """
    if acquisition is None:
        raise BusyError("this server plays no recording: clients bring their sources, or it is not there yet")
    replay = replay_of(acquisition.source)
    if replay is None:
        raise BusyError(f"the source {acquisition.source.name} is no replay: it has no position")
    return replay


def move(acquisition: Acquisition | None, position_s: float | None, paused: bool | None) -> ReplayPosition:
    """Have a replay go on at a position within its duration, wait, or play on; return where it is then.

    Raises:
        BusyError: it is none, or has ended.
        NotReadyError: whoever plays it does not answer.
    """
    replay = expect_replay(acquisition)
    assert acquisition is not None
    if acquisition.silence == "ended":
        raise BusyError("the recording has ended; PUT /emg/source plays it again")
    number = replay.order(position_s, paused)
    ends = time.monotonic() + PATIENCE_S
    while not replay.obeyed(number):
        if time.monotonic() > ends:
            raise NotReadyError("the replay does not answer; it is ordered to, and may follow yet")
        time.sleep(LOOK_S)
    return replay.position
