"""What frames of all kinds of models have in common: how good the signal is, and the signal itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from app.emg.signal.montage import Montage
from app.emg.signal.signal_path import SignalPath
from app.serving.streams.hop_signal import signal_rows

MAX_DEAD = 0.25  # share of dead channels that a model is trusted with; training drops one of them at most
DEAD_PROBLEMS = (
    "dead",
    "flat",
    "railed",
)  # hum is filtered out, and a weak or strong channel still says something


def too_many_dead(quality: Mapping[str, Sequence[int]], channels: int) -> bool:
    """Whether so many channels carry no signal that no prediction can be trusted."""
    dead = {channel for problem in DEAD_PROBLEMS for channel in quality.get(problem, ())}
    return len(dead) > MAX_DEAD * channels


def used_problems(
    problems: Mapping[str, Sequence[int]], montage: Montage | None
) -> Mapping[str, Sequence[int]]:
    """Return the problems of those channels alone that the model reads."""
    if montage is None:
        return problems
    used = {problem: [one for one in found if one in montage.columns] for problem, found in problems.items()}
    return {problem: found for problem, found in used.items() if found}


def quality_now(
    problems: Mapping[str, Sequence[int]], dead: Sequence[int], montage: Montage | None
) -> Mapping[str, Sequence[int]]:
    """Return what is wrong with which channels, as the source counts them; `dead` as the model does."""
    found = used_problems(problems, montage)
    if not dead:
        return found
    return {**found, "dead": dead if montage is None else [montage.columns[channel] for channel in dead]}


def hop_rows(path: SignalPath, end: int, rate: float, fps: float) -> list[list[float]] | None:
    """Return the filtered samples since the frame before, (channels, points)."""
    hop = path.ring.window(end, max(1, round(rate / fps)))
    return None if hop is None else signal_rows(hop)
