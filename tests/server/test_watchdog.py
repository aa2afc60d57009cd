"""An engine that hangs: readiness falls, streams are told, the worker is replaced."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from tests.server.live import START_S, Client, Live, until
from tests.server.own_project import faulty_project, serving

pytestmark = pytest.mark.server


@contextmanager
def hanging(folder: Path, on: str) -> Iterator[tuple[Live, Path]]:
    """A server whose engine hangs while the file is there; it is gone once a worker has ended."""
    code = faulty_project(folder)
    with serving(code, EMG_ENGINE_TIMEOUT="2", HANGS_ON=on) as live:
        yield live, code / "engine hangs"


def not_ready(live: Live) -> str:
    """Why; empty while it is."""
    try:
        with urlopen(f"{live.url}/health/ready", timeout=5):
            return ""
    except HTTPError as error:
        return str(json.load(error)["detail"])


def test_readiness_falls_streams_are_told_and_the_worker_is_replaced(tmp_path: Path) -> None:
    with hanging(tmp_path, "engine thread") as (live, flag):
        client = Client(live.port, fps=10)
        events = client.events()
        assert "prediction" in next(events)
        (before,) = live.workers()
        flag.touch()
        until(lambda: "the engine hangs: onnxruntime" in not_ready(live))
        told = list(events)
        assert any("the engine hangs" in event.get("error", "") for event in told)
        assert (told[-1]["status"], told[-1]["reason"]) == ("completed", "restart")
        assert client.finished
        until(lambda: live.workers() != [before])
        flag.unlink()
        until(live.ready, START_S)
        assert "exited with code 70" in live.log
        # the place in the stream is kept over the change
        again = Client(live.port, fps=10, last_event_id=client.last_id)
        assert again.frames(1)[0]["frame"] >= len([event for event in told if "prediction" in event])
        client.close()
        again.close()
        until(lambda: live.stats()["active_streams"] == 0)
        with urlopen(f"{live.url}/metrics", timeout=20) as answer:
            assert b'myostream_engine_hangs_total{backend="onnxruntime"} 1.0' in answer.read()


def test_a_call_that_holds_the_hub_is_seen_all_the_same(tmp_path: Path) -> None:
    """Run in place, the call stops every greenlet of its worker: only a native thread can end that."""
    with hanging(tmp_path, "hub") as (live, flag):
        client = Client(live.port, fps=10)
        client.frames(1)
        (before,) = live.workers()
        flag.touch()
        began = time.monotonic()
        until(lambda: live.workers() not in ([before], []))
        assert time.monotonic() - began < 15  # gunicorn's own timeout would take 30 s
        flag.unlink()
        until(live.ready, START_S)
        client.close()
