"""The page "Teach" in Chromium: from a person who does what it asks to a model under their own stream."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.browser.teach_page import FASTER, LATER_S, TEACHING, Lesson, asked, running
from tests.conftest import RECORDINGS as PEOPLE
from tests.prompted_person import NOTHING, PromptedPerson
from tests.server.live import Live, until
from tests.server.own_project import project, serving

MODEL = "myo-8ch-200hz"

pytestmark = TEACHING


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    root = project(tmp_path_factory.mktemp("teach"))
    with serving(root, EMG_MODE="push", EMG_MODEL=MODEL, EMG_MAINS="off") as live:
        yield live


def test_from_the_page_to_a_model_under_the_stream(browser: Any, live: Live) -> None:
    """Every step is looked at by axe-core; the browser is closed in the middle of the recording and of the job."""
    context = browser.new_context(locale="en-GB")
    with PromptedPerson(live.url, "arm", PEOPLE / "S03.npz", speed=FASTER) as person:
        page = Lesson(browser, live.url, context=context).open("?source=arm").at("signal")
        page.reads("#checks", "All 8 electrodes are fine").sound("signal")
        page.on().at("gestures")
        page.page.locator('[data-label="open_hand"]').click()  # was chosen; is not done here
        page.page.locator('[data-label="extension"]').focus()
        page.page.keyboard.press("Space")
        page.page.get_by_label("Repetitions").fill("2")
        page.page.get_by_label("Seconds each").fill("2")
        page.page.get_by_label("Who you are").fill("S77")
        page.reads("#total", "17 s").sound("gestures")
        page.on().at("record").sound("record")
        page.page.get_by_role("button", name="Start", exact=True).click()
        person.follow(running(live, "arm"))
        page.says("Fist").reads("#scene-then", "then Rest")
        word = "document.getElementById('scene-word').getBoundingClientRect().height / innerHeight"
        assert page.page.evaluate(word) >= 0.2
        assert page.page.locator("#scene-said").inner_text().startswith("Fist, ")
        page.sound("stage")
        page.page.close()
        again = Lesson(browser, live.url, context=context).open().at("record")
        again.until("document.getElementById('scene').open")
        again.at("learn").page.close()
        last = Lesson(browser, live.url, context=context).open().at("learn")
        last.until("teach.steps.learn.job?.state === 'done'", LATER_S)
        last.reads("#result", "recognised").reads("#result", "The model of now").sound("learn")
        told = asked(live, f"/jobs/{last.page.evaluate('teach.lesson.job')}")["result"]
        last.reads(".headline b", f"{told['accuracy'] * 100:.0f} %")
        last.on().at("use").reads("#use-said", "reads the stream now")
        until(lambda: asked(live, "/emg/sources/arm")["model"] == told["model"])  # at a sample to come
        last.until("document.getElementById('old-says').textContent !== '–'").sound("use")
        last.page.get_by_role("button", name=f"Back to {MODEL}").click()
        last.reads("#use-said", f"{MODEL} reads the stream again")
        until(lambda: asked(live, "/emg/sources/arm")["model"] == MODEL)
        last.page.get_by_role("button", name=f"To {told['model']} again").click()
        last.reads("#use-said", f"{told['model']} reads the stream now")
        last.page.get_by_role("button", name="Keep it as my profile").click()
        last.reads("#use-said", "is kept as the profile S77")
        kept = asked(live, "/profiles/S77")
        assert (kept["person"], kept["model"]) == ("S77", told["model"])
        last.page.goto(f"{live.url}/")
        recording = told["model"]  # it is called so
        last.page.get_by_role("link", name=f"Learn from {recording}").click()
        last.until("globalThis.teach?.step?.id === 'learn'")
        last.page.get_by_role("button", name="Cancel", exact=True).first.click()
        last.reads("#job-text", "Cancelled. Nothing of it was kept.")
        last.open().page.locator("#steps-list button", has_text="Signal").click()
        last.reads("#again", f"S77: {told['model']}")
        complaints = page.complaints + again.complaints + last.complaints
        assert [
            line for line in complaints if "409" not in line
        ] == []  # a model of that name is there already
    context.close()


def test_keys_pause_skip_redo_and_stop(browser: Any, live: Live) -> None:
    """A repetition in which nothing was done is said, and R does it again; Esc keeps what there is."""
    deeds = {("fist", 1): NOTHING}
    with PromptedPerson(live.url, "leg", PEOPLE / "S04.npz", speed=FASTER, deeds=deeds) as person:
        page = Lesson(browser, live.url, locale="de-DE").chose(step="record")
        page.open("?source=leg").at("record")
        page.page.get_by_role("button", name="Los", exact=True).click()
        name = running(live, "leg")
        person.follow(name)
        page.says("Faust").reads("#scene-verdict", "Faust 1: nichts geschehen")
        page.page.keyboard.press("r")
        states = "teach.steps.record.recorded?.repetitions.map(({ state }) => state).join()"
        page.until(f"{states}?.startsWith('redone')")
        page.page.keyboard.press("p")
        page.says("Pause")
        assert asked(live, f"/emg/recordings/{name}")["prompt"]["paused"]
        page.page.keyboard.press("p")
        page.until("document.getElementById('scene').dataset.phase !== 'paused'")
        page.page.keyboard.press("s")
        page.until(f"{states}?.includes('skipped')")
        page.page.keyboard.press("Escape")
        page.until("!document.getElementById('scene').open").reads("#step-record", "aufgenommen")
        assert asked(live, f"/emg/recordings/{name}")["state"] == "complete"
        assert page.complaints == []
        page.page.context.close()


def test_a_loose_electrode_is_said_in_words_and_one_may_go_on_anyway(browser: Any, live: Live) -> None:
    """The server's own judgement is the test's here: nobody's electrodes come loose when they are told to."""
    fine = {"ok": True, "problems": [], "rms": 4.0, "hum_ratio": 0.0}
    loose = {**fine, "ok": False, "problems": ["railed"]}
    channels = [{**(loose if k == 3 else fine), "channel": k} for k in range(8)]
    with PromptedPerson(live.url, "foot", PEOPLE / "S05.npz"):
        page = Lesson(browser, live.url, locale="en-GB")
        answer = {"source": "foot", "ok": False, "sample_index": 1, "loss": 0.0, "channels": channels}
        page.page.route("**/emg/quality*", lambda route: route.fulfill(json={**answer, "advice": None}))
        page.open("?source=foot").at("signal").reads("#checks", "Channel 4 is loose. Press it onto the skin")
        page.reads("#onward-note", "With a loose electrode the model will be worse.").sound("loose")
        page.page.get_by_role("button", name="Go on anyway").click()
        page.at("gestures")
        assert page.page.evaluate("document.activeElement.id") == "gestures-title"  # it is read out first
        assert page.complaints == []
        page.page.context.close()


def test_a_server_that_wants_a_key_is_given_one_here(browser: Any, live: Live) -> None:
    """The page asks for it, and then goes on where the lesson was; a key that may only read is told what it lacks."""
    page = Lesson(browser, live.url, locale="en-GB").chose(step="gestures")

    def answer(route: Any) -> None:
        key = route.request.headers.get("x-api-key")
        if key is None:
            return route.fulfill(status=401, json={"status": 401, "detail": "send your key"})
        answered = route.fetch()
        scopes = "read, control" if key == "whole" else "read"
        return route.fulfill(response=answered, headers={**answered.headers, "X-API-Key-Scopes": scopes})

    with PromptedPerson(live.url, "hip", PEOPLE / "S05.npz"):
        for path in ("emg/sources", "emg/recordings", "emg/quality*", "jobs", "profiles"):
            page.page.route(f"**/{path}", answer)
        page.open("?source=hip").at("gestures").reads("#notice", "This server wants an API key.")
        page.page.locator("#notice-act").click()
        page.page.get_by_label("Key", exact=True).fill("half")
        page.page.keyboard.press("Enter")
        page.reads("#notice", "To teach takes a key with the scopes read and control.")
        page.page.locator("#notice-act").click()
        page.page.get_by_label("Key", exact=True).fill("whole")
        page.page.keyboard.press("Enter")
        page.until("document.getElementById('notice').hidden").at("gestures")
        page.page.locator("#steps-list button", has_text="Signal").click()
        page.reads("#checks", "All 8 electrodes are fine")
        assert [line for line in page.complaints if "401" not in line] == []
        page.page.context.close()
