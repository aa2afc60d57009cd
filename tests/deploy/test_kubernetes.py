"""deploy/kubernetes against kustomize, the schemas of Kubernetes, and what the server says of itself."""

from __future__ import annotations

import re
import shutil
import subprocess
from typing import Any

import kubernetes_validate
import pytest
import yaml

from app.config import ROOT
from app.variables import VARIABLES

FOLDER = ROOT / "deploy" / "kubernetes"
BUILDS = ("base", "kserve")
OLDEST, NEWEST = "1.29", "1.37"  # of Kubernetes; the schemas of both are tried
FOREIGN = {"InferenceService"}  # of KServe: looked at by hand, see docs/deployment.md

Resource = dict[str, Any]


def build(name: str) -> list[Resource]:
    """What kustomize makes of that folder."""
    command = ["kubectl", "kustomize"] if shutil.which("kubectl") else ["kustomize", "build"]
    if shutil.which(command[0]) is None:
        pytest.skip("needs kubectl or kustomize")
    run = subprocess.run([*command, str(FOLDER / name)], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    return list(yaml.safe_load_all(run.stdout))


def named(resources: list[Resource], kind: str, name: str = "myostream") -> Resource:
    (found,) = (
        one
        for one in resources
        if one["kind"] == kind and re.fullmatch(rf"{name}(-\w{{10}})?", one["metadata"]["name"])
    )
    return found


@pytest.fixture(scope="module")
def base() -> list[Resource]:
    return build("base")


@pytest.fixture(scope="module")
def server(base: list[Resource]) -> Resource:
    """The server's container."""
    (container,) = named(base, "Deployment")["spec"]["template"]["spec"]["containers"]
    found: Resource = container
    return found


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
@pytest.mark.parametrize("name", BUILDS)
def test_kubernetes_knows_every_field(name: str, version: str) -> None:
    resources = build(name)
    assert len(resources) >= 10
    for one in resources:
        if one["kind"] not in FOREIGN:
            kubernetes_validate.validate(one, version, strict=True)


def test_a_field_that_is_none_is_found(base: list[Resource]) -> None:
    """That the look above can fail."""
    wrong = {**named(base, "Service"), "sessionAffinity": "ClientIP"}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, NEWEST, strict=True)


@pytest.mark.parametrize("name", BUILDS)
def test_what_selects_pods_finds_those_that_there_are(name: str) -> None:
    resources = build(name)
    pods = [one["spec"]["template"]["metadata"]["labels"] for one in resources if one["kind"] == "Deployment"]
    selectors = [one["spec"]["selector"] for one in resources if one["kind"] == "Service"]
    selectors += [
        one["spec"]["selector"]["matchLabels"] for one in resources if one["kind"] == "PodDisruptionBudget"
    ]
    selectors += [
        one["spec"]["podSelector"]["matchLabels"] for one in resources if one["kind"] == "NetworkPolicy"
    ]
    assert len(selectors) == 4
    for selector in selectors:
        assert [pod for pod in pods if selector.items() <= pod.items()], selector


def test_a_pod_has_settings_that_there_are(base: list[Resource], server: Resource) -> None:
    """A name that is none of ours stops the start."""
    said = set(named(base, "ConfigMap")["data"]) | {one["name"] for one in server["env"]}
    assert said - {"REDIS_PASSWORD"} <= {variable.name for variable in VARIABLES}
    assert server["image"] == "registry.example.org/myostream:0.4"


def test_the_fleet_that_infers_is_asked_where_kserve_answers() -> None:
    resources = build("kserve")
    (container,) = named(resources, "Deployment")["spec"]["template"]["spec"]["containers"]
    env = {one["name"]: one.get("value") for one in container["env"]}
    assert env["EMG_BACKENDS"].split(",")[0] == "remote"
    service = named(resources, "InferenceService", "myostream-models")
    assert env["EMG_OIP_URL"] == f"http://{service['metadata']['name']}-predictor"
    claim = named(resources, "PersistentVolumeClaim", "myostream-triton")["metadata"]["name"]
    assert service["spec"]["predictor"]["model"]["storageUri"] == f"pvc://{claim}"


def test_there_is_time_to_drain(base: list[Resource], server: Resource) -> None:
    """The server goes on for EMG_DRAIN, until it is known not to be ready, and then has our graceful time-out."""
    conf = (ROOT / "gunicorn.conf.py").read_text("utf-8")
    graceful = re.search(r"^graceful_timeout = (\d+)", conf, re.MULTILINE)
    assert graceful is not None
    seconds = named(base, "ConfigMap")["data"]["EMG_DRAIN"]
    pod = named(base, "Deployment")["spec"]["template"]["spec"]
    assert pod["terminationGracePeriodSeconds"] >= int(seconds) + int(graceful[1]) + 5
    readiness = server["readinessProbe"]
    assert int(seconds) > readiness["periodSeconds"] * readiness["failureThreshold"]


def test_probes_ask_routes_that_need_no_key(server: Resource) -> None:
    asked = {name: server[f"{name}Probe"]["httpGet"] for name in ("startup", "readiness", "liveness")}
    assert {name: one["path"] for name, one in asked.items()} == {
        "startup": "/health/ready",
        "readiness": "/health/ready",
        "liveness": "/health/live",
    }
    ports = {one["name"]: one["containerPort"] for one in server["ports"]}
    assert {one["port"] for one in asked.values()} == {"http"} <= set(ports)


def test_the_autoscaler_goes_by_a_metric_that_the_adapter_makes_of_ours(base: list[Resource]) -> None:
    adapter = yaml.safe_load((FOLDER / "prometheus" / "adapter.yaml").read_text("utf-8"))
    (rule,) = adapter["rules"]["custom"]
    scaler = named(base, "HorizontalPodAutoscaler")["spec"]
    (metric,) = scaler["metrics"]
    assert metric["pods"]["metric"]["name"] == rule["name"]["as"]
    assert "replicas" not in named(base, "Deployment")["spec"]  # else each `apply` would undo what it does
    page = (ROOT / "docs" / "operation.md").read_text("utf-8")
    (series,) = set(re.findall(r"myostream_\w+", rule["seriesQuery"]))
    assert f"| `{series}` |" in page  # tests/test_deploy_metrics.py holds that page to /metrics


def test_the_image_may_run_as_the_pod_does(base: list[Resource], server: Resource) -> None:
    pod = named(base, "Deployment")["spec"]["template"]["spec"]
    dockerfile = (ROOT / "deploy" / "Dockerfile").read_text("utf-8")
    assert f"USER {pod['securityContext']['runAsUser']}\n" in dockerfile
    written = {one["mountPath"] for one in server["volumeMounts"]}
    assert server["securityContext"]["readOnlyRootFilesystem"] is True
    instance = re.search(r"EMG_INSTANCE=(\S+)", dockerfile)
    assert instance is not None
    assert written == {instance[1], "/tmp"}
