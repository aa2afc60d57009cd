"""SIGHUP: new workers with the model and the settings of now; streams end so that they can go on at once."""

from __future__ import annotations

import json
import os
import signal
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import psutil
import pytest

from app.keys import make
from app.ticket_folder import PREFIX
from tests.server.live import LATE_S, START_S, Client, Live, free_port, gunicorn, until
from tests.server.own_project import project, serving

pytestmark = pytest.mark.server

ENDS_S = 4.0  # a second, and what a busy machine adds


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


@pytest.mark.parametrize("said", ["Handling signal: hup", "Booting worker"], ids=["check", "workers"])
def test_sigterm_does_not_wait_for_reloads(tmp_path: Path, said: str) -> None:
    """With eight of them before it, the server ended after 57 s; and its tickets' folder goes with it."""
    tmp = tmp_path / "tmp"
    (tmp / f"{PREFIX}of-a-killed-server").mkdir(parents=True, mode=0o700)
    with serving(project(tmp_path), TMPDIR=str(tmp)) as live:
        (tickets,) = tmp.glob(f"{PREFIX}*")  # its own
        assert tickets.name != f"{PREFIX}of-a-killed-server"
        client = Client(live.port, fps=20)
        events = client.events()
        next(events)
        known = len(live.log)
        for _ in range(8):
            os.kill(live.process.pid, signal.SIGHUP)
            time.sleep(0.01)  # the kernel itself makes one of those that it has not yet delivered
        until(lambda: said in live.log[known:], START_S)
        live.process.send_signal(signal.SIGTERM)
        told = time.monotonic()
        *_, last = events
        client.close()
        assert last["reason"] in ("shutdown", "reload")
        assert live.process.wait(LATE_S) == 0
        assert time.monotonic() - told < ENDS_S
        assert live.log.count("Handling signal: hup") == 1
        assert live.log.count("Handling signal: term") == 1
        assert "Traceback" not in live.log, live.log
        assert not tickets.exists()


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


@contextmanager
def with_keys_for_everybody(folder: Path) -> Iterator[Live]:
    """A server that the network reaches, by --bind, and that has its only key from `.env`."""
    (folder / ".env").write_text(f"EMG_API_KEYS={make('lab', ['read'])[0]}\n", encoding="utf-8")
    port = free_port()
    given = {"GUNICORN_CMD_ARGS": f"--bind 0.0.0.0:{port}"}
    with gunicorn(folder.parent, prefix=("env", "-C", str(folder)), **given) as live:
        live.port = port
        until(lambda: live.ready() or live.process.poll() is not None, START_S)
        assert live.process.poll() is None, live.log
        yield live


def status_without_key(live: Live) -> int:
    try:
        with urlopen(f"{live.url}/health", timeout=LATE_S) as answer:
            return int(answer.status)
    except HTTPError as error:
        with error:
            return error.code


def test_a_reload_without_keys_is_refused_where_the_network_reaches_the_server(tmp_path: Path) -> None:
    """Only EMG_BIND was looked at, not --bind: the new workers answered everybody."""
    folder = project(tmp_path)
    with with_keys_for_everybody(folder) as live:
        assert status_without_key(live) == 401
        (folder / ".env").write_text("", encoding="utf-8")
        before = reload(live)
        until(lambda: "the reload is refused" in live.log or before not in live.workers(), START_S)
        (line,) = [line for line in live.log.splitlines() if "the reload is refused" in line]
        assert f"0.0.0.0:{live.port} lets anyone on the network in without a key" in json.loads(line)["event"]
        assert (live.workers(), status_without_key(live)) == ([before], 401)


def test_a_worker_in_place_of_a_dead_one_does_not_open_the_door(tmp_path: Path) -> None:
    """It reads `.env` again: without the keys in it the server ends, with the reason in one line."""
    folder = project(tmp_path)
    with with_keys_for_everybody(folder) as live:
        (folder / ".env").write_text("", encoding="utf-8")
        (worker,) = live.workers()
        psutil.Process(worker).kill()
        assert live.process.wait(START_S) != 0
        (line,) = [line for line in live.log.splitlines() if "error: " in line]
        assert f"0.0.0.0:{live.port} lets anyone on the network in without a key" in line
        assert "Traceback" not in live.log


def test_after_a_reload_every_line_of_the_log_is_one_json_object(tmp_path: Path) -> None:
    """gunicorn makes its handlers anew at SIGHUP: each of its lines came twice, once as text that nobody scrubs."""
    with serving(project(tmp_path), EMG_LOG_FORMAT="json") as live:
        known = len(live.log)
        before = reload(live)
        until(lambda: before not in live.workers() and live.ready(), START_S)
        live.stop()
        lines = [json.loads(line) for line in live.log[known:].splitlines()]
        said = Counter(line["event"] for line in lines if line["logger"] == "gunicorn.error")
        assert said[f"Worker exiting (pid: {before})"] == 1
        assert set(said.values()) == {1}, said


def test_the_masters_own_lines_follow_dotenv_too(tmp_path: Path) -> None:
    folder = project(tmp_path)
    dotenv = folder / ".env"
    dotenv.write_text("EMG_LOG_FORMAT=json\n", encoding="utf-8")
    with serving(folder) as live:
        dotenv.write_text("EMG_LOG_FORMAT=text\n", encoding="utf-8")
        before = reload(live)
        until(lambda: before not in live.workers() and live.ready(), START_S)
        dotenv.write_text(
            "EMG_LOG_FORMAT=json\n", encoding="utf-8"
        )  # which the master's environment would hide
        known, before = len(live.log), reload(live)
        until(lambda: before not in live.workers() and live.ready(), START_S)
        live.stop()
        booting = [line for line in live.log[known:].splitlines() if "Booting worker" in line]
        assert [json.loads(line)["level"] for line in booting] == ["info"]


def test_the_number_of_workers_may_stand_in_dotenv_and_outlasts_a_reload(tmp_path: Path) -> None:
    """gunicorn knows WEB_CONCURRENCY from its environment alone: in `.env` it was read and passed over."""
    folder = project(tmp_path)
    (folder / ".env").write_text("WEB_CONCURRENCY=2\n", encoding="utf-8")
    with serving(folder) as live:
        before = live.workers()
        assert len(before) == 2
        os.kill(live.process.pid, signal.SIGHUP)
        until(lambda: not set(before) & set(live.workers()) and live.ready(), START_S)
        assert len(live.workers()) == 2
