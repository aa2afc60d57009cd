"""docs/scale.md: its tables follow from its formula, and its formula from what was measured."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
import yaml

from app.config import ROOT
from app.serving.bus.redis_leases import RENEW_S
from app.serving.bus.redis_table import LOOK_S

NEAR = 0.0051  # of a figure with two decimals

PAGE = (ROOT / "docs" / "scale.md").read_text(encoding="utf-8")
(FORMULA,) = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def worked_out(**other: str) -> dict[str, Any]:
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
    assert row("workers, all together") == f"{found['workers']}, of {found['people_a_worker']} people each"
    assert int(row("machines of 8 cores")) == found["machines"]
    assert int(row("memory of the workers of one machine, MB")) == round(found["memory_mb"])
    assert int(row("frames a second through Redis, all together")) == found["frames"]
    assert float(row("cores of each Redis")) == pytest.approx(found["redis_cores"], abs=NEAR)
    assert int(row("fleets with a Redis of their own")) == found["fleets"]
    assert int(row("network in, Mbit/s, all machines together")) == round(found["in_mbit"])
    assert int(row("network out, Mbit/s")) == round(found["out_mbit"])
    assert int(row("network of all Redis, Mbit/s")) == round(found["redis_mbit"])


@pytest.mark.parametrize(("what", "rows"), [("watched", 4), ("people", 3)])
def test_so_do_the_tables_of_others(what: str, rows: int) -> None:
    (table,) = re.findall(
        rf"^\| {what} \| machines \| fleets \| cores of each Redis \|\n.*\n((?:\|.*\n)+)", PAGE, re.MULTILINE
    )
    lines = re.findall(r"^\| ([\d.]+) \| (\d+) \| (\d+) \| ([\d.]+) \|$", table, re.MULTILINE)
    assert len(lines) == rows
    for value, machines, fleets, cores in lines:
        found = worked_out(**{what: value})
        assert (found["machines"], found["fleets"]) == (int(machines), int(fleets)), value
        assert found["redis_cores"] == pytest.approx(float(cores), abs=NEAR), value


def test_a_bus_renews_and_looks_as_often_as_the_formula_says() -> None:
    found = worked_out()
    assert found["renewals"] == 1 / RENEW_S
    assert found["looks"] == 1 / LOOK_S


def test_the_files_to_run_a_fleet_let_a_worker_have_as_many_as_that() -> None:
    """By default it takes 32 sources: it refused people while the autoscaler saw a worker that was hardly busy."""
    people = worked_out()["people_a_worker"]
    compose = yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text(encoding="utf-8"))
    kustomization = ROOT / "deploy" / "kubernetes" / "base" / "kustomization.yaml"
    (generated,) = [
        one
        for one in yaml.safe_load(kustomization.read_text(encoding="utf-8"))["configMapGenerator"]
        if one["name"] == "myostream"
    ]
    for settings in (
        compose["services"]["server-1"]["environment"],
        dict(line.split("=", 1) for line in generated["literals"]),
    ):
        assert int(settings["EMG_MAX_SOURCES"]) >= people
        assert int(settings["EMG_MAX_MODELS"]) >= people
        assert (
            int(settings["EMG_MAX_GROUPS"]) >= 2 * people
        )  # one that the person hears, one that somebody watches


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
