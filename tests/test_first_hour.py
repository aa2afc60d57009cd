"""The commands that the pages print, one after the other, from an empty instance folder to their end.

Each page is one script: what a command writes is what a later one reads, `make serve` is the server as it starts it,
and a server that was started has to stream. Read from the pages themselves: nothing here repeats them.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest

from app.config import ROOT
from app.emg.recording.prompts.course import course_of
from app.emg.recording.prompts.label_plan import parse_plan
from app.emg.simulated.simulator import Simulator
from app.inference import artefact
from tests.server.live import LATE_S, Client, Live, until
from tests.server.own_project import project, serving

pytestmark = [pytest.mark.server, pytest.mark.slow]

PAGES = ("README.md", "docs/commands.md", "docs/recordings.md", "docs/security.md")
OURS = re.compile(r"(\w+=\S+ )*(flask --app wsgi|make serve|curl|export) ?")

# What a page prints and this machine has not, or what takes longer than a test may; each is tried elsewhere.
LEFT = {
    r"model train": "minutes; tests/cli/test_model.py trains a small one",
    r"\.mat": "a recording of the reader's own; tests/server/test_recordings.py plays one",
    r"^pip install|^make (test|check|bench)|^python examples": "tests/examples, and these tests themselves",
    r"^\. \.venv": "the environment is that of this test",
}


def commands(page: str) -> list[str]:
    """The page's command lines, joined where they go on, without their comments."""
    text = (ROOT / page).read_text(encoding="utf-8")
    found = "\n".join(re.findall(r"^```console\n([\s\S]*?)^```$", text, re.MULTILINE))
    lines = re.sub(r"\\\n\s*", "", found).splitlines()
    return [re.sub(r"\s{2,}#.*", "", line).strip() for line in lines if line.strip()]


def is_left(line: str) -> bool:
    return any(re.search(pattern, line) for pattern in LEFT)


@pytest.mark.parametrize("page", PAGES)
def test_every_command_of_a_page_is_run_or_left_for_a_reason(page: str) -> None:
    assert [line for line in commands(page) if not is_left(line) and not OURS.match(line)] == []


def test_every_page_with_our_commands_is_run() -> None:
    """docs/tensorrt.md needs TensorRT, docs/deployment.md root; docs/devices.md repeats the README's with a device.

    docs/teach.md needs somebody who does what is asked: tests/clients/test_teach.py. docs/remote.md needs a fleet:
    tests/server/test_remote.py. docs/proportional.md needs somebody who follows a cursor, or a glove's recording:
    tests/server/test_followed_values.py.
    """
    others = {
        *("docs/tensorrt.md", "docs/deployment.md", "docs/devices.md", "docs/teach.md", "docs/remote.md"),
        "docs/proportional.md",
    }
    pages = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "README.md", *(ROOT / "docs").glob("*.md"))
        if any("flask --app wsgi" in line for line in commands(str(path.relative_to(ROOT))))
    }
    assert pages - others == set(PAGES)


@pytest.mark.parametrize("page", PAGES)
def test_the_commands_of_a_page_run_one_after_the_other(page: str, tmp_path: Path) -> None:
    with Reader(tmp_path) as reader:
        for line in commands(page):
            if not is_left(line):
                reader.types(line)
        assert reader.done


class Reader:
    """Somebody who types what a page prints, with shorter prompts and another port."""

    def __init__(self, folder: Path) -> None:
        self.done: list[str] = []
        self._folder, self._left = project(folder), ExitStack()
        self._server: ExitStack | None = None
        self._live: Live | None = None
        self._env = {k: v for k, v in os.environ.items() if not k.startswith(("EMG_", "WEB_CONCURRENCY"))}
        self._own: dict[str, str] = {}
        models = self._folder / "instance" / "models"
        _record(self._folder / "S01.npz", models / "myo-8ch-200hz")
        _write_tables(self._folder)
        self._device = folder / "emg0"

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()
        self._left.close()

    def types(self, line: str) -> None:
        shown, line = line, self._here(line)
        settings, line = _settings(line)
        if line.startswith("export "):
            self._own.update(_settings(line.removeprefix("export ") + " ")[0])
        elif line.startswith("make serve"):
            self._serve(settings)
        elif "emg simulate" in line:
            self._simulate(line)
        else:
            if "emg record" in line:
                self._stop()  # it reads the device itself
            self._run(line, settings)
        self.done.append(shown)

    def _here(self, line: str) -> str:
        """The line with what a test has in place of a person: a second for each prompt, a port and a device."""
        line = re.sub(r"'rest:3[^']*'", lambda plan: plan[0].replace(":3", ":1"), line)
        line = line.replace("/tmp/emg0", str(self._device)).replace(" FOLDER", " S01.npz")
        return line.replace("flask ", f"{sys.executable} -m flask ")

    def _serve(self, settings: dict[str, str]) -> None:
        self._stop()
        self._server = ExitStack()
        self._live = self._server.enter_context(serving(self._folder, **{**self._own, **settings}))
        stream = Client(self._live.port, duration_seconds=20, fps=10, use_tensorrt=False)
        assert len(stream.frames(3)) == 3
        stream.close()

    def _stop(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = self._live = None

    def _simulate(self, line: str) -> None:
        process = subprocess.Popen(
            line.split(), cwd=self._folder, env={**self._env, **self._own}, stdout=subprocess.DEVNULL
        )
        self._left.callback(process.wait, LATE_S)
        self._left.callback(process.terminate)
        until(self._device.is_symlink)

    def _run(self, line: str, settings: dict[str, str]) -> None:
        endless = line.startswith("curl -N") and "duration" not in line
        if line.startswith("curl"):
            assert self._live is not None, "a page asks a server that it has not started"
            line = line.replace("http://127.0.0.1:8000", self._live.url).replace("curl ", "curl -sSf ")
            line += " --max-time 2" if endless else ""
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", line],
            cwd=self._folder, env={**self._env, **self._own, **settings},
            capture_output=True, text=True, timeout=2 * LATE_S, check=False,
        )  # fmt: skip
        assert done.returncode == (28 if endless else 0), f"{line}\n{done.stdout}{done.stderr}"


def _settings(line: str) -> tuple[dict[str, str], str]:
    """The `NAME=value`s in front of a command, and the command."""
    found = re.match(r"((?:[A-Z_]+=\S+ )*)(.*)", line)
    assert found is not None
    return dict(pair.split("=", 1) for pair in found[1].split()), found[2]


def _record(path: Path, model: Path) -> None:
    """A recording of the reader's own: somebody who follows prompts with the armband of that model."""
    manifest = artefact.load(model).manifest
    plan = parse_plan(",".join(f"{name}:1" for name in manifest.classes) + " x 6")
    person = Simulator(
        manifest.channels, manifest.sampling_rate, manifest.classes, manifest.rest_class, seed=1
    )
    emg = []
    for label, seconds in ((None, plan.countdown_s), *((step.label, step.seconds) for step in plan.steps)):
        person.person.ask(label, seconds)
        emg.append(person.generate(round(seconds * manifest.sampling_rate))[0])
    samples = sum(map(len, emg))
    label, repetition = course_of(plan, manifest.sampling_rate).label_rows(np.arange(samples))
    np.savez(
        path,
        emg=np.concatenate(emg),
        label=label,
        repetition=repetition,
        fs=manifest.sampling_rate,
        gesture_names=np.array(plan.gesture_names),
    )


def _write_tables(folder: Path) -> None:
    """Files as other programs leave them: a table, and a folder of LibEMG's."""
    noise = np.random.default_rng(0)
    np.savetxt(folder / "anna.csv", noise.normal(0, 50, (2000, 4)), fmt="%.2f", delimiter=",")
    (folder / "libemg-data").mkdir()
    for gesture in range(3):
        table = noise.integers(-100, 100, (600, 8))
        np.savetxt(folder / "libemg-data" / f"R_0_C_{gesture}_EMG.csv", table, fmt="%d", delimiter=",")
