"""Keys are shown once, kept as hashes, and taken back."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from flask.testing import FlaskCliRunner

from app import create_app
from app.config import ROOT, Settings
from app.errors import ConfigError
from app.keys import Keyring, parse, read_file


@pytest.fixture
def runner(clean_environment: None) -> FlaskCliRunner:
    return create_app(settings=Settings()).test_cli_runner()


def test_a_new_key_is_shown_once_and_kept_as_a_hash(
    runner: FlaskCliRunner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "keys"
    monkeypatch.setenv("EMG_API_KEYS_FILE", str(path))
    made = runner.invoke(args=["keys", "new", "lab", "--scopes", "read,control"])
    assert made.exit_code == 0, made.output
    secret = made.stdout.strip()
    assert secret.startswith("emg_")
    assert secret not in path.read_text()
    assert path.stat().st_mode & 0o777 == 0o600
    key = Keyring(read_file(path)).find(secret)
    assert key is not None
    assert (key.name, key.scopes) == ("lab", {"read", "control"})
    listed = json.loads(runner.invoke(args=["keys", "list", "--json"]).stdout)
    assert listed == {"keys": [{"name": "lab", "scopes": ["read", "control"], "from": str(path)}]}
    again = runner.invoke(args=["keys", "new", "lab"])
    assert (again.exit_code, "same name" in again.output) == (1, True)
    assert runner.invoke(args=["keys", "revoke", "lab"]).exit_code == 0
    assert read_file(path) == ()
    missing = runner.invoke(args=["keys", "revoke", "lab"])
    assert (missing.exit_code, "no key lab" in missing.output) == (1, True)


def test_whoever_could_read_the_file_still_can(
    runner: FlaskCliRunner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that runs as another user could not read the new file, and took keys that had been revoked."""
    path = tmp_path / "keys"
    path.write_text(f"old:read:{'0' * 64}\n")
    owner = (65534, 65534) if os.geteuid() == 0 else (os.geteuid(), os.getegid())
    os.chown(path, *owner)
    path.chmod(0o640)
    monkeypatch.setenv("EMG_API_KEYS_FILE", str(path))
    assert runner.invoke(args=["keys", "revoke", "old"]).exit_code == 0
    after = path.stat()
    assert (after.st_uid, after.st_gid, after.st_mode & 0o777) == (*owner, 0o640)


CROWD = """
import os
from flask import Flask
from flask.cli import ScriptInfo
from app.cli.keys import new, revoke

def begun(command, name):
    if (child := os.fork()):
        return child
    code = 1
    try:
        command.main([name], standalone_mode=False, obj=ScriptInfo(create_app=lambda: Flask("keys")))
        code = 0
    finally:
        os._exit(code)

def all_at_once(command, names):
    children = [begun(command, name) for name in names]
    assert [os.waitpid(child, 0)[1] for child in children] == [0] * len(children)

all_at_once(new, [f"k{k}" for k in range(40)])
all_at_once(revoke, [f"k{k}" for k in range(0, 40, 2)])
"""


def test_forty_at_once_are_all_kept_and_what_is_revoked_meanwhile_is_gone(tmp_path: Path) -> None:
    """Each wrote what it had read, without what others had added since: 40 were reported, and 33 kept."""
    path = tmp_path / "keys"
    env = {**os.environ, "EMG_API_KEYS_FILE": str(path)}
    run = subprocess.run(
        [sys.executable, "-c", CROWD],
        cwd=ROOT,
        env=env,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert sum(line.startswith("emg_") for line in run.stdout.splitlines()) == 40
    assert {key.name for key in read_file(path)} == {f"k{k}" for k in range(1, 40, 2)}
    assert [entry.name for entry in tmp_path.iterdir()] == ["keys"]


def test_a_file_that_cannot_be_written_is_one_line(
    runner: FlaskCliRunner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("EMG_API_KEYS_FILE", str(tmp_path / "file" / "keys"))
    made = runner.invoke(args=["keys", "new", "lab"])
    assert (made.exit_code, made.stdout) == (1, "")  # no key is shown that is not kept
    assert made.stderr.startswith("error: EMG_API_KEYS_FILE=")
    assert made.stderr.count("\n") == 1


def test_without_a_file_the_entry_for_the_environment_is_printed(runner: FlaskCliRunner) -> None:
    made = runner.invoke(args=["keys", "new", "lab"])
    entry = next(line for line in made.stderr.splitlines() if line.startswith("lab:"))
    assert Keyring([parse(entry)]).find(made.stdout.strip()) is not None


@pytest.mark.parametrize("arguments", [["a:b"], [""], ["x" * 33], ["lab", "--scopes", "read,admin"]])
def test_a_wrong_name_or_scope_is_one_line(runner: FlaskCliRunner, arguments: list[str]) -> None:
    made = runner.invoke(args=["keys", "new", *arguments])
    assert made.exit_code == 1
    assert "emg_" not in made.output


@pytest.mark.parametrize(
    "value", ["emg_secretsecret", "lab:read:emg_secretsecret", "emg_secretsecret:read:" + "0" * 63]
)
def test_a_plain_key_in_the_settings_stops_the_start_and_is_not_repeated(
    value: str, monkeypatch: pytest.MonkeyPatch, clean_environment: None
) -> None:
    monkeypatch.setenv("EMG_API_KEYS", value)
    with pytest.raises(ConfigError, match="keys new NAME") as error:
        Settings.from_env(dotenv=None)
    assert "secret" not in str(error.value)


def test_keys_open_a_wider_bind_and_an_empty_file_stops_the_start(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    settings = Settings(bind="0.0.0.0:8000", api_keys_file=path)
    with pytest.raises(ConfigError, match="keys new NAME"):
        settings.expect_keys()
    path.write_text("# nobody\n")
    with pytest.raises(ConfigError, match="nobody could get in"):
        settings.expect_keys()
    path.write_text(f"lab:read:{'0' * 64}\nlab:read:x\n")
    with pytest.raises(ConfigError, match="line 2"):
        settings.expect_keys()
