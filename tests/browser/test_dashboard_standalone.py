"""examples/dashboard.html: one file, which speaks to any server; and the pure modules under Node."""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.browser.dashboards import MARKS, Dashboard
from tests.server.live import ROOT, Live, gunicorn, until

PAGE = ROOT / "examples" / "dashboard.html"


def test_it_is_as_the_modules_are() -> None:
    command = [sys.executable, "examples/make_dashboard.py", "--check"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
def test_the_pure_modules_pass_their_own_tests() -> None:
    names = [f"{name}.test.mjs" for name in ("dashboard", "learned", "models", "teach")]
    command = ["node", "--test", "--test-reporter=spec", *names]
    run = subprocess.run(
        command, cwd=Path(__file__).parent, capture_output=True, text=True, timeout=60, check=False
    )
    assert run.returncode == 0, run.stdout
    assert "fail 0" in run.stdout


@contextmanager
def listening() -> Iterator[tuple[str, list[str | None]]]:
    """The address of somebody who answers any page with 404, and the keys that came with each request."""
    keys: list[str | None] = []

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            keys.append(self.headers.get("X-API-Key"))
            self.do_OPTIONS(404)

        def do_OPTIONS(self, status: int = 204) -> None:
            self.send_response(status)
            for name in ("Origin", "Headers", "Methods"):
                self.send_header(f"Access-Control-Allow-{name}", "X-API-Key" if name == "Headers" else "*")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", keys
        finally:
            server.shutdown()
            thread.join()


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
            dashboard.open(f"?server={live.url}").live().until(
                "dashboard.frame && dashboard.frame.frame > 20"
            )
            assert dashboard.complaints == []
            assert dashboard.hosts == {"", f"127.0.0.1:{live.port}"}

    def test_a_key_goes_to_the_server_that_it_was_entered_for_and_to_no_other(self, browser: Any) -> None:
        """Kept for the page, it was sent to whatever the next `?server=` named."""
        with listening() as (mine, to_mine), listening() as (theirs, to_theirs):
            dashboard = Dashboard(browser, PAGE.as_uri())
            dashboard.open(f"?server={mine}")
            dashboard.page.get_by_role("button", name="API key").click()
            dashboard.page.get_by_label("Key", exact=True).fill("emg_mine")
            dashboard.page.get_by_role("button", name="Use it").click()
            until(lambda: "emg_mine" in to_mine)
            dashboard.open(f"?server={theirs}").until("dashboard.monitor.trouble")
            until(lambda: to_theirs)
            assert dashboard.page.evaluate("dashboard.server.key") == ""
            asked = len(to_mine)
            dashboard.open(f"?server={mine}/")
            until(lambda: "emg_mine" in to_mine[asked:])
            dashboard.page.context.close()
            assert set(to_theirs) == {None}

    def test_a_server_that_does_not_allow_it_is_told_apart_in_words(self, browser: Any, server: Live) -> None:
        dashboard = Dashboard(browser, PAGE.as_uri())
        dashboard.open(f"?server={server.url}").reads("#notice-text", "EMG_CORS_ORIGINS")
