"""`flask --app wsgi emg actions check`, and what docs/outputs.md shows."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import Result
from flask import Flask

from app.cli.emg_actions import actions
from app.config import ROOT
from app.inference.gestures.events import rule_set
from app.serving.profiles.profile import Profile
from app.serving.profiles.store import ProfileStore
from app.webhook_address import parse_secret

PAGE = (ROOT / "docs" / "outputs.md").read_text(encoding="utf-8")


def block(language: str, holding: str) -> str:
    """The block of the page that has that in it."""
    found = re.findall(rf"^```{language}\n([\s\S]*?)^```$", PAGE, re.MULTILINE)
    return next(content for content in found if holding in content)


@pytest.fixture(autouse=True)
def instance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in [name for name in os.environ if name.startswith("EMG_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("EMG_INSTANCE", str(tmp_path))
    return tmp_path


def check(*arguments: str) -> Result:
    runner = Flask("test").test_cli_runner()
    return runner.invoke(actions, ["check", *arguments])


def test_the_table_of_the_page_is_sound(instance: Path) -> None:
    (instance / "actions.toml").write_text(block("toml", "fist.onset"))
    done = check()
    assert done.exit_code == 0, done.output
    assert done.output.splitlines()[0].endswith(
        "actions.toml: 7 messages by gamepad, keyboard, mqtt, osc, webhook"
    )
    assert "osc is off: EMG_OSC is not set, so its messages are not sent" in done.output


def test_the_command_for_a_secret_makes_one() -> None:
    command = block("sh", "whsec_").replace("python -c", f"{sys.executable} -c")
    said = subprocess.run(["bash", "-c", command], check=True, capture_output=True, text=True).stdout
    assert len(parse_secret(said)) == 32


def test_the_command_of_the_page_is_this_one() -> None:
    assert block("sh", "actions check").startswith("flask --app wsgi emg actions check ")


def test_a_mistake_is_one_line_with_the_row_and_exit_status_1(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('"fist.onset" = "osc /grip 1"\n"fist.release" = "osx /grip 0"\n')
    done = check(str(path))
    assert done.exit_code == 1
    (line,) = done.stderr.splitlines()
    assert line == (
        f"error: {path}, line 2: \"fist.release\": 'osx' is no way out; allowed: osc, mqtt, udp-json, webhook, lsl, "
        "keyboard, gamepad"
    )


def test_a_gesture_that_the_model_has_not_is_a_mistake(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('"thumb_up.onset" = "osc /grip 1"')
    done = check(str(path))
    assert done.exit_code == 1
    assert "'thumb_up' is no gesture of the model synthetic-16ch-2khz; allowed: fist" in done.stderr
    assert check(str(path), "--model", "none").exit_code == 0


def test_a_file_that_is_not_there_is_said() -> None:
    done = check()
    assert done.exit_code == 1
    assert "actions.toml cannot be read: No such file or directory" in done.stderr


def test_json_says_what_is_on_and_off(instance: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMG_UDP_JSON", "127.0.0.1:9")
    (instance / "actions.toml").write_text('"*.onset" = ["osc /a", "osc /b"]')
    done = check("--json")
    assert json.loads(done.stdout) == {
        "path": str(instance / "actions.toml"),
        "messages": 2,
        "ways": ["osc"],
        "model": "synthetic-16ch-2khz",
        "notes": [
            "osc is off: EMG_OSC is not set, so its messages are not sent",
            "udp-json is on, and no row names it: it sends every event in its default form",
        ],
    }


def test_rows_of_doubles_that_the_rules_never_tell_are_said_by_the_profiles_rules_too(
    instance: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A profile's model and rules are those of the server that has it."""
    (instance / "actions.toml").write_text(
        '"flexion.double.onset" = "osc /a"\n"*.long.hold" = ["osc /b", "osc /c"]'
    )
    store, rules = ProfileStore(instance), rule_set({"classes": {"flexion": {"double_s": 0.5}}})
    store.keep(Profile(name="anna", model="myo-8ch-200hz", gesture_rules=rules))
    said = check("--json")
    assert [note.split("actions.toml, ")[-1] for note in json.loads(said.stdout)["notes"]] == [
        "osc is off: EMG_OSC is not set, so its messages are not sent",
        'line 1: "flexion.double.onset": none is ever double, as double_s of gesture_rules is 0',
        'line 2: "*.long.hold": none is ever long, as long_s of gesture_rules is 0',
    ]
    monkeypatch.setenv("EMG_PROFILE", "anna")
    said = json.loads(check("--json").stdout)
    assert said["model"] == "myo-8ch-200hz"
    assert [note for note in said["notes"] if "none is ever" in note] == [
        f'{instance / "actions.toml"}, line 2: "*.long.hold": none is ever long, as long_s of gesture_rules is 0'
    ]
