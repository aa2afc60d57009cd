"""How many recordings are taken home at a time."""

from __future__ import annotations

import pytest

from app.errors import OverloadedError, TooFastError
from app.serving.counters.export_quota import ExportQuota
from app.serving.counters.stream_quota import StreamQuota
from app.serving.counters.worker_group import WorkerGroup, board_for, forget_streams


def quotas(most: int, most_per_key: int) -> tuple[ExportQuota, ExportQuota, WorkerGroup]:
    """Those of two workers, and the first one's group."""
    memory = board_for(2)
    groups = [WorkerGroup("run", memory, slot, workers=2) for slot in (0, 1)]
    first, second = (ExportQuota(StreamQuota(group), most, most_per_key) for group in groups)
    return first, second, groups[0]


def test_a_caller_has_so_many_in_all_workers_and_others_have_theirs() -> None:
    first, second, _ = quotas(most=9, most_per_key=2)
    close = first.open("key:a")
    second.open("key:a")
    for quota in (first, second):
        with pytest.raises(TooFastError, match="EMG_MAX_EXPORTS_PER_KEY"):
            quota.open("key:a")
    second.open("key:b")
    close()
    second.open("key:a")


def test_all_together_have_so_many_and_a_refusal_takes_no_place() -> None:
    first, second, _ = quotas(most=2, most_per_key=1)
    close = first.open("key:a")
    with pytest.raises(TooFastError):
        second.open("key:a")
    second.open("key:b")
    with pytest.raises(OverloadedError, match="EMG_MAX_EXPORTS"):
        first.open("key:c")
    close()
    first.open("key:c")


def test_those_of_a_dead_worker_are_forgotten() -> None:
    first, second, group = quotas(most=1, most_per_key=1)
    first.open("key:a")
    forget_streams(group.memory, group.slot)
    second.open("key:b")
