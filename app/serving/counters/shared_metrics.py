"""What a worker counts beside its streams: requests, the engine, the sources, the hub and itself; all workers add up.

Everything is a double in the shared memory (worker_group.py), behind those of StreamStats. What reads it, such as
`app/api/routes/metrics.py`, may run in any worker.
"""

from __future__ import annotations

import mmap
import os
from array import array
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from app.serving.counters.fleet_meter import FleetCounts, FleetMeter, counts_of
from app.serving.counters.histograms import BucketHistogram, Table
from app.serving.counters.model_table import MODEL_WIDTH, ModelMeter, ModelRow, ModelTable, forget_open
from app.serving.counters.output_row import OF_FRAMES, OutputCounts, OutputRow, together
from app.serving.counters.slot import (
    BATCH,
    ENGINE_S,
    ENGINE_WIDTH,
    EVENT_OUTPUT_WIDTH,
    LAG_S,
    OUTPUT_WIDTH,
    REQUEST_S,
    REQUEST_WIDTH,
    Slot,
)
from app.serving.counters.source_table import SOURCE_WIDTH, SourceRow, SourceTable

if TYPE_CHECKING:  # gunicorn's master imports this file, and needs nothing of what these import
    from app.emg.source import SourceState
    from app.serving.counters.worker_group import WorkerGroup
    from app.serving.process.cpu import Usage

METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))


def forget_worker(memory: mmap.mmap, slot: int) -> None:
    """Set a dead worker's live counters to zero; what it did stays counted."""
    dead = Slot.all_of(memory)[slot]
    dead.clear("alive", "sources", "fleet_trouble")
    for _, row in _outputs(dead):
        row.became("closed")
    forget_open(_models(dead))


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

    def __init__(self, worker_group: WorkerGroup) -> None:
        self._own, self._slots = worker_group.own, worker_group.slots
        self._requests: dict[tuple[str, str, int], BucketHistogram] = {}
        self._request_table = _requests(self._own)
        self._sources = SourceTable(_sources(self._own))
        self._output_table, self._event_output_table = _output_tables(self._own)
        self.open_models = ModelTable(_models(self._own))
        self._lag = BucketHistogram(LAG_S, self._own.doubles("hub_lag"))
        self.engine = EngineMeter(_engines(self._own))
        self.fleet = FleetMeter(self._own)

    def request(self, method: str, route: str, status: int, seconds: float) -> None:
        """One answer: its status, and the time until it was there."""
        histogram = self._requests.get((method, route, status))
        (histogram or self._request_histogram(method, route, status)).add(seconds)

    def _request_histogram(self, method: str, route: str, status: int) -> BucketHistogram:
        named = f"{method if method in METHODS else 'other'} {status} {route}"
        histogram = BucketHistogram(REQUEST_S, self._request_table.row(named))
        if method in METHODS:  # a client may think out any number of others
            self._requests[method, route, status] = histogram
        return histogram

    def lag(self, seconds: float) -> None:
        """How late the hub woke somebody."""
        self._lag.add(seconds)

    def alive(self, usage: Usage) -> None:
        """Say that this worker runs, and takes so much."""
        self._own.doubles("alive")[: 1 + len(usage)] = memoryview(array("d", [os.getpid(), *usage]))

    def source(self, state: SourceState, stalls: int) -> None:
        """Note how a source is doing."""
        self._sources.note(state, stalls)

    def output(self, name: str) -> OutputRow:
        """Where this worker counts what leaves that way."""
        table = self._output_table if name in OF_FRAMES else self._event_output_table
        return OutputRow(table.row(name))

    def outputs(self) -> dict[str, OutputCounts]:
        """By name."""
        rows: dict[str, list[OutputRow]] = {}
        for slot in self._slots:
            for name, row in _outputs(slot):
                rows.setdefault(name, []).append(row)
        return {name: together(same) for name, same in rows.items()}

    def output_rows(self, name: str) -> list[OutputRow]:
        """Return what each worker says of that way out, those that have died included."""
        return [row for slot in self._slots for known, row in _outputs(slot) if known == name]

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

    def fleets(self) -> FleetCounts:
        """What became of questions to a fleet."""
        return counts_of(self._slots)

    def model(self, name: str) -> ModelMeter:
        """Where this worker counts the calls of that model."""
        return ModelMeter(self.open_models, name)

    def models(self) -> dict[str, ModelRow]:
        """By name; OTHER's are those without a row of their own."""
        return {name: ModelRow(row) for name, row in _added([_models(slot) for slot in self._slots]).items()}

    def hub_lag(self) -> BucketHistogram:
        return BucketHistogram(LAG_S, _summed([slot.doubles("hub_lag") for slot in self._slots]))

    def workers(self) -> list[WorkerUsage]:
        """Those that live."""
        seen = [(number, list(slot.doubles("alive")[:3])) for number, slot in enumerate(self._slots)]
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


def _summed(rows: Sequence[memoryview[float]]) -> memoryview[float]:
    return memoryview(array("d", map(sum, zip(*rows, strict=True))))


def _added(tables: Sequence[Table]) -> dict[str, memoryview[float]]:
    rows: dict[str, list[memoryview[float]]] = {}
    for table in tables:
        for name, row in table.seen():
            rows.setdefault(name, []).append(memoryview(array("d", row)))
    return {name: _summed(same) for name, same in rows.items()}


def _requests(slot: Slot) -> Table:
    return Table(slot.doubles("requests"), REQUEST_WIDTH)


def _engines(slot: Slot) -> Table:
    return Table(slot.doubles("engines"), ENGINE_WIDTH)


def _outputs(slot: Slot) -> Iterator[tuple[str, OutputRow]]:
    for table in _output_tables(slot):
        for name, row in table:
            yield name, OutputRow(row)


def _output_tables(slot: Slot) -> tuple[Table, Table]:
    """Return that of the ways out that send frames alone, and that of those that send gestures."""
    return (
        Table(slot.doubles("outputs"), OUTPUT_WIDTH),
        Table(slot.doubles("event_outputs"), EVENT_OUTPUT_WIDTH),
    )


def _sources(slot: Slot) -> Table:
    return Table(slot.doubles("sources"), SOURCE_WIDTH)


def _models(slot: Slot) -> Table:
    return Table(slot.doubles("models"), MODEL_WIDTH)
