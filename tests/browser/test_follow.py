"""Several joints at once in Chromium: a cursor over the page, a model of values, and its use."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser.dashboards import MARKS
from tests.browser.teach_page import LATER_S, Lesson, asked, running
from tests.server.live import Live, until
from tests.server.own_project import project, serving

pytestmark = [*MARKS, pytest.mark.slow]

# how many pixels of the picture are drawn
DRAWN = """() => {
    const canvas = document.getElementById("follow-canvas");
    const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
    return pixels.filter((value, k) => k % 4 === 3 && value > 0).length;
}"""


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    folder: Path = project(tmp_path_factory.mktemp("follow"))
    with serving(folder, EMG_MODEL="none", EMG_FS="1000", EMG_CH="8") as live:
        yield live


def opened(browser: Any, live: Live) -> Lesson:
    page = (
        Lesson(browser, live.url, locale="en-GB").chose(person="S77", step="gestures").open().at("gestures")
    )
    page.page.locator(".several summary").click()
    return page


def start(page: Lesson, names: str, seconds: str) -> None:
    page.page.get_by_label("What moves").fill(names)
    page.page.get_by_label("Seconds in all").fill(seconds)
    page.page.get_by_role("button", name="Follow the cursor").click()


def test_the_form_fits_a_phone(browser: Any, live: Live) -> None:
    """The button ended at the edge of the screen in the midst of its words, and the names had no room."""
    page = opened(browser, live)
    page.page.set_viewport_size({"width": 390, "height": 844})
    form = page.page.locator("#follow-form").bounding_box()
    for name in ("#follow-names", "#follow-form button"):
        box = page.page.locator(name).bounding_box()
        assert box["x"] + box["width"] <= form["x"] + form["width"]
        assert box["width"] >= 140  # px
    page.page.context.close()


def test_a_cursor_is_followed_and_what_was_learned_reads_the_stream(browser: Any, live: Live) -> None:
    """Looked at by axe-core before, meanwhile and afterwards, on a screen and a phone."""
    page = opened(browser, live)
    page.sound("several")
    start(page, "wrist, hand", "30")
    running(live, "simulator")
    page.until("document.getElementById('follow-said').textContent.endsWith('left')", LATER_S)
    page.sound("follow")
    assert page.page.evaluate(DRAWN) > 500
    page.until("document.getElementById('follow').dataset.phase === 'done'", LATER_S)
    page.reads("#follow-said", "of the movements that it was not taught")
    page.sound("followed")
    page.page.get_by_role("button", name="Use it now").click()
    page.reads("#follow-said", "reads simulator now")
    until(lambda: asked(live, "/emg/sources/simulator")["model"] is not None)
    model = asked(live, "/emg/sources/simulator")["model"]
    made = asked(live, f"/models/{model}")
    assert [one["name"] for one in made["outputs"]["values"]] == ["wrist", "hand"]
    assert made["lineage"]["person"] == "S77"
    page.page.get_by_role("button", name="Close", exact=True).click()
    assert not page.page.evaluate("document.getElementById('follow').open")
    assert page.complaints == []
    page.page.context.close()


def test_who_stops_leaves_no_recording(browser: Any, live: Live) -> None:
    page = opened(browser, live)
    before = len(asked(live, "/emg/recordings")["recordings"])
    start(page, "wrist", "60")
    page.until("document.getElementById('follow').open")  # the server records before its answer is there
    page.page.keyboard.press("Escape")
    until(lambda: len(asked(live, "/emg/recordings")["recordings"]) == before)
    assert not page.page.evaluate("document.getElementById('follow').open")
    page.page.context.close()


@pytest.mark.parametrize(
    ("names", "seconds"), [("wrist,,hand", "60"), ("wrist, wrist", "60"), ("wrist", "5")]
)
def test_what_cannot_be_followed_is_said_beside_the_form(
    browser: Any, live: Live, names: str, seconds: str
) -> None:
    page = opened(browser, live)
    start(page, names, seconds)
    page.reads("#follow-refused", "One to six names that differ")
    assert not page.page.evaluate("document.getElementById('follow').open")
    page.page.context.close()
