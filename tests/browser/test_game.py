"""examples/game.html: opened from the disk and played by the simulated person, who does what the keys say."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.keys import hash_of
from tests.browser.dashboards import MARKS, PHONE
from tests.browser.game_page import SIZE, Game
from tests.server.live import Live, gunicorn, until
from tests.server.own_project import project, serving
from tests.server.test_source_choice import asked

KEY = "a-key-for-these-tests-and-no-others-0123456789"


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
def test_its_rules_pass_their_own_tests() -> None:
    command = ["node", "--test", "--test-reporter=spec", "game.test.mjs"]
    run = subprocess.run(
        command, cwd=Path(__file__).parent, capture_output=True, text=True, timeout=60, check=False
    )
    assert run.returncode == 0, run.stdout
    assert "fail 0" in run.stdout


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """It records what is played, so not into the instance of this code."""
    with serving(project(tmp_path_factory.mktemp("game")), EMG_CORS_ORIGINS="*") as live:
        yield live


class TestInChromium:
    pytestmark = MARKS

    @pytest.mark.slow
    def test_gates_open_by_the_gestures_of_the_simulated_person(self, browser: Any, live: Live) -> None:
        game = (
            Game(browser).open(live.url).until("game.person && game.state.live && game.gestures.length === 6")
        )
        game.until("game.state.gesture === null && game.state.decision === 'rest'")  # they heed the game
        game.page.wait_for_timeout(500)  # the hand has come to rest
        at_rest = game.picture()
        game.page.get_by_label("Pace").select_option("slow")
        game.page.get_by_role("button", name="Begin").click()
        game.page.keyboard.press(" ")  # the button has the focus: the game goes on
        game.play(3)
        assert game.ask("game.gates.opened") == 3
        assert game.ask("game.gates.score") >= 30
        onsets = game.ask(
            "game.events.filter(({ phase }) => phase === 'onset').map(({ gesture }) => gesture)"
        )
        opened = game.ask(
            "game.gates.gates.filter(({ state }) => state === 'opened').map(({ gesture }) => gesture)"
        )
        assert set(opened) <= set(onsets)
        game.page.keyboard.down("1")
        game.until("game.state.gesture?.gesture === 'fist' && game.hand.pose.curl[2] > 0.6")
        assert game.picture() != at_rest
        assert float(game.page.locator("#strength").evaluate("(meter) => meter.value")) > 0
        assert "onset · fist" in game.text("#events")
        game.keep("game")
        game.page.keyboard.up("1")
        game.until("game.state.gesture === null").until("game.hand.pose.curl[2] < 0.35")
        assert "release · fist" in game.text("#events")
        assert game.complaints == []
        game.page.close(run_before_unload=True)
        until(
            lambda: states(live) == {"complete"}
        )  # the person is free, and one recording is left to be deleted
        second = Game(browser).open(live.url).until("game.person !== null")
        until(lambda: states(live) == {"recording"})
        second.page.context.close()  # as a browser that dies: nobody is told
        third = Game(browser).open(live.url).until("game.person !== null")
        assert len(asked(live, "GET", "/emg/recordings")[1]["recordings"]) == 1
        third.page.close(run_before_unload=True)
        until(lambda: states(live) == {"complete"})

    @pytest.mark.parametrize(
        ("scheme", "viewport"),
        [("light", SIZE), ("dark", SIZE), ("dark", PHONE)],
        ids=["light", "dark", "phone"],
    )
    def test_axe_finds_nothing_to_complain_about(
        self, browser: Any, live: Live, scheme: str, viewport: dict[str, int]
    ) -> None:
        axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-core is not installed")
        game = Game(browser, color_scheme=scheme, viewport=viewport, bypass_csp=True).open(live.url)
        game.until("game.person !== null && game.gestures.length > 0")
        game.page.get_by_role("button", name="Begin").click()
        game.page.keyboard.down("1")
        game.until("game.events.length > 1")
        found = axe.Axe().run(game.page, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa"]})
        assert found.response["violations"] == []
        assert game.ask("document.documentElement.scrollWidth <= innerWidth")
        game.page.close(run_before_unload=True)
        until(lambda: states(live) == {"complete"})

    def test_a_server_that_is_gone_stops_the_hand_and_the_gates(self, browser: Any, tmp_path: Path) -> None:
        folder = project(tmp_path)
        with serving(folder, EMG_CORS_ORIGINS="*") as live:
            game = Game(browser).open(live.url).until("game.person && game.gestures.length > 0")
            game.page.keyboard.down("2")
            game.until("game.state.gesture?.gesture === 'open_hand'")
            game.page.get_by_role("button", name="Begin").click()
            game.until("game.gates.gates.length > 0")
            for pid in (live.process.pid, *live.workers()):
                os.kill(pid, signal.SIGKILL)
            game.until("game.state.gesture === null && !game.state.live")
            game.until("document.getElementById('notice').textContent.startsWith('No news')")
            way = game.ask("game.gates.gates[0].way")
            game.page.wait_for_timeout(300)
            assert game.ask("game.gates.gates[0].way") == way
            assert game.ask("game.events[0].phase") == "release"

    def test_a_key_that_may_only_read_plays_but_drives_nobody(self, browser: Any, tmp_path: Path) -> None:
        with gunicorn(tmp_path, EMG_CORS_ORIGINS="*", EMG_API_KEYS=f"game:read:{hash_of(KEY)}") as live:
            game = Game(browser).open(live.url)
            game.until("document.getElementById('notice').dataset.level === 'bad'")
            assert "key" in game.text("#notice").lower()
            game.page.get_by_label("Key").fill(KEY)
            game.page.get_by_role("button", name="Connect").click()
            game.until("game.state.live && game.gestures.length === 6")
            assert (
                game.text("#notice").startswith("Nobody follows the keys") or game.ask("game.person") is None
            )
            game.page.get_by_role("button", name="Begin").click()
            game.until("game.gates.gates.length > 0")
            assert KEY not in game.page.url
            assert KEY not in live.log

    def test_a_server_without_a_model_is_told_in_words(self, browser: Any, tmp_path: Path) -> None:
        with gunicorn(tmp_path, EMG_CORS_ORIGINS="*", EMG_MODEL="none") as live:
            game = Game(browser).open(live.url)
            game.until("document.getElementById('notice').textContent.startsWith('No model')")


def states(live: Live) -> set[str]:
    return {one["state"] for one in asked(live, "GET", "/emg/recordings")[1]["recordings"]}
