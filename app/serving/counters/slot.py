"""Where each count lies in a worker's slot of the memory that all workers of a server share.

gunicorn's master imports this file: it has no numpy, and what it had, every worker would be forked with.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterable
from ctypes import Structure, c_double, sizeof

from app.serving.counters.histograms import BucketHistogram, LogHistogram, Table
from app.serving.counters.model_table import MODEL_ROWS, MODEL_WIDTH
from app.serving.counters.source_table import SOURCE_WIDTH

STAGES = ("wait", "infer", "encode", "age")
ACTIVE, SENT, DROPPED = 0, 1, 2  # of `streams`

REQUEST_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
ENGINE_S = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0)
BATCH = (1, 2, 4, 8, 16, 32, 64, 128, 256)  # windows
LAG_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0)

# doubles in a row of each table
ENGINE_WIDTH = 2 + 2 * BucketHistogram.size(ENGINE_S) + BucketHistogram.size(BATCH)
REQUEST_WIDTH = BucketHistogram.size(REQUEST_S)
OUTPUT_WIDTH = 3
EVENT_OUTPUT_WIDTH = 11

SLOT_BYTES = 163_840
SWAP_DOUBLES = 1024  # 8 KiB: which models the sources use, and which is about to be another (shared_swap.py)
WHY_DOUBLES = 64  # 512 bytes of text: why this worker cannot follow
CHOICE_DOUBLES = 1024  # 8 KiB: which source was chosen while the server runs (source_choice.py)
CALLER_ROWS = 2048  # more than gunicorn's worker_connections


def _with_room(fields: Iterable[tuple[str, int]], doubles: int, name: str) -> list[tuple[str, int]]:
    """Return the fields (name, doubles), and behind them what is left of so many doubles."""
    fields = list(fields)
    return [*fields, (name, doubles - sum(size for _, size in fields))]


# What is added takes from the rooms, and moves nothing else: after a reload, workers with newer code count beside the
# old ones, and the master, which clears a dead worker's slot, has the code of its own start.
_STREAMS = _with_room([("streams", 3), ("stages", len(STAGES) * LogHistogram.SIZE)], 4096, "_room_streams")
_END = [("callers", 2 * CALLER_ROWS), ("reloaded", 1)]
_METRICS = _with_room(
    [
        ("alive", 8),
        ("hub_lag", BucketHistogram.size(LAG_S)),
        ("sources", Table.size(64, SOURCE_WIDTH)),
        ("engines", Table.size(8, ENGINE_WIDTH)),
        ("requests", Table.size(256, REQUEST_WIDTH)),
        ("outputs", Table.size(8, OUTPUT_WIDTH)),
        ("choice", CHOICE_DOUBLES),
        ("swap", SWAP_DOUBLES),
        ("swap_answer", 2 + WHY_DOUBLES),
        ("models", Table.size(MODEL_ROWS, MODEL_WIDTH)),
        ("jobs_left", 1),
        ("replay_order", 4),
        ("replay_state", 5),
        ("wish", 4),
        ("fleet", 2),
        ("fleet_trouble", 1),
        ("draining", 1),
        ("event_outputs", Table.size(12, EVENT_OUTPUT_WIDTH)),
    ],
    SLOT_BYTES // 8 - 4096 - sum(size for _, size in _END),
    "_room_metrics",
)


class Slot(Structure):
    """One worker's part: it alone writes it, and all may read it. Every field is an array of doubles.

    `streams` are those open now, frames sent and dropped; `stages` one LogHistogram for each of STAGES; `alive` the
    process's id and what it takes, 0 without one; `callers` rows of a mark and a count (stream_quota.py); `reloaded`
    says that another worker takes the place of this one; `choice` is in source_choice.py, `swap` and `swap_answer` in
    shared_swap.py, `replay_order` and `replay_state` in shared_replay.py, `wish` in shared_wishes.py; `jobs_left`
    counts jobs that the worker has left to the others, `fleet` and `fleet_trouble` are in fleet_meter.py; `draining`
    says that the server is about to stop; `event_outputs` is in output_row.py; the others are what their names say
    (shared_metrics.py).
    """

    _fields_ = [(name, c_double * size) for name, size in (*_STREAMS, *_METRICS, *_END)]

    @classmethod
    def all_of(cls, memory: mmap.mmap) -> list[Slot]:
        """Return every slot there is."""
        return [cls.from_buffer(memory, at) for at in range(0, len(memory), SLOT_BYTES)]

    def doubles(self, field: str) -> memoryview[float]:
        """Return a field to count in: `+=` through a memoryview takes a third of what it takes through ctypes."""
        return memoryview(getattr(self, field)).cast("B").cast("d")

    def clear(self, *names: str) -> None:
        """Set all of these fields to zero."""
        for name in names:
            setattr(self, name, type(getattr(self, name))())


assert sizeof(Slot) == SLOT_BYTES
