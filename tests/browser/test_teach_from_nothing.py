"""The page "Teach" with devices that no model here reads: a board of 16 channels, and an armband of four."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from app.emg.brainflow.sdk import load_brainflow
from tests.browser.teach_page import FASTER, LATER_S, TEACHING, Lesson, asked, running
from tests.conftest import RECORDINGS as PEOPLE
from tests.emg.extras import require_extra
from tests.prompted_person import PromptedPerson
from tests.server.live import Live, until
from tests.server.own_project import project, serving

MOST_S = 180.0  # of signal, from the armband on the arm to a model that is kept

pytestmark = TEACHING


@pytest.fixture
def pushed(tmp_path: Path) -> Iterator[Live]:
    with serving(project(tmp_path), EMG_MODE="push", EMG_MODEL="none", EMG_MAINS="off") as live:
        yield live


@pytest.fixture
def board(tmp_path: Path) -> Iterator[Live]:
    require_extra(load_brainflow)
    settings = {"EMG_MODE": "brainflow", "EMG_BOARD": "synthetic", "EMG_MODEL": "none", "EMG_MAINS": "off"}
    with serving(project(tmp_path), **settings) as live:
        yield live


def test_an_armband_of_four_channels_gets_its_first_model(browser: Any, pushed: Live) -> None:
    person = PromptedPerson(pushed.url, "four", PEOPLE / "S03.npz", speed=FASTER, declare={"channels": 4})
    worn = person.repertoire.recording
    person.repertoire.recording = replace(worn, emg=worn.emg[:, ::2])
    with person:
        page = (
            Lesson(browser, pushed.url, locale="en-GB").chose(person="four").open("?source=four").at("signal")
        )
        page.reads("#checks", "All 4 electrodes are fine")
        page.on().at("gestures").on().at("record")
        page.page.get_by_role("button", name="Start", exact=True).click()
        person.follow(running(pushed, "four"))
        page.at("learn").until("teach.steps.learn.job?.state === 'done'", LATER_S)
        person.follow(None)
        model = page.page.evaluate("teach.lesson.model")
        made = asked(pushed, f"/models/{model}")
        assert (made["input"]["channels"], set(made["classes"])) == (4, {"rest", "fist", "extension"})
        page.reads("#result", "recognised")
        assert "The model of now" not in page.text("#result")  # there was none
        page.on().at("use").reads("#use-said", f"{model} reads the stream now")
        until(lambda: asked(pushed, "/emg/sources/four")["model"] == model)
        page.until("document.getElementById('new-says').textContent !== '–'")
        assert page.page.locator("#old").is_hidden()
        page.page.get_by_role("button", name="Keep it as my profile").click()
        page.reads("#use-said", "is kept as the profile four")
        assert person.pushed <= MOST_S * person.repertoire.recording.fs
        assert page.complaints == []
        page.page.context.close()


def test_a_board_of_which_nobody_wears_an_electrode_is_told_so_and_its_model_can_be_used(
    browser: Any, board: Live
) -> None:
    """BrainFlow's synthetic board gives sines, whatever one does: two repetitions of each show that it is all the same.

    Of one nothing can be judged, and the model is swapped in for whoever wants it.
    """
    page = Lesson(browser, board.url, locale="en-GB").chose(person="nobody", seconds=4, gestures=["fist"])
    page.open().at("signal").reads("#about", "brainflow")
    page.on().at("gestures").reads("#total", "13 s").on().at("record")
    page.page.get_by_role("button", name="Start", exact=True).click()
    running(board, "brainflow")
    learn_anyway(page)
    page.until("['done', 'failed'].includes(teach.steps.learn.job?.state)", LATER_S)
    page.reads("#job-text", "It could not be learned.").reads("#job-error", "no better than guessing")
    assert page.page.locator("#next").is_disabled()
    page.page.locator("#steps-list button", has_text="Gestures").click()
    page.at("gestures").page.get_by_label("Repetitions").fill("1")
    page.reads("#onward-note", "no rest to tell it from")
    assert page.page.locator("#next").is_disabled()
    page.page.locator('[data-label="extension"]').click()
    page.on().at("record")
    page.page.get_by_role("button", name="Start", exact=True).click()
    running(board, "brainflow")
    learn_anyway(page)
    page.until("teach.steps.learn.job?.state === 'done'", LATER_S).reads("#result", "Not judged")
    model = page.page.evaluate("teach.lesson.model")
    assert asked(board, f"/models/{model}")["input"]["channels"] == 16
    page.on().at("use").reads("#use-said", f"{model} reads the stream now")
    until(lambda: asked(board, "/emg/sources/brainflow")["model"] == model)
    page.until("document.getElementById('new-says').textContent !== '–'")
    assert page.complaints == []
    page.page.context.close()


def learn_anyway(page: Lesson) -> None:
    """Go on where it is offered to do again what was not done."""
    page.until("teach.step.id === 'learn' || !document.getElementById('taken').hidden", LATER_S)
    if page.page.evaluate("teach.step.id") == "record":
        page.on().at("learn")
