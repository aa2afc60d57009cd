"""The page "Teach" where the server refuses to learn: it says why in the reader's language, and what is German is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.browser.dashboards import MARKS, Dashboard
from tests.server.live import Live
from tests.server.own_project import project, serving
from tests.serving.jobs.taught import record

pytestmark = MARKS
AS_SIMULATED = {"channels": 16, "rate": 2000.0}


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    root, aside = project(tmp_path_factory.mktemp("refused")), tmp_path_factory.mktemp("aside")
    nothing_said = {"label": None, "repetition": None, "gesture_names": None}
    record(root / "instance", "blank", aside, **AS_SIMULATED, **nothing_said)
    record(root / "instance", "short", aside, **AS_SIMULATED, held_s=0.3)
    with serving(root, EMG_MAINS="off") as live:
        yield live


@pytest.mark.parametrize(
    ("recording", "said"),
    [
        ("blank", "Von blank hat niemand gesagt, welche Geste wann gemacht wurde."),  # refused at once
        ("short", "Ein Modell braucht mindestens 1 s von jeder Geste"),  # by the job
        ("nobody", "Die Aufnahme nobody ist nicht mehr da."),
    ],
)
def test_why_nothing_can_be_learned_is_german_on_the_german_page(
    browser: Any, live: Live, recording: str, said: str
) -> None:
    page = Dashboard(browser, live.url, locale="de-DE")
    page.page.goto(f"{live.url}/teach?recordings={recording}")
    page.reads("#job-error", said)
    assert page.page.locator("#job-error").get_attribute("lang") in (None, "", "de")
    page.page.context.close()
