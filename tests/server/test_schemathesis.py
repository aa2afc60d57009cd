"""A running server against its own /openapi.json: thousands of requests, right and wrong, by Schemathesis.

Every check it has: no 5xx but a documented 503; status, content type, headers and body as documented; wrong data,
missing fields and undocumented methods refused; what was deleted is gone. (Settings: schemathesis.toml.) In dummy mode
the server has a rate, in push mode it asks for keys: each operation is tried without one and with a wrong one, too.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from app.keys import SCOPES, make
from tests.server.live import LATE_S, ROOT, Live, until
from tests.server.own_project import project, serving

pytestmark = [pytest.mark.server, pytest.mark.slow]

HERE = Path(__file__).parent
MOST_S = 600  # far above what a slow machine takes: cases are counted (max-examples in schemathesis.toml), not timed
CASES = 1000  # of each mode, at the least
KEY, SECRET = make("tests", SCOPES)
GUARDED = {"dummy": {"EMG_RATE_LIMIT": "100/second"}, "push": {"EMG_API_KEYS": str(KEY)}}
REFUSED = {"dummy": {"429"}, "push": {"401", "403"}}  # statuses that must have been among the answers


@pytest.mark.parametrize("mode", GUARDED)
def test_every_answer_is_as_documented(tmp_path: Path, mode: str) -> None:
    settings = {"EMG_MODE": mode, "EMG_MAX_DURATION": "0.2", "EMG_SOURCE_IDLE": "600", **GUARDED[mode]}
    with serving(project(tmp_path), **settings) as live:
        report = schemathesis(f"{live.url}/openapi.json", pushes=mode == "push")
        assert report.returncode == 0, report.stdout + report.stderr
        cases = re.search(r"(\d+) generated", report.stdout)
        assert cases is not None, report.stdout
        assert int(cases[1]) >= CASES
        until(lambda: "\nmyostream_streams_active 0.0" in metrics(live))
        until(
            lambda: set(re.findall(r'http_requests_total{.*status="(\d+)"', metrics(live))) >= REFUSED[mode]
        )
        assert SECRET not in live.log
        assert "Traceback" not in live.log, live.log


def metrics(live: Live) -> str:
    """Empty while there were too many requests just now."""
    try:
        with urlopen(Request(f"{live.url}/metrics", headers={"X-API-Key": SECRET}), timeout=LATE_S) as answer:
            return str(answer.read(), "utf-8")
    except HTTPError as error:
        error.close()
        return ""


def schemathesis(url: str, pushes: bool) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("schemathesis"))]
    command += ["--config-file", str(HERE / "schemathesis.toml"), "run", url, "--no-color"]
    command += ["--header", f"X-API-Key: {SECRET}"]
    hooks = {"SCHEMATHESIS_HOOKS": "tests.server.schemathesis_hooks", "PYTHONPATH": str(ROOT)}
    pushed = {"SCHEMATHESIS_PUSHED": "pushed"} if pushes else {}
    return subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, **hooks, **pushed},
        capture_output=True,
        text=True,
        check=False,
        timeout=MOST_S,
    )
