"""The whole way on a real server, from an armband and no model to a model of one's own that reads it.

In a terminal, from Python and from JavaScript, with a person whom no model has seen, who does what the prompts say.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from app.config import ROOT
from myostream_client import StreamingInferenceClient
from tests.conftest import RECORDINGS
from tests.prompted_person import NOTHING, PromptedPerson
from tests.server.live import Live, until
from tests.server.own_project import project, serving

PERSON = RECORDINGS / "S03.npz"
URL = "http://127.0.0.1:8000"
NAMES = {"open_hand": "extension"}  # what the shared recordings have in its place
SPEED = 4.0
LESSON_S = 240.0  # on a machine that does much else
BLOCKS = dict(
    re.findall(r"^```(python|js)\n([\s\S]*?)^```$", (ROOT / "docs" / "teach.md").read_text(), re.MULTILINE)
)

pytestmark = [
    pytest.mark.server,
    pytest.mark.slow,
    pytest.mark.data,
    pytest.mark.skipif(not PERSON.exists(), reason="the shared recordings are not here"),
]


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """A server that has no model, and sources that are pushed."""
    with serving(
        project(tmp_path_factory.mktemp("teach")), EMG_MODE="push", EMG_MODEL="none", EMG_MAINS="off"
    ) as live:
        yield live


@contextmanager
def armband(live: Live, source: str, channels: int = 8, **more: Any) -> Iterator[PromptedPerson]:
    """A person who wears one, and does what the newest recording of it asks."""
    person = PromptedPerson(
        live.url, source, PERSON, speed=SPEED, names=NAMES, declare={"channels": channels}, **more
    )
    worn = person.repertoire.recording
    person.repertoire.recording = replace(worn, emg=worn.emg[:, :: worn.channels // channels])
    with person:
        yield person


def while_followed(live: Live, person: PromptedPerson, teach: Callable[[], Any]) -> Any:
    """Run what asks the person, and have them follow the recording that it begins."""
    before = recordings(live, person.source)
    with ThreadPoolExecutor(1) as pool, StreamingInferenceClient(live.url) as client:
        until(lambda: client.quality(person.source)["channels"])  # the first samples are there
        running = pool.submit(teach)
        until(lambda: running.done() or recordings(live, person.source) - before, every_s=0.05)
        if not running.done():
            (name,) = recordings(live, person.source) - before
            person.follow(name)
            until(lambda: running.done() or client.recording(name)["state"] == "complete", LESSON_S, 0.3)
            person.follow(None)  # and no hurry: it learns
        return running.result(LESSON_S)


def recordings(live: Live, source: str) -> set[str]:
    with StreamingInferenceClient(live.url) as client:
        return {one["name"] for one in client.recordings()["recordings"] if one["source"] == source}


def run(command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=LESSON_S,
        check=False,
    )


def learn(live: Live, *words: str) -> Callable[[], subprocess.CompletedProcess[str]]:
    command = [sys.executable, "-m", "flask", "--app", "wsgi", "emg", "learn", "--server", live.url, *words]
    return lambda: run(command)


def reading(live: Live, source: str) -> str | None:
    """The model that reads a source."""
    with StreamingInferenceClient(live.url) as client:
        found: str | None = next(one["model"] for one in client.sources()["sources"] if one["name"] == source)
        return found


def test_a_terminal_leads_from_nothing_to_a_model_and_back_on_another_day(live: Live) -> None:
    lesson = ("--source", "anna", "--name", "anna", "--json")
    with armband(live, "anna") as person:
        assert reading(live, "anna") is None
        done = while_followed(
            live, person, learn(live, *lesson, "--gestures", "rest,fist,extension", "--seconds", "2")
        )
        assert done.returncode == 0, done.stderr
        said = json.loads(done.stdout)
        assert (said["used"], said["why_not_used"], said["profile"]) == (True, None, "anna")
        assert said["accuracy"] > 0.6
        assert 0 < said["from_sample"] <= person.pushed
        until(lambda: reading(live, "anna") == "anna")
        assert "1/8 REST" in done.stderr
        move_freely(person, ("fist", "rest", "extension", "rest"))
        again = while_followed(live, person, learn(live, *lesson, "--again", "--seconds", "12"))
        assert again.returncode == 0, again.stderr
        said = json.loads(again.stdout)
        assert (said["model"], said["used"], said["previous"]) == ("anna-2", True, "anna")
        until(lambda: reading(live, "anna") == "anna-2")  # at a sample to come


def move_freely(person: PromptedPerson, gestures: tuple[str, ...]) -> None:
    """Have them make those in turn, a second and a half each, when free movement is asked."""
    stretches, fs = person.repertoire.stretches, int(person.repertoire.recording.fs)
    begins = [stretches[name][k].start + fs // 2 for k in (3, 4) for name in gestures]
    stretches["free movement"] = [slice(begin, begin + 3 * fs // 2) for begin in begins]


def test_the_example_of_a_game_teaches_with_four_channels_and_has_done_again_what_was_not(
    live: Live, capsys: Any
) -> None:
    """It runs in this process, so that what it has in the end can be looked at."""
    block = BLOCKS["python"].replace(URL, live.url)
    block = block.replace("repetitions=2,", 'repetitions=2, source="four",')
    found: dict[str, Any] = {}
    with armband(live, "four", channels=4, deeds={("fist", 1): NOTHING}) as person:
        while_followed(live, person, lambda: exec(block, found))
        taught = found["taught"]
        assert (taught.used, taught.source, taught.profile) == (True, "four", "me")
        until(lambda: reading(live, "four") == taught.model)
    assert set(taught.classes) == {"rest", "fist", "open_hand"}
    assert taught.accuracy > 0.6
    fists = [
        (one["state"], one["verdict"], one["repetition"])
        for one in found["client"].recording(taught.recording)["repetitions"]
        if one["label"] == "fist"
    ]
    assert fists == [("redone", "nothing", 1), ("done", "good", 1), ("done", "good", 2)]
    found["client"].close()
    shown = capsys.readouterr().out.splitlines()
    assert shown[0].startswith("get ready for ")
    assert shown[-1] == f"{taught.model} {taught.accuracy} from sample {taught.from_sample} on"


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
def test_the_example_in_javascript_teaches(live: Live) -> None:
    block = BLOCKS["js"].replace(URL, live.url)
    block = block.replace("repetitions: 2,", 'repetitions: 2, source: "js",')
    with armband(live, "js") as person:
        done = while_followed(live, person, lambda: run(["node", "--input-type=module", "-e", block]))
        assert done.returncode == 0, done.stderr
        assert done.stdout.splitlines()[0] == "get ready then rest"
        taught = done.stdout.splitlines()[-1].split()[0]
        until(lambda: reading(live, "js") == taught)
