"""What Prometheus and Grafana of a fleet are told."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from app.config import ROOT

DEPLOY = ROOT / "deploy"
SCRAPES = (DEPLOY / "fleet" / "prometheus.yml", DEPLOY / "kubernetes" / "prometheus" / "scrape.yml")
KEY = r"^    http_headers:\n      X-API-Key:\n        files: \[(\S+)\]\n"
PODS = "    kubernetes_sd_configs:\n      - role: pod\n        namespaces:\n          names: [myostream]\n"
SOMEBODY = "    static_configs:\n      - targets: [a:1]\n"


@pytest.mark.parametrize("path", SCRAPES, ids=lambda path: path.name)
def test_prometheus_reads_it(path: Path, tmp_path: Path) -> None:
    """But for what Debian's 2.42 lacks: the header with the key, which came with 2.55, and Kubernetes."""
    if shutil.which("promtool") is None:
        pytest.skip("promtool is not installed (Debian: prometheus)")
    text, replaced = re.subn(KEY, "", path.read_text("utf-8"), flags=re.MULTILINE)
    assert replaced == 1
    copy = tmp_path / path.name
    text = text.replace(PODS, SOMEBODY).replace("/etc/prometheus/alerts.yml", str(DEPLOY / "alerts.yml"))
    copy.write_text(text)
    run = subprocess.run(["promtool", "check", "config", copy], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    if "rule_files" in text:
        assert re.search(r"SUCCESS: \d+ rules found", run.stdout), run.stdout


def test_prometheus_of_the_fleet_asks_its_servers_with_the_key_that_is_mounted() -> None:
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text("utf-8"))
    (job,) = yaml.safe_load(SCRAPES[0].read_text("utf-8"))["scrape_configs"]
    (targets,) = job["static_configs"]
    servers = [name for name in compose["services"] if name.startswith("server-")]
    assert targets["targets"] == [f"{name}:8000" for name in servers]
    (secret,) = compose["services"]["prometheus"]["secrets"]
    assert job["http_headers"]["X-API-Key"]["files"] == [f"/run/secrets/{secret}"]
    assert secret in compose["secrets"]
    assert job["job_name"] == "myostream"  # the alerts go by it


def test_grafana_finds_the_dashboard_and_where_it_asks() -> None:
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text("utf-8"))
    mounted = dict(one.split(":")[:2] for one in compose["services"]["grafana"]["volumes"])
    (provider,) = yaml.safe_load((DEPLOY / "fleet" / "grafana-dashboards.yml").read_text("utf-8"))[
        "providers"
    ]
    place = mounted["./grafana-dashboard.json"]
    assert Path(place).parent == Path(provider["options"]["path"])
    assert compose["services"]["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"] == place
    (source,) = yaml.safe_load((DEPLOY / "fleet" / "grafana-datasources.yml").read_text("utf-8"))[
        "datasources"
    ]
    assert source["url"] == "http://prometheus:9090"
    dashboard = json.loads((DEPLOY / "grafana-dashboard.json").read_text("utf-8"))
    (variable,) = dashboard["templating"]["list"]
    assert (variable["type"], variable["query"]) == ("datasource", source["type"])


def test_two_servers_are_two_lines_in_every_panel_that_does_not_add_them_up() -> None:
    """Two lines had one name, and nobody saw which server it was."""
    panels = json.loads((DEPLOY / "grafana-dashboard.json").read_text("utf-8"))["panels"]
    targets = [target for panel in panels for target in panel["targets"]]
    assert len(targets) > 20
    added = re.compile(r"\b(?:sum|min|max|avg)\b(?: by \(([^)]*)\))? ?\(")
    for target in targets:
        by = added.search(target["expr"])
        whole = by is not None and "instance" not in (by[1] or "")
        assert whole or "{{instance}}" in target["legendFormat"], target


def test_the_metric_of_the_autoscaler_is_the_processor_of_the_busiest_worker(tmp_path: Path) -> None:
    """By Prometheus itself, of the very query that prometheus-adapter makes."""
    if shutil.which("promtool") is None:
        pytest.skip("promtool is not installed (Debian: prometheus)")
    adapter = yaml.safe_load((DEPLOY / "kubernetes" / "prometheus" / "adapter.yaml").read_text("utf-8"))
    (rule,) = adapter["rules"]["custom"]
    series, _ = rule["seriesQuery"].split("{")
    query = (
        rule["metricsQuery"]
        .replace("<<.GroupBy>>", "namespace,pod")
        .replace("<<.Series>>", series)
        .replace("<<.LabelMatchers>>", 'namespace="myostream",pod=~"a|b"')
    )
    assert "<<" not in query
    (tmp_path / "rules.yml").write_text(
        yaml.safe_dump(
            {"groups": [{"name": "hpa", "rules": [{"record": rule["name"]["as"], "expr": query}]}]}
        )
    )
    of = [
        ("myostream", "a", "0", 1),
        ("myostream", "a", "1", 4),
        ("myostream", "b", "0", 2),
        ("else", "a", "0", 5),
    ]
    given = [
        {"series": f'{series}{{namespace="{space}",pod="{pod}",worker="{worker}"}}', "values": f"0+{each}x60"}
        for space, pod, worker, each in of  # seconds of a core in each 5 s
    ]
    expected = [
        {"labels": f'{rule["name"]["as"]}{{namespace="myostream",pod="{pod}"}}', "value": cores}
        for pod, cores in (("a", 0.8), ("b", 0.4))
    ]
    test = {
        "rule_files": ["rules.yml"],
        "evaluation_interval": "5s",
        "tests": [
            {
                "interval": "5s",
                "input_series": given,
                "promql_expr_test": [
                    {"expr": rule["name"]["as"], "eval_time": "4m", "exp_samples": expected}
                ],
            }
        ],
    }
    (tmp_path / "test.yml").write_text(yaml.safe_dump(test))
    run = subprocess.run(
        ["promtool", "test", "rules", "test.yml"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stdout + run.stderr
