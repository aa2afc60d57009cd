"""The dashboard and the alerts ask for metrics that there are."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from app import create_app
from app.config import ROOT
from app.serving.runtime import Runtime
from tests.api.conftest import CHANNELS, LENGTH, running
from tests.inference.artefacts import make_artefact

ALERTS, DASHBOARD = ROOT / "deploy" / "alerts.yml", ROOT / "deploy" / "grafana-dashboard.json"


@pytest.fixture(scope="module")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runtime]:
    runtime = running(make_artefact(tmp_path_factory.mktemp("models") / "tiny"))
    yield runtime
    runtime.close()


def text_of(runtime: Runtime) -> str:
    """After one request, so that every family has a sample."""
    client = create_app(runtime).test_client()
    assert client.post("/infer", json={"emg": [[0.0] * CHANNELS] * LENGTH}).status_code == 200
    runtime.hub_monitor.tick()
    runtime.metrics.output("udp").became("open")
    return client.get("/metrics").get_data(as_text=True)


def named(text: str) -> set[str]:
    return set(re.findall(r"\bmyostream_[a-z_]+", text))


def expressions() -> list[str]:
    panels = json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]
    return [target["expr"] for panel in panels for target in panel["targets"]]


@pytest.mark.parametrize("path", [ALERTS, DASHBOARD], ids=lambda path: path.name)
def test_every_metric_that_is_asked_for_exists(runtime: Runtime, path: Path) -> None:
    asked = named("\n".join(expressions()) if path == DASHBOARD else path.read_text(encoding="utf-8"))
    there = named(re.sub(r"^#.*", "", text_of(runtime), flags=re.MULTILINE))
    assert len(asked) > 5
    assert asked - there == set()


def test_the_operators_page_lists_every_metric_and_no_other(runtime: Runtime) -> None:
    page = (ROOT / "docs" / "operation.md").read_text(encoding="utf-8")
    families = set(re.findall(r"^# TYPE (myostream_\w+) ", text_of(runtime), re.MULTILINE))
    assert set(re.findall(r"^\| `(myostream_\w+)`", page, re.MULTILINE)) == families


def test_panels_do_not_overlap() -> None:
    panels = json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]
    places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels]
    assert len(set(places)) == len(places)
    assert len({panel["id"] for panel in panels}) == len(panels)


def test_prometheus_accepts_the_rules_and_the_metrics(runtime: Runtime) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed (Debian: prometheus)")
    rules = subprocess.run([promtool, "check", "rules", ALERTS], capture_output=True, text=True, check=False)
    assert rules.returncode == 0, rules.stdout + rules.stderr
    run = subprocess.run(
        [promtool, "check", "metrics"], input=text_of(runtime), capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stdout + run.stderr
