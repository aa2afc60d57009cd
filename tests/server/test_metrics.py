"""`/metrics` of two workers: each answers for both."""

from __future__ import annotations

import json
import re
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

from tests.server.live import gunicorn, until

pytestmark = pytest.mark.server

ROW = r'myostream_http_requests_total\{method="POST",route="/infer",status="200"\} (\S+)'


def metrics(url: str) -> str:
    with urlopen(f"{url}/metrics", timeout=20) as answer:
        text: str = answer.read().decode()
        return text


def test_every_scrape_counts_the_requests_of_both_workers(tmp_path: Path) -> None:
    with gunicorn(tmp_path, WEB_CONCURRENCY="2") as live:
        until(lambda: "myostream_workers 2.0" in metrics(live.url))
        body = json.dumps({"emg": [[0.0] * 16] * 200}).encode()
        for _ in range(20):  # a connection each: the kernel gives them to either
            with urlopen(
                Request(f"{live.url}/infer", body, {"Content-Type": "application/json"}), timeout=20
            ):
                pass
        seen = {re.search(ROW, metrics(live.url))[1] for _ in range(8)}
        assert seen == {"20.0"}
        assert len(re.findall(r"^myostream_worker_memory_bytes\{", metrics(live.url), re.MULTILINE)) == 2
