"""Take the pictures of the dashboard anew: `python -m tests.browser.pictures`, on a machine that does nothing else."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from tests.browser.chromium import chromium
from tests.browser.dashboards import Dashboard
from tests.server.live import ROOT, gunicorn

IMAGES = ROOT / "docs" / "images"
SIZE = {"width": 1440, "height": 960}
FULL_S = 65  # the chart of ages shows a minute
HELD = "dashboard.frame.truth === dashboard.frame.decision_label && dashboard.frame.truth !== 'rest'"
RECORDING = ROOT.parent / "shared" / "data" / "emg" / "myo-readings" / "S06.npz"  # whom the model knows
REPLAY = {"EMG_MODE": "ninapro", "EMG_RECORDING": str(RECORDING), "EMG_MODEL": "myo-8ch-200hz"}


def take(browser: Any, name: str, settings: dict[str, str], votes: str, scheme: str) -> None:
    """Have a dashboard run for a minute, and keep it as it is when a gesture is being held."""
    with tempfile.TemporaryDirectory() as folder, gunicorn(Path(folder), **settings) as live:
        dashboard = Dashboard(browser, live.url, viewport=SIZE, color_scheme=scheme).open()
        dashboard.option("Votes", votes)
        dashboard.live().page.wait_for_timeout(FULL_S * 1e3)
        dashboard.until(HELD, seconds=60)
        dashboard.page.wait_for_timeout(500)
        dashboard.page.screenshot(path=IMAGES / f"{name}.png")


def main() -> None:
    """Take both."""
    with chromium() as browser:
        take(browser, "dashboard", {}, votes="1", scheme="light")
        take(browser, "dashboard-replay", REPLAY, votes="5", scheme="dark")


if __name__ == "__main__":
    main()
