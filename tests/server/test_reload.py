"""SIGHUP: new workers with the model and the settings of now; streams end so that they can go on at once."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path
from urllib.request import urlopen

import pytest

from tests.server.live import START_S, Client, Live, until
from tests.server.own_project import project, serving

pytestmark = pytest.mark.server


def reload(live: Live) -> int:
    """The process id of the worker that was there before."""
    (before,) = live.workers()
    os.kill(live.process.pid, signal.SIGHUP)
    return before


def test_a_stream_ends_with_reload_and_goes_on_at_the_next_worker(tmp_path: Path) -> None:
    with serving(project(tmp_path)) as live:
        client = Client(live.port, fps=20)
        events = client.events()
        first = next(events)
        before = reload(live)
        told = [first, *events]
        assert (told[-1]["status"], told[-1]["reason"]) == ("completed", "reload")
        frames = [event for event in told if "prediction" in event]
        client.close()
        until(lambda: before not in live.workers() and live.ready(), START_S)
        again = Client(live.port, fps=20, last_event_id=client.last_id)
        assert again.frames(1)[0]["frame"] == len(frames)
        # the new worker was not reloaded: at SIGTERM it says so
        live.process.send_signal(signal.SIGTERM)
        *_, last = again.events()
        assert last["reason"] == "shutdown"
        again.close()
        assert live.process.wait(20) == 0


def test_settings_in_dotenv_are_read_anew(tmp_path: Path) -> None:
    folder = project(tmp_path)
    dotenv = folder / ".env"
    dotenv.write_text("EMG_MAX_STREAMS=1\n", encoding="utf-8")
    with serving(folder) as live:
        first = Client(live.port, fps=10)
        refused = Client(live.port, fps=10)
        assert (first.status, refused.status) == (200, 503)
        dotenv.write_text("EMG_MAX_STREAMS=3\n", encoding="utf-8")
        before = reload(live)
        until(lambda: before not in live.workers() and live.ready(), START_S)
        clients = [Client(live.port, fps=10) for _ in range(3)]
        assert [client.status for client in clients] == [200] * 3
        for client in (first, refused, *clients):
            client.close()


def test_code_is_read_anew_also_what_the_master_knows_already(tmp_path: Path) -> None:
    """A worker is forked from the master, and had its old settings beside the new code that reads them."""
    folder = project(tmp_path)
    with serving(folder) as live:
        config = folder / "app" / "config.py"
        text = config.read_text(encoding="utf-8")
        assert "max_streams: int = 1600" in text
        config.write_text(text.replace("max_streams: int = 1600", "max_streams: int = 1"), encoding="utf-8")
        before = reload(live)
        until(lambda: before not in live.workers() and live.ready(), START_S)
        clients = [Client(live.port, fps=10) for _ in range(2)]
        assert [client.status for client in clients] == [200, 503]
        for client in clients:
            client.close()


@pytest.mark.parametrize(
    ("mistake", "named"),
    [("EMG_MODEL=nobody", "nobody"), ("EMG_MODE=ninapro\nEMG_RECORDING=/nowhere/S1.mat", "/nowhere/S1.mat")],
    ids=["model", "recording"],
)
def test_a_mistake_in_the_settings_changes_nothing(tmp_path: Path, mistake: str, named: str) -> None:
    folder = project(tmp_path)
    with serving(folder) as live:
        client = Client(live.port, fps=10)
        events = client.events()
        next(events)
        (folder / ".env").write_text(f"{mistake}\n", encoding="utf-8")
        before = reload(live)
        until(lambda: "the reload is refused" in live.log)
        assert named in live.log
        ends = time.monotonic() + 2
        while time.monotonic() < ends:
            assert "prediction" in next(events)
        assert live.workers() == [before]
        (folder / ".env").write_text("", encoding="utf-8")
        until(lambda: "prediction" in next(events))
        reload(live)
        until(lambda: before not in live.workers() and live.ready(), START_S)
        assert list(events)[-1]["reason"] == "reload"
        client.close()
        with urlopen(f"{live.url}/metrics", timeout=20) as answer:
            text = answer.read().decode()
        assert "myostream_workers 1.0" in text, json.dumps(text)
