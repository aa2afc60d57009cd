"""What a worker counts beside its streams: requests, the engine, the sources, the hub and itself; all workers add up.

Everything is a double on the crew's board (crew.py), behind those of StreamStats. What reads it, such as
`app/api/routes/metrics.py`, may run in any worker.
"""

from __future__ import annotations

import mmap
import os
from array import array
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from app.serving.counters.histograms import BucketHistogram, Table
from app.serving.counters.source_table import SOURCE_WIDTH, SourceRow, SourceTable
from app.serving.counters.worker_group import CALLERS, SLOT_BYTES, WorkerGroup

if TYPE_CHECKING:  # gunicorn's master imports this file, and needs nothing of what these import
    from app.emg.source import SourceState
    from app.serving.process.cpu import Usage

REQUEST_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
ENGINE_S = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0)
BATCH = (1, 2, 4, 8, 16, 32, 64, 128, 256)  # windows
LAG_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0)
OUTPUT_STATES = ("closed", "open", "failed")  # closed here: another worker may send
METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))

_FIRST = 4096  # double of a slot; those before are StreamStats'
_ALIVE = 8
_LAG = _FIRST + _ALIVE
_SOURCES, _SOURCE_ROWS, _SOURCE = _LAG + BucketHistogram.size(LAG_S), 64, SOURCE_WIDTH
_ENGINES, _ENGINE_ROWS = _SOURCES + Table.size(_SOURCE_ROWS, _SOURCE), 8
_ENGINE = 2 + 2 * BucketHistogram.size(ENGINE_S) + BucketHistogram.size(BATCH)
_REQUESTS, _REQUEST_ROWS, _REQUEST = (
    _ENGINES + Table.size(_ENGINE_ROWS, _ENGINE),
    256,
    BucketHistogram.size(REQUEST_S),
)
_OUTPUTS, _OUTPUT_ROWS, _OUTPUT = _REQUESTS + Table.size(_REQUEST_ROWS, _REQUEST), 8, 3
_END = _OUTPUTS + Table.size(_OUTPUT_ROWS, _OUTPUT)
assert _END <= CALLERS


def forget_worker(board: mmap.mmap, slot: int) -> None:
    """Set a dead worker's live counters to zero; what it did stays counted."""
    first = slot * SLOT_BYTES
    board[first + 8 * _FIRST : first + 8 * _LAG] = bytes(8 * (_LAG - _FIRST))
    board[first + 8 * _SOURCES : first + 8 * _ENGINES] = bytes(8 * (_ENGINES - _SOURCES))
    for _, row in _outputs(memoryview(board).cast("d")[first // 8 : (first + SLOT_BYTES) // 8]):
        OutputRow(row).became("closed")


class WorkerUsage(NamedTuple):
    """What one living worker takes."""

    slot: int
    pid: int
    resident_bytes: float
    cpu_s: float


class EngineRow:
    """One backend's counts."""

    def __init__(self, values: memoryview[float]) -> None:
        latency, wait = 2, 2 + BucketHistogram.size(ENGINE_S)
        self.values = values  # failed, hung
        self.latency_s = BucketHistogram(ENGINE_S, values[latency:wait])
        self.wait_s = BucketHistogram(ENGINE_S, values[wait : wait + BucketHistogram.size(ENGINE_S)])
        self.windows = BucketHistogram(BATCH, values[wait + BucketHistogram.size(ENGINE_S) :])

    @property
    def failed(self) -> int:
        return int(self.values[0])

    @property
    def hung(self) -> int:
        return int(self.values[1])


class OutputRow:
    """What one worker says of a way out."""

    def __init__(self, values: memoryview[float]) -> None:
        self._values = values  # state, frames sent, failures

    @property
    def state(self) -> str:
        return OUTPUT_STATES[int(self._values[0])]

    @property
    def frames(self) -> int:
        return int(self._values[1])

    @property
    def failures(self) -> int:
        return int(self._values[2])

    def became(self, state: str) -> None:
        self._values[0] = OUTPUT_STATES.index(state)

    def sent(self) -> None:
        self._values[1] += 1

    def failed(self) -> None:
        """Count that it has raised, and is closed until it is tried again."""
        self._values[2] += 1
        self.became("failed")


class OutputCounts(NamedTuple):
    """A way out, of all workers together: `open` where one of them sends, else `failed` where one cannot."""

    state: str
    frames: int
    failures: int


class EngineMeter:
    """What the engine says of each call of a backend."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._rows: dict[str, EngineRow] = {}

    def served(self, backend: str, windows: int, latency_s: float, waits_s: Sequence[float]) -> None:
        """One call, of as many windows, for requests that had waited so long."""
        row = self._rows.get(backend) or self._row(backend)
        row.latency_s.add(latency_s)
        row.windows.add(windows)
        for wait_s in waits_s:
            row.wait_s.add(wait_s)

    def failed(self, backend: str) -> None:
        self._row(backend).values[0] += 1

    def hung(self, backend: str) -> None:
        self._row(backend).values[1] += 1

    def _row(self, backend: str) -> EngineRow:
        return self._rows.setdefault(backend, EngineRow(self._table.row(backend)))


class SharedMetrics:
    """A worker writes its own; what reads adds up those of all."""

    def __init__(self, crew: WorkerGroup) -> None:
        self._own, self._slots = crew.own, crew.slots
        self._requests: dict[tuple[str, str, int], BucketHistogram] = {}
        self._request_table = _requests(self._own)
        self._sources = SourceTable(_sources(self._own))
        self._output_table = _outputs(self._own)
        self._lag = _lag(self._own)
        self.engine = EngineMeter(_engines(self._own))

    def request(self, method: str, route: str, status: int, seconds: float) -> None:
        """One answer: its status, and the time until it was there."""
        tally = self._requests.get((method, route, status))
        (tally or self._request_tally(method, route, status)).add(seconds)

    def _request_tally(self, method: str, route: str, status: int) -> BucketHistogram:
        named = f"{method if method in METHODS else 'other'} {status} {route}"
        tally = BucketHistogram(REQUEST_S, self._request_table.row(named))
        if method in METHODS:  # a client may think out any number of others
            self._requests[method, route, status] = tally
        return tally

    def lag(self, seconds: float) -> None:
        """How late the hub woke somebody."""
        self._lag.add(seconds)

    def alive(self, usage: Usage) -> None:
        """Say that this worker runs, and takes so much."""
        self._own[_FIRST : _FIRST + 3] = memoryview(array("d", [os.getpid(), *usage]))

    def source(self, state: SourceState, stalls: int) -> None:
        """Note how a source is doing."""
        self._sources.note(state, stalls)

    def output(self, name: str) -> OutputRow:
        """Where this worker counts what leaves that way."""
        return OutputRow(self._output_table.row(name))

    def outputs(self) -> dict[str, OutputCounts]:
        """By name."""
        rows: dict[str, list[OutputRow]] = {}
        for slot in self._slots:
            for name, row in _outputs(slot):
                rows.setdefault(name, []).append(OutputRow(row))
        return {name: _together(same) for name, same in rows.items()}

    def requests(self) -> dict[tuple[str, str, str], BucketHistogram]:
        """By method, route and status."""
        found = {}
        for name, row in _added([_requests(slot) for slot in self._slots]).items():
            method, status, route = name.split(" ", 2) if name.count(" ") > 1 else ("other", "other", "other")
            found[method, route, status] = BucketHistogram(REQUEST_S, row)
        return found

    def engines(self) -> dict[str, EngineRow]:
        """By backend."""
        return {
            name: EngineRow(row) for name, row in _added([_engines(slot) for slot in self._slots]).items()
        }

    def hub_lag(self) -> BucketHistogram:
        return BucketHistogram(
            LAG_S, _summed([slot[_LAG : _LAG + BucketHistogram.size(LAG_S)] for slot in self._slots])
        )

    def workers(self) -> list[WorkerUsage]:
        """Those that live."""
        seen = [(number, slot[_FIRST : _FIRST + 3].tolist()) for number, slot in enumerate(self._slots)]
        return [WorkerUsage(number, int(pid), rss, cpu_s) for number, (pid, rss, cpu_s) in seen if pid]

    def source_ended(self, name: str) -> None:
        """Say that it is not there any more."""
        self._sources.ended(name)

    def sources(self) -> dict[str, SourceRow]:
        """By name; counts as the worker has them that has watched it longest: they all read the same source."""
        found: dict[str, SourceRow] = {}
        for slot in self._slots:
            for name, said in _sources(slot).seen():
                seen = SourceRow.read(said)
                found[name] = seen.merged(found[name]) if name in found else seen
        return found


def _together(rows: Sequence[OutputRow]) -> OutputCounts:
    states = {row.state for row in rows}
    state = next(state for state in ("open", "failed", "closed") if state in states)
    return OutputCounts(state, sum(row.frames for row in rows), sum(row.failures for row in rows))


def _summed(rows: Sequence[memoryview[float]]) -> memoryview[float]:
    return memoryview(array("d", map(sum, zip(*rows, strict=True))))


def _added(tables: Sequence[Table]) -> dict[str, memoryview[float]]:
    rows: dict[str, list[memoryview[float]]] = {}
    for table in tables:
        for name, row in table:
            rows.setdefault(name, []).append(row)
    return {name: _summed(same) for name, same in rows.items()}


def _requests(slot: memoryview[float]) -> Table:
    return Table(slot[_REQUESTS:_OUTPUTS], _REQUEST)


def _engines(slot: memoryview[float]) -> Table:
    return Table(slot[_ENGINES:_REQUESTS], _ENGINE)


def _outputs(slot: memoryview[float]) -> Table:
    return Table(slot[_OUTPUTS:_END], _OUTPUT)


def _sources(slot: memoryview[float]) -> Table:
    return Table(slot[_SOURCES:_ENGINES], _SOURCE)


def _lag(slot: memoryview[float]) -> BucketHistogram:
    return BucketHistogram(LAG_S, slot[_LAG : _LAG + BucketHistogram.size(LAG_S)])
