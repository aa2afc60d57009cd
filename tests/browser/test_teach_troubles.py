"""The page "Teach" where something goes wrong around it: the disk is full, a job is killed, somebody does not rest."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from app.learning.jobs.order import PROCESS
from tests.browser.teach_page import FASTER, LATER_S, TEACHING, Lesson, asked, running
from tests.conftest import RECORDINGS as PEOPLE
from tests.prompted_person import RESTLESS, PromptedPerson
from tests.server.live import Live, until
from tests.server.own_project import project, serving
from tests.server.test_recording import mount
from tests.serving.jobs.taught import record

LONG = {"channels": 16, "rate": 2000.0, "repetitions": 2}  # long enough to be killed
PUSHED = {"EMG_MODE": "push", "EMG_MODEL": "none", "EMG_MAINS": "off"}

pytestmark = TEACHING


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = project(tmp_path_factory.mktemp("troubles"))
    record(made / "instance", "long", tmp_path_factory.mktemp("aside"), **LONG)
    return made


@pytest.fixture(scope="module")
def live(root: Path) -> Iterator[Live]:
    with serving(root, **PUSHED) as live:
        yield live
        assert "Traceback" not in live.log, live.log


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[tuple[Live, Path]]:
    """A server whose instance folder is a disk of 4 MiB, and a file that is there to fill it."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if not mount("size=4m", disk):
        pytest.skip("a small disk can only be mounted by root")
    try:
        with serving(project(tmp_path), **PUSHED, EMG_INSTANCE=str(disk)) as live:
            yield live, disk / "filler"
            assert "Traceback" not in live.log, live.log
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def fill(filler: Path) -> None:
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(4096))


def test_a_full_disk_is_said_while_it_records_and_while_it_learns_and_both_go_on_once_there_is_room(
    browser: Any, small_disk: tuple[Live, Path]
) -> None:
    live, filler = small_disk
    with PromptedPerson(live.url, "arm", PEOPLE / "S03.npz", speed=FASTER) as person:
        page = Lesson(browser, live.url, locale="en-GB").chose(step="record").open("?source=arm").at("record")
        page.page.get_by_role("button", name="Start", exact=True).click()
        person.follow(running(live, "arm"))
        page.says("Fist")
        fill(filler)
        page.until("!document.getElementById('scene').open").reads(
            "#taken-title", "The recording has failed."
        )
        page.reads("#taken-error", "No space left on device").sound("full-disk")
        person.follow(None)
        page.page.get_by_role("button", name="Record all anew").click()
        page.page.get_by_role("button", name="Start", exact=True).click()
        page.reads("#record-error", "No space left on device")
        filler.unlink()
        page.page.get_by_role("button", name="Start", exact=True).click()
        person.follow(running(live, "arm"))
        page.at("learn").until("teach.steps.learn.job?.state === 'done'", LATER_S)
        made = page.page.evaluate("teach.lesson.recordings")
        person.follow(None)
        fill(filler)
        page.open(f"?recordings={made[-1]}").at("learn").reads("#job-text", "It could not be learned.")
        page.reads("#job-error", "The disk is full, or cannot be written.")
        filler.unlink()
        page.page.get_by_role("button", name="Learn again").click()
        page.until("teach.steps.learn.job?.state === 'done'", LATER_S)
        page.reads("#result", "recognised")
        assert [line for line in page.complaints if "503" not in line and "409" not in line] == []
        page.page.context.close()


def trainings_of(live: Live) -> list[psutil.Process]:
    """The processes that train for the server, and do: each is a fork of one that waits."""
    found = []
    for one in psutil.Process(live.process.pid).children(recursive=True):
        with suppress(psutil.Error):
            if PROCESS in one.cmdline():
                found.append(one)
    waiting = {one.pid for one in found}
    return [one for one in found if one.ppid() in waiting]


def test_a_job_that_is_killed_is_said_and_learned_again(browser: Any, live: Live) -> None:
    with PromptedPerson(live.url, "arm", PEOPLE / "S03.npz"):
        page = Lesson(browser, live.url, locale="de-DE").open("?source=arm&recordings=long").at("learn")
        until(lambda: trainings_of(live))
        for one in trainings_of(live):
            one.kill()
        page.reads("#job-text", "Es konnte nicht gelernt werden.")
        assert page.page.locator("#job-error").inner_text() != ""
        page.sound("killed")
        assert page.page.locator("#next").is_disabled()
        page.page.get_by_role("button", name="Noch einmal lernen").click()
        page.until("teach.steps.learn.job?.state === 'done'", 2 * LATER_S)
        assert page.complaints == []
        page.page.context.close()


def test_a_rest_that_is_none_is_noticed_and_done_again(browser: Any, live: Live) -> None:
    deeds = {("rest", 1): RESTLESS}
    with PromptedPerson(live.url, "leg", PEOPLE / "S03.npz", speed=FASTER, deeds=deeds) as person:
        page = Lesson(browser, live.url, locale="en-GB").chose(step="record", repetitions=1, seconds=3)
        page.open("?source=leg").at("record")
        page.page.get_by_role("button", name="Start", exact=True).click()
        name = running(live, "leg")
        person.follow(name)
        page.reads("#scene-verdict", "Rest 1: not at rest. R does it again").keep("teach-restless")
        page.page.keyboard.press("r")
        page.says("Rest")
        page.at("learn")
        rests = [
            one for one in asked(live, f"/emg/recordings/{name}")["repetitions"] if one["label"] == "rest"
        ]
        assert [(one["state"], one["verdict"]) for one in rests] == [("redone", "restless"), ("done", "good")]
        assert page.complaints == []
        page.page.context.close()


def test_two_people_are_taught_at_once_each_from_their_own_arm(browser: Any, live: Live) -> None:
    """Who they are, they have not said: both are `me`, and begin at the same moment."""
    files = {"hers": "S03.npz", "his": "S05.npz"}
    with (
        PromptedPerson(live.url, "hers", PEOPLE / files["hers"], speed=FASTER) as she,
        PromptedPerson(live.url, "his", PEOPLE / files["his"], speed=FASTER, seed=1) as he,
    ):
        pages = {}
        for person in (she, he):
            page = Lesson(browser, live.url, locale="en-GB").chose(step="record", person="me")
            pages[person.source] = page.open(f"?source={person.source}").at("record")
        for page in pages.values():
            page.page.get_by_role("button", name="Start", exact=True).click()
        taken = {}
        for person in (she, he):
            taken[person.source] = running(live, person.source)
            person.follow(taken[person.source])
        models = {}
        for source, page in pages.items():
            page.at("learn").until("teach.steps.learn.job?.state === 'done'", LATER_S)
            assert page.page.evaluate("teach.lesson.recordings") == [taken[source]]
            assert asked(live, f"/emg/recordings/{taken[source]}")["source"] == source
            models[source] = page.page.evaluate("teach.lesson.model")
        assert len(set(models.values())) == 2
        pages["hers"].on().at("use").reads("#use-said", "reads the stream now")
        until(lambda: asked(live, "/emg/sources/hers")["model"] == models["hers"])
        assert asked(live, "/emg/sources/his")["model"] is None
        pages["his"].on().at("use").reads("#use-said", "reads the stream now")
        until(lambda: asked(live, "/emg/sources/his")["model"] == models["his"])
        assert asked(live, "/emg/sources/hers")["model"] == models["hers"]
        for page in pages.values():
            page.until("document.getElementById('new-says').textContent !== '–'")
            assert [line for line in page.complaints if "409" not in line] == []
            page.page.context.close()
