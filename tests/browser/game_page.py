"""examples/game.html in Chromium, and one who plays it by the keys."""

from __future__ import annotations

import time
from typing import Any

from tests.browser.dashboards import PATIENCE_MS, SCREENSHOTS
from tests.server.live import ROOT

PAGE = ROOT / "examples" / "game.html"
SIZE = {"width": 1280, "height": 900}


class Game:
    """One page, which remembers what its console said."""

    def __init__(self, browser: Any, **options: Any) -> None:
        self.page = browser.new_context(**{"viewport": SIZE, **options}).new_page()
        self.complaints: list[str] = []
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("console", self._said)

    def _said(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)

    def open(self, server: str) -> Game:
        """From the disk, as somebody opens it who has the file and nothing else."""
        self.page.goto(f"{PAGE.as_uri()}?server={server}")
        return self

    def until(self, expression: str, seconds: float = PATIENCE_MS / 1e3) -> Game:
        ends = time.monotonic() + seconds
        # wait_for_function would need eval, which the policy forbids
        while not self.page.evaluate(expression):
            assert time.monotonic() < ends, (
                f"it did not happen: {expression}; {self.text('#notice')} {self.text('#help')}"
            )
            self.page.wait_for_timeout(30)
        return self

    def ask(self, expression: str) -> Any:
        return self.page.evaluate(expression)

    def text(self, selector: str) -> str:
        found: str = self.page.locator(selector).inner_text()
        return found

    def picture(self) -> str:
        """Of the hand."""
        found: str = self.ask("document.getElementById('hand').toDataURL()")
        return found

    def play(self, gates: int) -> None:
        """Hold the key of the gate that comes next, until so many have opened."""
        keyboard = self.page.keyboard
        while self.ask("game.running") and self.ask("game.gates.opened") < gates:
            self.until("game.gates.next || game.gates.over")
            if not self.ask("game.running"):
                return
            number = self.ask("game.gestures.indexOf(game.gates.next.gesture) + 1")
            before = self.ask("[game.gates.opened, game.gates.lives]")
            keyboard.down(str(number))
            self.until(f"String([game.gates.opened, game.gates.lives]) !== '{before[0]},{before[1]}'")
            keyboard.up(str(number))

    def keep(self, name: str) -> None:
        """A screenshot for those who want to look."""
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=SCREENSHOTS / f"{name}.png")
