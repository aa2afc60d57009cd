"""The rows of a worker's models: any number comes and goes, and no count falls."""

from __future__ import annotations

import pytest

from app.serving.counters.histograms import OTHER, Table
from app.serving.counters.model_table import MODEL_ROWS, MODEL_WIDTH, ModelRow, ModelTable
from app.serving.counters.shared_metrics import SharedMetrics, forget_worker
from app.serving.counters.worker_group import WorkerGroup, board_for, new_run

ROWS = 4  # three of their own, and OTHER


class Board:
    """A worker's rows, and what another process reads of them."""

    def __init__(self) -> None:
        self.values = memoryview(bytearray(8 * Table.size(ROWS, MODEL_WIDTH))).cast("d")
        self.table = ModelTable(Table(self.values, MODEL_WIDTH))

    @property
    def seen(self) -> dict[str, ModelRow]:
        return {name: ModelRow(row) for name, row in Table(self.values, MODEL_WIDTH)}

    @property
    def windows(self) -> dict[str, int]:
        return {name: row.windows for name, row in self.seen.items()}


@pytest.fixture
def board() -> Board:
    return Board()


def test_a_call_counts_with_its_windows_and_its_time(board: Board) -> None:
    board.table.served("a", 3, 0.002)
    board.table.served("a", 1, 0.2)
    board.table.failed("a")
    row = board.seen["a"]
    assert (row.windows, row.failed, row.latency_s.cumulative()[-1]) == (4, 1, 2)
    assert row.latency_s.cumulative()[-2] == 1  # the other is above all bounds
    assert row.latency_s.sum == pytest.approx(0.202)


def test_a_row_of_a_closed_model_goes_to_the_next_and_what_it_counted_to_other(board: Board) -> None:
    for name in "abc":
        board.table.note({name: 1000.0})
        board.table.served(name, 10, 0.001)
    board.table.note({"d": 1000.0})
    board.table.served("d", 1, 0.001)
    assert board.windows == {"b": 10, "c": 10, "d": 1, OTHER: 10}
    assert {name: row.open for name, row in board.seen.items()} == {"b": 0, "c": 0, "d": 1, OTHER: 0}
    board.table.note({"a": 500.0})  # anew, and counted from there on
    board.table.served("a", 2, 0.001)
    assert board.windows == {"c": 10, "d": 1, "a": 2, OTHER: 20}
    assert (board.seen["a"].memory, board.seen["d"].memory) == (500, 0)
    assert board.seen[OTHER].latency_s.cumulative()[-1] == 2


def test_models_beyond_the_rows_are_counted_together(board: Board) -> None:
    board.table.note(dict.fromkeys("abcde", 100.0))
    for name in "abcde":
        board.table.served(name, 1, 0.001)
    assert board.windows == {"a": 1, "b": 1, "c": 1, OTHER: 2}
    assert (board.seen[OTHER].open, board.seen[OTHER].memory) == (2, 200)
    board.table.note({"a": 100.0})
    assert board.seen[OTHER].open == 0


def test_no_count_falls_however_many_come_and_go(board: Board) -> None:
    for number in range(1000):
        board.table.note({f"m{number}": 1.0, f"m{number // 7}": 1.0})
        board.table.served(f"m{number}", 1, 0.001)
        board.table.served(f"m{number // 7}", 1, 0.001)
        assert sum(board.windows.values()) == 2 * (number + 1)
        assert len(board.seen) <= ROWS


def test_a_worker_that_takes_a_dead_ones_slot_counts_on_and_has_nothing_open() -> None:
    memory, run = board_for(1), new_run()
    first = SharedMetrics(WorkerGroup(run, memory, 0, 1))
    first.open_models.note({"a": 1000.0})
    first.model("a").served(5, 0.001)
    forget_worker(memory, 0)
    assert (first.models()["a"].open, first.models()["a"].memory) == (0, 0)
    second = SharedMetrics(WorkerGroup(run, memory, 0, 1))
    second.model("a").served(2, 0.001)
    assert second.models()["a"].windows == 7
    for number in range(MODEL_ROWS):  # and the row of one that it never opens is not lost
        second.open_models.note({f"m{number}": 1.0})
    assert second.models()[OTHER].windows == 7


def test_workers_are_added_up() -> None:
    memory, run = board_for(2), new_run()
    both = [SharedMetrics(WorkerGroup(run, memory, slot, 2)) for slot in range(2)]
    for one in both:
        one.open_models.note({"a": 1000.0})
        one.model("a").served(3, 0.001)
    row = both[0].models()["a"]
    assert (row.open, row.memory, row.windows) == (2, 2000, 6)
