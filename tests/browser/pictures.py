"""Take the pictures of the dashboard anew: `python -m tests.browser.pictures`, on a machine that does nothing else."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.browser.chromium import chromium
from tests.browser.dashboards import Dashboard
from tests.server.live import ROOT, Live, gunicorn

IMAGES = ROOT / "docs" / "images"
SIZE, SCREEN = {"width": 1440, "height": 1180}, {"width": 1280, "height": 720}
FULL_S = 65  # the chart of ages shows a minute
HELD = "dashboard.frame.truth === dashboard.frame.decision_label && dashboard.frame.truth !== 'rest'"
RECORDING = ROOT.parent / "shared" / "data" / "emg" / "myo-readings" / "S06.npz"  # whom the model knows
REPLAY = {"EMG_MODE": "ninapro", "EMG_RECORDING": str(RECORDING), "EMG_MODEL": "myo-8ch-200hz"}


def take(browser: Any, live: Live, name: str, scheme: str, wait_s: float = FULL_S, **view: Any) -> None:
    """Have a dashboard run for a while, and keep it as it is when a gesture is being held."""
    dashboard = Dashboard(browser, live.url, **{"viewport": SIZE, "color_scheme": scheme, **view})
    dashboard.open("/#wall" if name.endswith("wall") else "").live().page.wait_for_timeout(wait_s * 1e3)
    dashboard.until(HELD, seconds=60)
    dashboard.page.wait_for_timeout(500)
    dashboard.page.screenshot(path=IMAGES / f"{name}.png")
    dashboard.page.context.close()


@contextmanager
def serving(**settings: str) -> Iterator[Live]:
    with tempfile.TemporaryDirectory() as folder, gunicorn(Path(folder), **settings) as live:
        yield live


def main() -> None:
    """Take all of them."""
    with chromium() as browser:
        with serving() as live:
            take(browser, live, "dashboard", scheme="light")
        with serving(**REPLAY) as live:
            take(browser, live, "dashboard-replay", scheme="dark")
            take(browser, live, "dashboard-wall", scheme="dark", wait_s=10, viewport=SCREEN)


if __name__ == "__main__":
    main()
