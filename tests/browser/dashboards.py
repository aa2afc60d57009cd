"""The dashboard in Chromium, and what a test wants to know of it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.browser.chromium import CHROMIUM

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

SCREENSHOTS = Path(__file__).resolve().parents[2] / ".artifacts" / "screenshots"
DESKTOP, PHONE = {"width": 1440, "height": 900}, {"width": 390, "height": 844}
PATIENCE_MS = 20_000

MARKS = [
    pytest.mark.browser,
    pytest.mark.server,
    pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed"),
]

PIXELS = """() => {
    const canvas = document.getElementById("waveform");
    const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
    let sum = 0;
    for (let i = 0; i < pixels.length; i += 4) sum = (sum * 31 + pixels[i] + pixels[i + 1] * 7) % 1000000007;
    return sum;
}"""
# headless Chromium never hides a page; to its scripts, this does
VISIBILITY = """(hidden) => {
    Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
    document.dispatchEvent(new Event("visibilitychange"));
}"""


class Dashboard:
    """One page; remembers what its console said and whom it asked."""

    def __init__(self, browser: Any, url: str, *, context: Any = None, **options: Any) -> None:
        """Open an empty page in `context`, or in one of its own, as another browser would be, with these options."""
        options = {"viewport": DESKTOP, "reduced_motion": "no-preference", **options}
        self.page = (context or browser.new_context(**options)).new_page()
        self.url = url
        self.complaints: list[str] = []
        self.hosts: set[str | None] = set()
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("console", self._said)
        self.page.on("request", lambda request: self.hosts.add(urlsplit(request.url).netloc))

    def _said(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)

    def alone(self) -> Dashboard:
        """Have a stream of its own, whose requests the page itself makes and a test can see."""
        self.page.add_init_script("delete globalThis.SharedWorker")
        return self

    def open(self, query: str = "") -> Dashboard:
        self.page.goto(self.url + query)
        return self.until("dashboard.monitor.health || dashboard.monitor.trouble")

    def live(self) -> Dashboard:
        """Wait until it streams, as it does when it is opened."""
        return self.reads("#status-text", "Live")

    def stop(self) -> Dashboard:
        self.page.get_by_role("button", name="Stop", exact=True).click()
        return self.reads("#status-text", "Stopped")

    def start(self) -> Dashboard:
        """Have it stream again."""
        self.page.get_by_role("button", name="Start", exact=True).click()
        return self.live()

    def settings(self) -> Dashboard:
        """Unfold the stream's form."""
        if self.page.locator("#settings").is_hidden():
            self.page.get_by_role("button", name="Settings", exact=True).click()
        return self

    def option(self, label: str, value: str) -> Dashboard:
        """Fill in a field of the stream's form."""
        self.settings().page.get_by_label(label).fill(value)
        return self

    def until(self, expression: str, seconds: float = PATIENCE_MS / 1e3) -> Dashboard:
        ends = time.monotonic() + seconds
        # wait_for_function would need eval, which the policy forbids
        while not self.page.evaluate(expression):
            assert time.monotonic() < ends, f"it did not happen: {expression}"
            self.page.wait_for_timeout(50)
        return self

    def reads(self, selector: str, text: str) -> Dashboard:
        """Wait until an element says it."""
        playwright.expect(self.page.locator(selector)).to_contain_text(text, timeout=PATIENCE_MS)
        return self

    def text(self, selector: str) -> str:
        found: str = self.page.locator(selector).inner_text()
        return found

    def pixels(self) -> int:
        found: int = self.page.evaluate(PIXELS)
        return found

    def hide(self, hidden: bool) -> None:
        self.page.evaluate(VISIBILITY, hidden)

    def keep(self, name: str, **more: Any) -> None:
        """A screenshot for those who want to look."""
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=SCREENSHOTS / f"{name}.png", **more)
