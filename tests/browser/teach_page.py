"""The page "Teach" in Chromium, and what a test does on it and wants to know of it."""

from __future__ import annotations

import json
from typing import Any
from urllib.request import urlopen

import pytest

from tests.browser.dashboards import DESKTOP, MARKS, PHONE, Dashboard
from tests.browser.test_dashboard_accessibility import violations
from tests.conftest import RECORDINGS
from tests.server.live import Live, until

FASTER = 1.4  # than life; a server takes no more for long
LATER_S = 60.0
PLAN = {"repetitions": 2, "seconds": 2}
LESSON = {
    "person": "S77",
    "gestures": ["fist", "extension"],
    **PLAN,
}  # that was chosen earlier in this browser

TEACHING = [
    *MARKS,
    pytest.mark.slow,
    pytest.mark.data,
    pytest.mark.skipif(not RECORDINGS.is_dir(), reason="the shared recordings are absent"),
]


class Lesson(Dashboard):
    """The page, and what a test does on it."""

    def open(self, query: str = "") -> Lesson:
        self.page.goto(f"{self.url}/teach{query}")
        # on a machine that is full the page comes before its modules
        self.until("globalThis.teach?.step != null")
        return self

    def chose(self, **lesson: Any) -> Lesson:
        """Have chosen that in this browser, earlier."""
        kept = json.dumps(json.dumps({**LESSON, **lesson}))
        name = "'myostream-lesson'"
        self.page.add_init_script(f"localStorage.getItem({name}) ?? localStorage.setItem({name}, {kept})")
        return self

    def at(self, step: str) -> Lesson:
        self.until(f"teach.step.id === {step!r}", LATER_S)
        return self

    def on(self) -> Lesson:
        """Go on to the next step."""
        self.page.locator("#next").click()
        return self

    def says(self, word: str) -> Lesson:
        """Wait until the stage says that, large."""
        self.until(f"document.getElementById('scene-word').textContent === {word!r}", LATER_S)
        return self

    def sound(self, name: str) -> None:
        """Nothing is amiss for anybody, on a screen or a phone, light or dark."""
        for scheme, viewport in (("light", DESKTOP), ("dark", PHONE)):
            self.page.emulate_media(color_scheme=scheme)
            self.page.set_viewport_size(viewport)
            self.keep(f"teach-{name}-{scheme}")
            found = violations(self)
            assert not found, found
            assert self.page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]
        self.page.emulate_media(color_scheme="light")
        self.page.set_viewport_size(DESKTOP)


def asked(live: Live, path: str) -> Any:
    with urlopen(f"{live.url}{path}") as answer:
        return json.load(answer)


def running(live: Live, source: str) -> str:
    """The name of the recording that runs of that source."""
    found: list[str] = []

    def looked() -> bool:
        states = asked(live, "/emg/recordings")["recordings"]
        found[:] = [one["name"] for one in states if (one["source"], one["state"]) == (source, "recording")]
        return bool(found)

    until(looked)
    return found[0]
