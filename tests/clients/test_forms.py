"""Every way in which the documents import the clients, or start them, in a fresh interpreter in another folder."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from app.config import ROOT

NAME = "StreamingInferenceClient"
PACKAGE = ROOT / "clients" / "python" / "src" / "myostream_client"
FACE = ROOT / "examples" / "streaming_client.py"
NODE = shutil.which("node")
NPM = shutil.which("npm")


def run(command: list[str], folder: Path, *paths: Path, code: int = 0) -> str:
    """What it printed; nothing of this process's own path gets through."""
    kept = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    env = {
        **kept,
        "PYTHONDONTWRITEBYTECODE": "1",
        **({"PYTHONPATH": os.pathsep.join(map(str, paths))} if paths else {}),
    }
    done = subprocess.run(
        command, cwd=folder, env=env, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def python(code: str, folder: Path, *paths: Path) -> str:
    return run([sys.executable, "-c", code], folder, *paths)


def test_the_documented_import_works_from_the_root() -> None:
    assert NAME in python(f"from examples.streaming_client import {NAME} as c; print(c.__name__)", ROOT)


def test_it_works_with_the_root_or_the_examples_on_the_path(tmp_path: Path) -> None:
    shown = f"import {NAME} as c; print(c.__name__)"
    assert NAME in python(f"from examples.streaming_client {shown}", tmp_path, ROOT)
    assert NAME in python(f"from streaming_client {shown}", tmp_path, ROOT / "examples")


@pytest.mark.parametrize(
    ("folder", "command"),
    [
        (ROOT, ["examples/streaming_client.py"]),
        (ROOT, ["-m", "examples.streaming_client"]),
        (ROOT / "examples", ["streaming_client.py"]),
        (ROOT.parent, [str(FACE)]),
        (PACKAGE.parent, ["-m", "myostream_client"]),
    ],
    ids=["root", "module", "examples", "absolute", "package"],
)
def test_every_command_starts(folder: Path, command: list[str]) -> None:
    assert "--stream" in run([sys.executable, *command, "--help"], folder)


@pytest.mark.parametrize("script", ["robot_loop.py", "accuracy_over_time.py", "make_dashboard.py"])
def test_every_example_starts_from_another_folder(tmp_path: Path, script: str) -> None:
    assert "usage" in run([sys.executable, str(ROOT / "examples" / script), "--help"], tmp_path)


def test_a_copy_of_the_package_needs_nothing_beside_it(tmp_path: Path) -> None:
    shutil.copytree(PACKAGE, tmp_path / "myostream_client", ignore=shutil.ignore_patterns("__pycache__"))
    assert NAME in python(f"from myostream_client import {NAME} as c; print(c.__name__)", tmp_path)


def test_a_copy_of_the_example_alone_says_what_is_missing(tmp_path: Path) -> None:
    shutil.copy(FACE, tmp_path)
    said = run([sys.executable, "streaming_client.py"], tmp_path, code=1)
    assert said.strip().splitlines() == [
        "error: the client is the package myostream_client: in Myostream's folder, pip install ./clients/python"
    ]


@pytest.mark.slow
def test_pip_installs_it_with_its_types_and_without_dependencies(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"  # a build leaves files where it builds
    shutil.copytree(ROOT / "clients" / "python", source, ignore=shutil.ignore_patterns("build", "*.egg-info"))
    run([sys.executable, "-m", "pip", "install", "--quiet", "--target", str(target), str(source)], tmp_path)
    assert NAME in python(f"from myostream_client import {NAME} as c; print(c.__name__)", tmp_path, target)
    assert (target / "myostream_client" / "py.typed").is_file()
    assert [found.name.split("-")[0] for found in target.glob("*.dist-info")] == ["myostream_client"]


@pytest.mark.skipif(NODE is None or NPM is None, reason="node and npm are not installed")
def test_npm_installs_it_and_node_imports_it(tmp_path: Path) -> None:
    assert NODE is not None
    assert NPM is not None
    packed = json.loads(run([NPM, "pack", "--json", str(ROOT / "clients" / "js")], tmp_path))[0]["filename"]
    (tmp_path / "package.json").write_text('{"name": "mine", "private": true, "type": "module"}')
    run([NPM, "install", "--offline", "--no-audit", "--no-fund", f"./{packed}"], tmp_path)
    script = "import * as c from 'myostream-client'; console.log(Object.keys(c).sort().join())"
    more = "import { liveSource } from 'myostream-client/live_source.js'; console.log(liveSource.name)"
    assert run([NODE, "--input-type=module", "-e", more], tmp_path).strip() == "liveSource"
    said = run([NODE, "--input-type=module", "-e", script], tmp_path)
    assert said.strip() == (
        "ConnectionError,FREE_MOVEMENT,NoWebSocketError,ServerError,SseParser,TeachingError,eventSource,expectOk,"
        "goOn,putOnAgain,replayPosition,streamInference,teach,useModel,useModelBefore"
    )


def test_the_server_has_the_files_of_the_package_and_no_others_of_their_names() -> None:
    for file in (ROOT / "clients" / "js").glob("*.js"):
        assert (ROOT / "app" / "static" / file.name).resolve() == file.resolve()
