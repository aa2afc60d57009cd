"""How long it takes from the page "Teach" to a model in use, and what that costs: `python -m benchmarks.lesson`.

A real server, Chromium, and a person of myo-readings who does what the prompts say, at their own pace: seven of the
eight gestures are theirs, the eighth, of which there is no recording, is one of another name. What is clicked is
clicked at once: what people take to read and to choose comes on top. CPU is of all processes, in shares of a core.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

from tests.browser.chromium import chromium
from tests.browser.dashboards import DESKTOP
from tests.browser.teach_page import Lesson, asked, running
from tests.conftest import RECORDINGS
from tests.prompted_person import PromptedPerson
from tests.server.live import Live, until
from tests.server.own_project import project, serving

PERSON = "S03.npz"
GESTURES = (
    "fist",
    "open_hand",
    "flexion",
    "extension",
    "radial_deviation",
    "ulnar_deviation",
    "pronation",
    "supination",
)
NAMES = {"open_hand": "extension"}  # of which there is no recording
CHOSEN = {"person": "S03", "gestures": list(GESTURES), "repetitions": 2, "seconds": 3}
STILL_S = 8.0  # that a step is looked at
LONG_S = 180.0


class Costs:
    """CPU of the server and of Chromium between two looks."""

    def __init__(self, live: Live) -> None:
        self._server = live.process.pid
        self._last: tuple[float, float, float] = (0.0, 0.0, 0.0)
        self.since()

    def since(self) -> dict[str, float]:
        """Return both since the last look, in shares of a core."""
        server = psutil.Process(self._server)
        serving = [server, *server.children(recursive=True)]
        ours = [one for one in psutil.Process().children(recursive=True) if "chrom" in one.name()]
        now = (time.monotonic(), _seconds(serving), _seconds(ours))
        taken, self._last = [b - a for a, b in zip(self._last, now, strict=True)], now
        return {"server": round(taken[1] / taken[0], 3), "chromium": round(taken[2] / taken[0], 3)}


def _seconds(processes: list[psutil.Process]) -> float:
    total = 0.0
    for one in processes:
        try:
            spent = one.cpu_times()
        except psutil.Error:
            continue
        total += spent.user + spent.system
    return total


def lesson(page: Lesson, person: PromptedPerson, live: Live) -> dict[str, Any]:
    """Return the seconds of each part, and what the steps cost."""
    parts, cpu, costs = dict[str, float](), dict[str, Any](), Costs(live)

    def part(name: str, work: Callable[[], object]) -> None:
        began = time.monotonic()
        work()
        parts[name] = round(time.monotonic() - began, 2)

    part("signal", lambda: page.open("?source=arm").at("signal").reads("#checks", "electrodes are fine"))
    costs.since()
    page.page.wait_for_timeout(STILL_S * 1e3)
    cpu["signal"] = costs.since()
    part("gestures", lambda: page.on().at("gestures").reads("#total", "s"))
    costs.since()
    page.page.wait_for_timeout(STILL_S * 1e3)
    cpu["gestures"] = costs.since()
    page.on().at("record")

    def record() -> None:
        page.page.get_by_role("button", name="Start", exact=True).click()
        person.follow(running(live, "arm"))
        page.until("teach.step.id === 'learn' || !document.getElementById('taken').hidden", LONG_S)

    costs.since()
    part("prompts", record)
    cpu["record"] = costs.since()
    if page.page.evaluate("teach.step.id") == "record":
        page.on()
    part("learning", lambda: page.at("learn").until("teach.steps.learn.job?.state === 'done'", LONG_S))
    job = asked(live, f"/jobs/{page.page.evaluate('teach.lesson.job')}")
    model = job["result"]["model"]

    def swap() -> None:
        page.on().at("use").reads("#use-said", "reads the stream now")
        until(lambda: asked(live, "/emg/sources/arm")["model"] == model)
        page.until("document.getElementById('new-says').textContent !== '–'")

    part("swap", swap)
    costs.since()
    page.page.wait_for_timeout(STILL_S * 1e3)
    cpu["use"] = costs.since()
    return {
        "seconds": parts,
        "together": round(sum(parts.values()), 1),
        "job": round(job["ended_at"] - job["started_at"], 2),
        "accuracy": job["result"]["accuracy"],
        "cpu": cpu,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=1)
    chosen = parser.parse_args()
    for _ in range(chosen.times):
        with tempfile.TemporaryDirectory() as folder, chromium() as browser:
            settings = {"EMG_MODE": "push", "EMG_MODEL": "myo-8ch-200hz", "EMG_MAINS": "off"}
            root = project(Path(folder))
            with (
                serving(root, **settings) as live,
                PromptedPerson(live.url, "arm", RECORDINGS / PERSON, names=NAMES) as person,
            ):
                page = Lesson(browser, live.url, locale="en-GB", viewport=DESKTOP).chose(**CHOSEN)
                print(json.dumps(lesson(page, person, live)))


if __name__ == "__main__":
    main()
