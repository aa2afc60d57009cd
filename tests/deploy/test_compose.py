"""deploy/compose.yaml against the schema of compose files, and against what it mounts and what servers know."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest
import redis
import yaml

from app.config import ROOT
from app.variables import VARIABLES
from tests.server.live import LATE_S, free_port, until

DEPLOY = ROOT / "deploy"
COMPOSE = DEPLOY / "compose.yaml"
SERVERS = ("server-1", "server-2")
VALUE = re.compile(r"\$\{(\w+)(?::?[-?]([^}]*))?\}")


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(COMPOSE.read_text("utf-8"))
    return found


def test_it_is_a_compose_file() -> None:
    command = [
        sys.executable,
        "-m",
        "check_jsonschema",
        "--builtin-schema",
        "vendor.compose-spec",
        "--regex-variant",
        "default",
        COMPOSE,
    ]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr


def test_docker_reads_it() -> None:
    if (
        shutil.which("docker") is None
        or subprocess.run(["docker", "compose", "version"], capture_output=True, check=False).returncode
    ):
        pytest.skip("docker compose is not installed")
    asked = {"REDIS_PASSWORD": "1", "EMG_API_KEYS": "1", "GRAFANA_PASSWORD": "1", "PATH": "/usr/bin:/bin"}
    command = ["docker", "compose", "-f", COMPOSE, "config", "--quiet"]
    run = subprocess.run(command, env=asked, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr


def test_what_it_mounts_and_builds_from_is_there(compose: dict[str, Any]) -> None:
    mounted = [
        volume.partition(":")[0]
        for service in compose["services"].values()
        for volume in service.get("volumes", ())
    ]
    files = [one for one in mounted if one.startswith(".")]
    assert len(files) == 7
    for one in files:
        assert (DEPLOY / one).is_file(), one
    assert {one for one in mounted if not one.startswith(".")} == set(compose["volumes"])
    build = compose["services"]["server-1"]["build"]
    assert (DEPLOY / build["context"] / build["dockerfile"]).is_file()


@pytest.mark.parametrize("server", SERVERS)
def test_a_server_has_settings_that_there_are(compose: dict[str, Any], server: str) -> None:
    """A name that is none of ours stops the start."""
    service = compose["services"][server]
    assert set(service["environment"]) <= {variable.name for variable in VARIABLES}
    conf = (ROOT / "gunicorn.conf.py").read_text("utf-8")
    graceful = re.search(r"^graceful_timeout = (\d+)", conf, re.MULTILINE)
    assert graceful is not None
    drain = int(service["environment"]["EMG_DRAIN"])
    assert int(service["stop_grace_period"].removesuffix("s")) >= drain + int(graceful[1]) + 5
    caddy = (DEPLOY / "fleet" / "Caddyfile").read_text("utf-8")
    keepalive, look = (re.search(rf"\b{name} (\d+)s", caddy) for name in ("keepalive", "health_interval"))
    assert keepalive is not None
    assert look is not None
    assert drain > int(keepalive[1]) + int(look[1])


def test_servers_believe_the_address_that_caddy_has_and_no_other(compose: dict[str, Any]) -> None:
    caddy = compose["services"]["caddy"]["networks"]["front"]["ipv4_address"]
    for server in SERVERS:
        assert compose["services"][server]["environment"]["EMG_TRUSTED_PROXIES"] == caddy


def test_two_servers_share_nothing_but_redis(compose: dict[str, Any]) -> None:
    one, two = (compose["services"][server] for server in SERVERS)
    assert not set(one["volumes"]) & set(two["volumes"])
    assert one["environment"] == two["environment"]
    assert "ports" not in one  # nobody goes past Caddy
    assert "ports" not in compose["services"]["redis"]


def test_each_variable_that_it_needs_is_in_the_example() -> None:
    found = VALUE.findall(COMPOSE.read_text("utf-8"))
    example = (DEPLOY / "fleet.env.example").read_text("utf-8")
    needed = {name for name, _ in found if f"${{{name}:?" in COMPOSE.read_text("utf-8")}
    assert needed == {"EMG_API_KEYS", "REDIS_PASSWORD", "GRAFANA_PASSWORD"}
    for name in needed:
        assert re.search(rf"^{name}=$", example, re.MULTILINE), name


def test_what_has_secrets_in_it_is_not_kept_by_git() -> None:
    for name in ("deploy/.env", "deploy/secrets/prometheus.key"):
        run = subprocess.run(["git", "check-ignore", "-q", name], cwd=ROOT, check=False)
        assert run.returncode == 0, name


@pytest.mark.parametrize("place", ["compose", "kubernetes"])
def test_redis_starts_as_it_is_told_to_and_asks_for_its_password(
    compose: dict[str, Any], tmp_path: Path, place: str
) -> None:
    """The very command, with the file's place and the port changed. It left Redis behind when its shell was ended."""
    if shutil.which("redis-server") is None:
        pytest.skip("needs redis-server")
    port, conf = free_port(), tmp_path / "redis.conf"
    text = (DEPLOY / "kubernetes" / "base" / "redis.conf").read_text("utf-8")
    conf.write_text(text.replace("bind * -::*", f"bind 127.0.0.1\nport {port}"))
    *shell, script = commands(compose)[place]
    script, replaced = re.subn(r"/etc(/redis)?/redis\.conf", str(conf), script)
    assert replaced == 1
    env = {"REDIS_PASSWORD": "5e1f/@c", "PATH": "/usr/bin:/bin"}
    process = subprocess.Popen([*shell, script], env=env, cwd=tmp_path, stdout=subprocess.DEVNULL)
    try:
        client = redis.Redis(port=port, password=env["REDIS_PASSWORD"], decode_responses=True)
        until(lambda: process.poll() is not None or answers(client))
        assert process.poll() is None
        assert (
            psutil.Process(process.pid).name() == "redis-server"
        )  # signals reach it, and no shell before it
        with pytest.raises(redis.exceptions.AuthenticationError):
            redis.Redis(port=port).ping()
        settings = client.config_get("maxmemory*", "save", "appendonly")
        assert settings["maxmemory-policy"] == "noeviction"
        assert int(settings["maxmemory"]) == 512 * 2**20
        assert (settings["save"], settings["appendonly"]) == ("", "no")
        process.terminate()
        assert process.wait(LATE_S) == 0
    finally:
        process.kill()
        process.wait()


def commands(compose: dict[str, Any]) -> dict[str, list[str]]:
    """How Redis is started: a shell and its script."""
    path = DEPLOY / "kubernetes" / "base" / "redis.yaml"
    deployment, _ = yaml.safe_load_all(path.read_text("utf-8"))
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    *shell, script = compose["services"]["redis"]["command"]
    return {"compose": [*shell, script.replace("$$", "$")], "kubernetes": container["command"]}


def answers(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except redis.exceptions.ConnectionError:
        return False
