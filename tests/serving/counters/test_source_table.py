"""The rows of a worker's sources: clients may think out any number of names, and no count may jump back."""

from __future__ import annotations

import math
import random
from typing import Any

import pytest

from app.emg.source import SourceState
from app.serving.counters.histograms import NAME_BYTES, OTHER, Table
from app.serving.counters.shared_metrics import SharedMetrics
from app.serving.counters.source_table import SOURCE_WIDTH, SourceRow, SourceTable
from app.serving.counters.worker_group import WorkerGroup, board_for, new_run

ROWS = 4  # three of their own, and OTHER


def state_of(name: str, samples: int = 10, state: str = "running", age_ms: float | None = 4.0) -> SourceState:
    return SourceState(name, state, age_ms, samples, samples // 10, samples // 5, None, None, True)


class Station:
    """A worker's rows, and what another process reads of them."""

    def __init__(self) -> None:
        self.values = memoryview(bytearray(8 * Table.size(ROWS, SOURCE_WIDTH))).cast("d")
        self.table = SourceTable(Table(self.values, SOURCE_WIDTH))

    def note(self, name: str, samples: int = 10, stalls: int = 0, **said: Any) -> None:
        self.table.note(state_of(name, samples, **said), stalls)

    @property
    def seen(self) -> dict[str, SourceRow]:
        rows = list(Table(self.values, SOURCE_WIDTH).seen())
        assert len(rows) == len({name for name, _ in rows})
        return {name: SourceRow.read(said) for name, said in rows}

    @property
    def samples(self) -> dict[str, float]:
        return {name: row.samples for name, row in self.seen.items()}


@pytest.fixture
def station() -> Station:
    return Station()


def test_sources_that_come_and_go_leave_a_row_for_the_next() -> None:
    """Rows were never used again: after 63 names in a worker's life all new sources overwrote each other in `other`."""
    metrics = SharedMetrics(WorkerGroup(new_run(), board_for(1), 0, 1))
    for number in range(1000):
        metrics.source(state_of(f"arm-{number}", samples=number + 1), stalls=0)
        metrics.source_ended(f"arm-{number}")
    metrics.source(state_of("left", samples=7), stalls=0)
    metrics.source(state_of("right", samples=8), stalls=1)
    seen = metrics.sources()
    assert (seen["left"].samples, seen["left"].stalls) == (7, 0)
    assert (seen["right"].samples, seen["right"].stalls) == (8, 1)
    assert OTHER not in seen


def test_the_source_that_ended_first_is_forgotten_first(station: Station) -> None:
    for name in "abc":
        station.note(name)
    for name in "bca":
        station.table.ended(name)
    assert {row.state for row in station.seen.values()} == {"ended"}
    station.note("d")
    assert set(station.samples) == {"a", "c", "d"}


def test_a_row_begins_without_what_its_last_source_counted(station: Station) -> None:
    station.note("a-name-of-some-length", samples=500, stalls=3)
    station.note("b")
    station.note("c")
    station.table.ended("a-name-of-some-length")
    station.table._row("d")
    assert station.seen["d"] == SourceRow("starting", 0, 0, 0, 0, 0)


def test_a_source_that_comes_back_has_its_own_row_again(station: Station) -> None:
    station.note("a", samples=100)
    station.table.ended("a")
    station.note("a", samples=5)
    assert (station.seen["a"].state, station.seen["a"].samples) == ("running", 5)
    station.note("b")
    station.note("c")
    station.note("d")  # none is free: `a` runs
    assert station.samples == {"a": 5, "b": 10, "c": 10, OTHER: 10}


def test_a_source_whose_row_was_given_away_comes_back_to_another(station: Station) -> None:
    for name in "abc":
        station.note(name)
    station.table.ended("a")
    station.note("d")
    station.table.ended("b")
    station.note("a", samples=3)
    assert station.samples == {"c": 10, "d": 10, "a": 3}


def test_those_without_a_row_add_up(station: Station) -> None:
    for name in "abc":
        station.note(name)
    station.note("d", samples=20, stalls=1)
    station.note("e", samples=40, state="stalled", age_ms=900.0, stalls=2)
    assert station.seen[OTHER] == SourceRow("stalled", 60, 6, 12, 3, 0.9)
    station.table.ended("e")
    assert station.seen[OTHER] == SourceRow("running", 60, 6, 12, 3, 0.004)
    station.table.ended("d")
    assert station.seen[OTHER][:5] == ("ended", 60, 6, 12, 3)
    assert math.isnan(station.seen[OTHER].age_s)


def test_one_that_begins_anew_between_two_looks_does_not_set_the_others_back(station: Station) -> None:
    for name in "abc":
        station.note(name)
    station.note("d", samples=100, stalls=1)
    station.note("d", samples=20, stalls=1)  # ended and declared again within a second
    assert station.seen[OTHER].counts == (120, 12, 24, 1)


def test_a_client_may_call_its_source_what_the_others_are_called(station: Station) -> None:
    station.note(OTHER, samples=50)
    for name in "abcd":
        station.note(name)
    assert station.samples == {"a": 10, "b": 10, "c": 10, OTHER: 60}
    station.table.ended("a")
    station.note(OTHER, samples=70)
    assert station.samples == {"a": 10, "b": 10, "c": 10, OTHER: 80}


def test_one_that_ended_before_anybody_looked_takes_no_row(station: Station) -> None:
    station.table.ended("a")
    assert station.seen == {}


def test_what_the_others_counted_never_falls_whatever_comes_and_goes(station: Station) -> None:
    chance, running, before = random.Random(1), dict[str, int](), (0.0, 0.0, 0.0, 0.0)
    for _ in range(3000):
        name = chance.choice(["a", "b", "c", "d", "e", "f", "g", OTHER])
        if name in running and chance.random() < 0.4:
            del running[name]
            station.table.ended(name)
        else:
            running[name] = running.get(name, 0) + chance.randrange(100)
            station.note(name, running[name])
        seen = station.seen
        now = seen[OTHER].counts if OTHER in seen else before
        assert all(was <= is_now for was, is_now in zip(before, now, strict=True))
        before = now
        own = {name for name in seen if name != OTHER and seen[name].state != "ended"}
        assert own <= running.keys()
        assert {name: seen[name].samples for name in own} == {name: running[name] for name in own}


@pytest.mark.parametrize("letter", ["x", "ü", "筋"], ids=["one byte", "two bytes", "three bytes"])
def test_a_name_that_does_not_fit_is_found_and_freed_by_what_fits(letter: str) -> None:
    values = memoryview(bytearray(8 * Table.size(3, 1))).cast("d")
    table, name = Table(values, 1), "a" + letter * NAME_BYTES
    table.row("before")
    table.row(name)[0] = 7
    assert Table(values, 1).row(name)[0] == 7
    ((_, _), (cut, said)) = table.seen()
    assert (name.startswith(cut), said) == (True, [7.0])
    assert NAME_BYTES - 3 <= len(cut.encode()) <= NAME_BYTES
    table.free(name)
    assert [row_name for row_name, _ in table] == ["before"]
    table.row("b")[0] = 1
    assert dict(table.seen()) == {"before": [0.0], "b": [1.0]}


def test_a_reader_never_sees_one_sources_counts_under_anothers_name() -> None:
    """The writer is another process: it frees and takes the row between a reader's look at name and counts."""
    values = memoryview(bytearray(8 * Table.size(2, 1))).cast("d")
    writer, reader = Table(values, 1), Table(values, 1)
    writer.row("old")[0] = 1

    def hand_over(at: int) -> memoryview:
        if "old" in writer._at:
            writer.free("old")
            writer.row("new")[0] = 2
        return values[at + NAME_BYTES // 8 : at + NAME_BYTES // 8 + 1]

    reader._row = hand_over  # type: ignore[method-assign]  # the writer comes in between
    assert list(reader.seen()) == []
    assert list(reader.seen()) == [("new", [2.0])]
