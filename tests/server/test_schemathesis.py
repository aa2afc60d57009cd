"""A running server against its own /openapi.json: thousands of requests, right and wrong, by Schemathesis.

Every check it has: no 5xx but a documented 503; status, content type, headers and body as documented; wrong data,
missing fields and undocumented methods refused; what was deleted is gone. (Settings: schemathesis.toml.)
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.server.live import LATE_S, ROOT, until
from tests.server.own_project import project, serving

pytestmark = [pytest.mark.server, pytest.mark.slow]

HERE = Path(__file__).parent
SECONDS = {"dummy": 40, "push": 30}
CASES = 1000  # of each mode, at the least


@pytest.mark.parametrize("mode", SECONDS)
def test_every_answer_is_as_documented(tmp_path: Path, mode: str) -> None:
    settings = {"EMG_MODE": mode, "EMG_MAX_DURATION": "0.2", "EMG_SOURCE_IDLE": "600"}
    with serving(project(tmp_path), **settings) as live:
        report = schemathesis(f"{live.url}/openapi.json", SECONDS[mode], pushes=mode == "push")
        assert report.returncode == 0, report.stdout + report.stderr
        cases = re.search(r"(\d+) generated", report.stdout)
        assert cases is not None, report.stdout
        assert int(cases[1]) >= CASES
        until(lambda: live.stats()["active_streams"] == 0, LATE_S)
        assert "Traceback" not in live.log, live.log


def schemathesis(url: str, seconds: int, pushes: bool) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("schemathesis"))]
    command += ["--config-file", str(HERE / "schemathesis.toml"), "run", url, "--no-color"]
    command += ["--max-time", str(seconds)]
    hooks = {"SCHEMATHESIS_HOOKS": "tests.server.schemathesis_hooks", "PYTHONPATH": str(ROOT)}
    pushed = {"SCHEMATHESIS_PUSHED": "pushed"} if pushes else {}
    return subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, **hooks, **pushed},
        capture_output=True,
        text=True,
        check=False,
        timeout=seconds + 60,
    )
