"""examples/dashboard.html: one file, which speaks to any server; and the pure modules under Node."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.browser.dashboards import MARKS, Dashboard
from tests.server.live import ROOT, Live, gunicorn

PAGE = ROOT / "examples" / "dashboard.html"


def test_it_is_as_the_modules_are() -> None:
    command = [sys.executable, "examples/make_dashboard.py", "--check"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
def test_the_pure_modules_pass_their_own_tests() -> None:
    command = ["node", "--test", "--test-reporter=spec", "dashboard.test.mjs"]
    run = subprocess.run(
        command, cwd=Path(__file__).parent, capture_output=True, text=True, timeout=60, check=False
    )
    assert run.returncode == 0, run.stdout
    assert "fail 0" in run.stdout


class TestInChromium:
    pytestmark = MARKS

    def test_opened_from_the_disk_it_connects_to_the_server_that_is_named(
        self, browser: Any, tmp_path: Path
    ) -> None:
        with gunicorn(tmp_path, EMG_CORS_ORIGINS="*") as live:
            dashboard = Dashboard(browser, PAGE.as_uri())
            dashboard.open()
            dashboard.page.get_by_label("Server", exact=True).fill(live.url)
            dashboard.page.get_by_role("button", name="Connect").click()
            dashboard.page.wait_for_url("**server=**")
            dashboard.complaints.clear()  # there was nobody at the address before
            dashboard.hosts.clear()
            dashboard.open(f"?server={live.url}").start().until(
                "dashboard.frame && dashboard.frame.frame > 20"
            )
            assert dashboard.complaints == []
            assert dashboard.hosts == {"", f"127.0.0.1:{live.port}"}

    def test_a_server_that_does_not_allow_it_is_told_apart_in_words(self, browser: Any, server: Live) -> None:
        dashboard = Dashboard(browser, PAGE.as_uri())
        dashboard.open(f"?server={server.url}").reads("#notice-text", "EMG_CORS_ORIGINS")
