"""docs/scale.md: its tables follow from its formula, and its formula from what was measured."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from app.config import ROOT

PAGE = (ROOT / "docs" / "scale.md").read_text(encoding="utf-8")
(FORMULA,) = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def worked_out(**other: float) -> dict[str, Any]:
    """What the formula says, with these in the place of its own."""
    text = FORMULA
    for name, value in other.items():
        text, replaced = re.subn(rf"^{name} = [\d._]+", f"{name} = {value}", text, flags=re.MULTILINE)
        assert replaced == 1, name
    found: dict[str, Any] = {}
    exec(text, found)
    return found


def row(name: str) -> str:
    """The figure in the row of that name."""
    (found,) = re.findall(rf"^\| {re.escape(name)} \| (.*) \|$", PAGE, re.MULTILINE)
    return str(found)


def test_what_10000_people_need_follows_from_the_formula() -> None:
    found = worked_out()
    assert found["people"] == 10_000
    assert row("workers") == f"{found['workers']}, of {found['people_a_worker']} people each"
    assert int(row("machines of 8 cores")) == found["machines"]
    assert int(row("memory of the workers of one machine, MB")) == round(found["memory_mb"])
    assert int(row("frames a second through Redis")) == found["frames"]
    assert float(row("Redis, cores")) == pytest.approx(found["redis_cores"], abs=0.0051)
    assert int(row("fleets with a Redis of their own")) == found["fleets"]
    assert int(row("network in, Mbit/s, all machines together")) == round(found["in_mbit"])
    assert int(row("network out, Mbit/s")) == round(found["out_mbit"])
    assert int(row("network of Redis, Mbit/s")) == round(found["redis_mbit"])


def test_so_does_the_table_by_how_many_are_watched() -> None:
    rows = re.findall(r"^\| ([\d.]+) \| (\d+) \| ([\d.]+) \| (\d+) \|$", PAGE, re.MULTILINE)
    assert len(rows) == 4
    for watched, machines, cores, fleets in rows:
        found = worked_out(watched=float(watched))
        assert (found["machines"], found["fleets"]) == (int(machines), int(fleets)), watched
        assert found["redis_cores"] == pytest.approx(float(cores), abs=0.0051), watched


def test_a_worker_is_given_no_more_people_than_were_tried() -> None:
    """Beyond 80 the ages grow."""
    assert 40 <= worked_out()["people_a_worker"] <= 80


def test_its_costs_are_those_that_were_measured() -> None:
    """Measured anew, the page has to be written anew: a test says so, and not a reader."""
    results = json.loads((ROOT / "benchmarks" / "results.json").read_text(encoding="utf-8"))
    table = (ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    part = table.partition("## Live sockets")[2].partition("8 x 200 Hz")[0]
    measured = {
        int(cells[0]): cells
        for line in re.findall(r"^\| (\d.*) \|$", part, re.MULTILINE)
        if (cells := line.split(" | "))
    }
    assert "live" in results
    cpu, memory = -3, -1
    assert f"person = {float(measured[40][cpu].split()[0]) / 100} / 40" in FORMULA
    assert f"({measured[80][memory]} - {measured[40][memory]})" in FORMULA
