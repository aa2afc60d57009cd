"""Take the pictures of the page "Teach" anew: `python -m tests.browser.teach_pictures`, where nothing else runs.

One lesson, each step of it light and dark, on a laptop and a phone, into `.artifacts/screenshots`; two of them are
those of the documents.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from pathlib import Path

from tests.browser.chromium import chromium
from tests.browser.dashboards import PHONE, SCREENSHOTS
from tests.browser.pictures import IMAGES, SCREEN
from tests.browser.teach_page import FASTER, Lesson, running
from tests.conftest import RECORDINGS
from tests.prompted_person import PromptedPerson
from tests.server.live import Live
from tests.server.own_project import project, serving

PERSON = RECORDINGS / "S03.npz"
CHOSEN = {
    "person": "S03",
    "gestures": ["fist", "flexion", "extension", "pronation"],
    "repetitions": 3,
    "seconds": 3,
}
SETTINGS = {"EMG_MODE": "push", "EMG_MODEL": "myo-8ch-200hz", "EMG_MAINS": "off"}
VIEWS = {"laptop": SCREEN, "phone": PHONE}
SHOWN = {"teach-record": "teach-stage-laptop-light", "teach-learn": "teach-learn-laptop-light"}
LONG_S = 180.0
DRAWN_MS = 300


def take(page: Lesson, step: str) -> None:
    """Take a step as it is now, in every view."""
    for view, size in VIEWS.items():
        page.page.set_viewport_size(size)
        for scheme in ("light", "dark"):
            page.page.emulate_media(color_scheme=scheme)
            page.page.wait_for_timeout(DRAWN_MS)
            page.keep(f"teach-{step}-{view}-{scheme}", full_page=view == "phone" and step != "stage")
    page.page.set_viewport_size(SCREEN)


def lesson(page: Lesson, person: PromptedPerson, live: Live) -> None:
    page.open("?source=arm").at("signal").reads("#checks", "At rest the level is")
    page.page.wait_for_timeout(6e3)  # the traces fill
    take(page, "signal")
    page.on().at("gestures")
    take(page, "gestures")
    page.on().at("record")
    take(page, "record")
    page.page.get_by_role("button", name="Start", exact=True).click()
    person.follow(running(live, "arm"))
    page.until("teach.steps.record.recorded?.prompt?.label === 'fist'")
    page.page.wait_for_timeout(800)  # the person is in it
    take(page, "stage")
    page.until("teach.step.id === 'learn' || !document.getElementById('taken').hidden", LONG_S)
    if page.page.evaluate("teach.step.id") == "record":
        take(page, "recorded")
        page.on()
    page.at("learn").until("teach.steps.learn.job?.state === 'done'", LONG_S)
    take(page, "learn")
    page.on().at("use").reads("#use-said", "reads the stream now")
    page.until("document.getElementById('old-says').textContent !== '–'")
    take(page, "use")


def main() -> None:
    """Take all of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--documents", action="store_true", help="put those of docs/images there as well")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, chromium() as browser:
        root = project(Path(folder))
        with (
            serving(root, **SETTINGS) as live,
            PromptedPerson(live.url, "arm", PERSON, speed=FASTER) as person,
        ):
            page = Lesson(browser, live.url, locale="en-GB", viewport=SCREEN).chose(**CHOSEN)
            lesson(page, person, live)
    for name, picture in SHOWN.items() if chosen.documents else ():
        shutil.copy(SCREENSHOTS / f"{picture}.png", IMAGES / f"{name}.png")


if __name__ == "__main__":
    main()
