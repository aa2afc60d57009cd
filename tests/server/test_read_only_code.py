"""A server whose code it may not write: what it writes lies in EMG_INSTANCE, and what came with the code is found."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.api.routes.test_models import own_graph
from tests.server.live import START_POLL_S, START_S, Client, Live, gunicorn, until
from tests.server.own_project import project
from tests.server.test_models import SHIPPED, asked, post

pytestmark = pytest.mark.server

JSON = {"Content-Type": "application/json"}


@pytest.fixture
def code(tmp_path: Path) -> Iterator[Path]:
    made = project(tmp_path)
    for path in (*made.rglob("*"), made):
        path.chmod(0o555 if path.is_dir() else 0o444)
    yield made
    for path in (made, *made.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)  # so that it can be deleted


@contextmanager
def serving(code: Path, **settings: str) -> Iterator[Live]:
    """As one who may write what its mode says: root may write everything, unless that is taken from it."""
    bound = ("setpriv", "--bounding-set=-dac_override,-dac_read_search") if os.geteuid() == 0 else ()
    prefix = (*bound, "env", "-C", str(code))
    with gunicorn(code.parent, prefix, PYTHONDONTWRITEBYTECODE="1", HOME="/nonexistent", **settings) as live:
        until(lambda: live.ready() or live.process.poll() is not None, START_S, START_POLL_S)
        yield live


def seen(root: Path) -> dict[str, tuple[int, int]]:
    return {str(path): (path.stat().st_mtime_ns, path.stat().st_size) for path in (root, *root.rglob("*"))}


def test_it_serves_records_and_takes_models_and_profiles(code: Path, tmp_path: Path) -> None:
    instance, before = tmp_path / "var" / "lib" / "myostream", seen(code)
    with serving(code, EMG_INSTANCE=str(instance)) as live:
        assert live.process.poll() is None, live.log
        reader = Client(live.port, fps=10)
        frames = reader.frames(3)
        assert frames[-1]["label"] is not None
        assert asked(live, "POST", "/emg/recordings", json.dumps({"name": "mine"}), **JSON)[0] == 201
        status, made = post(live, own_graph())
        assert (status, made["read_only"]) == (201, False), made
        said = json.dumps({"model": "mine", "montage": "1-4"})
        assert asked(live, "PUT", "/profiles/anna", said, **JSON)[0] == 201
        assert asked(live, "DELETE", "/models/mine")[0] == 409
        status, listed = asked(live, "GET", "/models")
        assert [(one["name"], one["read_only"]) for one in listed["models"]] == [
            ("mine", False),
            ("myo-8ch-200hz", True),
            (SHIPPED, True),
        ]
        status, refused = asked(live, "DELETE", "/models/myo-8ch-200hz")
        assert (status, "it came with the server" in refused["detail"]) == (409, True)
        status, ended = asked(live, "POST", "/emg/recordings/mine/stop")
        assert (status, ended["state"], ended["samples"] > 0) == (200, "complete", True)
        assert reader.frames(5)[-1]["dropped"] == 0
        reader.close()
        assert live.stop() == 0
        assert "Traceback" not in live.log, live.log
    assert seen(code) == before
    assert {path.name for path in instance.iterdir()} == {"models", "profiles", "recordings"}
    assert {path.stat().st_mode & 0o077 for path in (instance, *instance.rglob("*"))} == {0}


def test_its_own_source_is_read_as_a_profile_says(code: Path, tmp_path: Path) -> None:
    profiles = tmp_path / "instance" / "profiles"
    profiles.mkdir(parents=True)
    (profiles / "anna.json").write_text(json.dumps({"model": SHIPPED, "montage": "16-1"}))
    with serving(code, EMG_INSTANCE=str(profiles.parent), EMG_PROFILE="anna") as live:
        assert live.process.poll() is None, live.log
        (source,) = asked(live, "GET", "/emg/sources")[1]["sources"]
        assert (source["model"], source["montage"]) == (
            SHIPPED,
            "channels 16,15,14,13,12,11,10,9,8,7,6,5,4,3,2,1",
        )
        assert asked(live, "DELETE", "/profiles/anna")[0] == 409


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"EMG_INSTANCE": "{}/file"}, "cannot be made: it is not a folder"),
        ({"EMG_INSTANCE": "{}/closed"}, "cannot be written by this user"),
        ({"EMG_INSTANCE": "{}/closed/below"}, "cannot be made: Permission denied"),
        ({"EMG_PROFILE": "carl"}, "EMG_PROFILE=carl: no such profile"),
    ],
)
def test_what_cannot_be_stops_the_start_in_one_line(
    code: Path, tmp_path: Path, settings: dict[str, str], why: str
) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "closed").mkdir(mode=0o555)
    filled = {name: value.format(tmp_path) for name, value in settings.items()}
    with serving(code, **filled) as live:
        assert live.process.poll() not in (None, 0)
        lines = [line for line in live.log.splitlines() if "error: " in line]
        assert len(lines) == 1, live.log
        assert why in lines[0]
        assert "Traceback" not in live.log
