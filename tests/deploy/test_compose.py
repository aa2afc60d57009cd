"""deploy/compose.yaml against the schema of compose files, and against what it mounts and what servers know."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from app.config import ROOT
from app.variables import VARIABLES
from tests.server.live import free_port, until

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


def test_redis_starts_as_it_is_told_to_and_asks_for_its_password(
    compose: dict[str, Any], tmp_path: Path
) -> None:
    """The very command, with the file's place and the port changed."""
    if shutil.which("redis-server") is None:
        pytest.skip("needs redis-server")
    port, service = free_port(), compose["services"]["redis"]
    conf = tmp_path / "redis.conf"
    text = (DEPLOY / "kubernetes" / "base" / "redis.conf").read_text("utf-8")
    conf.write_text(text.replace("bind * -::*", f"bind 127.0.0.1\nport {port}"))
    *shell, script = service["command"]
    assert script.count("/etc/redis.conf") == 1
    script = script.replace("$$", "$").replace("/etc/redis.conf", str(conf))
    env = {"REDIS_PASSWORD": "a b/@c", "PATH": "/usr/bin:/bin"}
    with pytest.raises(
        AssertionError
    ):  # a password with a space is two words to Redis, which says so and ends
        asked(shell, script, env, port, tmp_path)
    env["REDIS_PASSWORD"] = "5e1f/@c"
    settings = asked(shell, script, env, port, tmp_path)
    assert settings["maxmemory-policy"] == "noeviction"
    assert int(settings["maxmemory"]) == 512 * 2**20
    assert (settings["save"], settings["appendonly"]) == ("", "no")


def asked(shell: list[str], script: str, env: dict[str, str], port: int, folder: Path) -> dict[str, str]:
    """Start it, see that it lets nobody in without the password, and return its settings."""
    import redis

    process = subprocess.Popen([*shell, script], env=env, cwd=folder, stdout=subprocess.DEVNULL)

    def there() -> bool:
        try:
            return bool(redis.Redis(port=port, password=env["REDIS_PASSWORD"]).ping())
        except redis.exceptions.ConnectionError:
            return process.poll() is not None

    try:
        until(there)
        assert process.poll() is None
        with pytest.raises(redis.exceptions.AuthenticationError):
            redis.Redis(port=port).ping()
        found: dict[str, str] = redis.Redis(
            port=port, password=env["REDIS_PASSWORD"], decode_responses=True
        ).config_get("maxmemory*", "save", "appendonly")
        return found
    finally:
        process.kill()
        process.wait()
