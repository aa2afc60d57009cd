"""From an opened source to its acquisition, which all workers share."""

from __future__ import annotations

from app.config import Settings
from app.emg.continued_source import ContinuedSource
from app.emg.shared_source import SharedSource
from app.emg.simulated_person import person_of
from app.emg.source import Source
from app.serving.counters.shared_replay import SharedReplay
from app.serving.counters.shared_wishes import SharedWishes
from app.serving.counters.worker_group import WorkerGroup
from app.serving.sources.acquisition import Acquisition
from app.serving.sources.opening import Opened
from app.serving.sources.replays import replay_of


def acquired(
    settings: Settings, opened: Opened, worker_group: WorkerGroup, after: Acquisition | None = None
) -> Acquisition:
    """Return the acquisition of a source, not yet started.

    The sample index goes on where time has come to with the one `after` which it comes, so that the windows of those
    who read both go on as well.
    """
    source: Source = opened.source
    link = worker_group.link(repr(settings))
    if (replay := replay_of(source)) is not None:
        replay.control = SharedReplay(worker_group, link)
    if (person := person_of(source)) is not None:
        person.control = SharedWishes(worker_group, link)
    if after is not None:
        seconds = after.samples / after.source.sampling_rate
        source = ContinuedSource(source, round(seconds * source.sampling_rate) + 1)
    if worker_group.shares:
        source = SharedSource(source, link)
    return Acquisition(source, opened.path, length=opened.length)
