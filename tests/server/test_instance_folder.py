"""What lies in instance/ and what may happen to it there, beside a stream that misses nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import psutil
import pytest

from app.emg.recording.folder import END, HEADER
from tests.emg.written import chunk, written
from tests.server.live import LATE_S, Client, Json, Live
from tests.server.own_project import project, serving

pytestmark = pytest.mark.server


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a project in which a killed server, a disk and an editor have left their marks."""
    made = project(tmp_path_factory.mktemp("instance"))
    root = made / "instance" / "recordings"
    for name in ("sound", "left-behind", "counted", "headless"):
        written(root, [chunk(0)], end=None if name == "left-behind" else "complete", name=name)
    said = json.loads((root / "left-behind" / HEADER).read_text())
    (root / "left-behind" / HEADER).write_text(json.dumps({**said, "sampling_rate": "200"}))
    counts = json.loads((root / "counted" / END).read_text())
    (root / "counted" / END).write_text(json.dumps({**counts, "samples": "ten", "state": 3}))
    (root / "headless" / HEADER).unlink()
    return made


@pytest.fixture(scope="module")
def live(folder: Path) -> Iterator[Live]:
    with serving(folder) as live:
        yield live
        assert "Traceback" not in live.log, live.log


@contextmanager
def reading(live: Live) -> Iterator[None]:
    """A stream of 10 frames a second that loses none in twenty meanwhile."""
    client = Client(live.port, fps=10)
    try:
        client.frames(1)
        yield
        assert client.frames(20)[-1]["dropped"] == 0
    finally:
        client.close()


@contextmanager
def without_descriptors(live: Live) -> Iterator[HTTPConnection]:
    """The worker can open nothing; a connection that it has already."""
    (pid,) = live.workers()
    process = psutil.Process(pid)
    with closing(HTTPConnection("127.0.0.1", live.port, timeout=LATE_S)) as connection:
        said(connection, "GET", "/health/live")
        usual = process.rlimit(psutil.RLIMIT_NOFILE)
        taken = {int(entry.name) for entry in Path(f"/proc/{pid}/fd").iterdir()}
        process.rlimit(psutil.RLIMIT_NOFILE, (min(set(range(4096)) - taken), usual[1]))
        try:
            yield connection
        finally:
            process.rlimit(psutil.RLIMIT_NOFILE, usual)


def said(connection: HTTPConnection, method: str, path: str) -> tuple[int, str | None]:
    """Status and Retry-After."""
    connection.request(method, path)
    answer = connection.getresponse()
    answer.read()
    return answer.status, answer.getheader("Retry-After")


FILES = (
    "GET /emg/recordings",
    "GET /emg/recordings/sound",
    "GET /emg/recordings/sound/download",
    "GET /emg/recordings/sound/download?format=bdf",
    "POST /emg/recordings/sound/stop",
    "POST /emg/recordings",
    "DELETE /emg/recordings/sound",
    "POST /stream/tickets",
    "GET /static/dashboard.css",
)
OTHERS = (
    "GET /metrics",
    "GET /",
    "GET /health",
    "GET /docs",
    "GET /openapi.json",
    "GET /infer/stream/stats",
    "POST /infer",
)


def asked(live: Live, path: str, method: str = "GET", body: Any = None) -> tuple[int, Json]:
    """Status and JSON."""
    data = None if body is None else json.dumps(body).encode()
    request = Request(f"{live.url}{path}", data, {"Content-Type": "application/json"}, method=method)
    try:
        with urlopen(request, timeout=LATE_S) as answer:
            return answer.status, json.loads(answer.read() or b"{}")
    except HTTPError as error:
        with error:
            return error.code, json.load(error)


def test_damaged_leftovers_stop_no_start_and_hide_no_other(live: Live) -> None:
    """A text for a number made the list a 500, and a server with such a leftover did not start."""
    with reading(live):
        status, said = asked(live, "/emg/recordings")
    assert status == 200
    found = {one["name"]: (one["state"], one["samples"]) for one in said["recordings"]}
    assert found == {
        "sound": ("complete", 10),
        "counted": ("complete", 10),  # from its log
        "left-behind": ("damaged", 0),
        "headless": ("damaged", 0),
    }
    assert "sampling_rate must be a number" in live.log


def test_without_a_descriptor_every_route_says_so_and_nothing_is_taken_for_gone(live: Live) -> None:
    """The list was a 500, and a recording that is there "no recording"."""
    with reading(live):
        with without_descriptors(live) as connection:
            found = {asked: said(connection, *asked.split()) for asked in (*FILES, *OTHERS)}
        assert {asked: found[asked] for asked in FILES} == dict.fromkeys(FILES, (503, "1"))
        assert {found[asked][0] for asked in OTHERS} <= {200, 503}, found
        assert asked(live, "/emg/recordings/sound")[1]["state"] == "complete"


def test_a_recording_that_runs_outlives_a_lack_of_descriptors(live: Live) -> None:
    assert asked(live, "/emg/recordings", "POST", {"name": "running"})[0] == 201
    with reading(live), without_descriptors(live) as connection:
        assert said(connection, "DELETE", "/emg/recordings/running")[0] == 503
        assert said(connection, "GET", "/emg/recordings/running")[0] == 200
    assert asked(live, "/emg/recordings/running/stop", "POST")[1]["state"] == "complete"


def test_a_server_started_by_hand_records_for_its_user_alone(live: Live, folder: Path) -> None:
    assert asked(live, "/emg/recordings", "POST", {"name": "private"})[0] == 201
    with reading(live):
        assert asked(live, "/emg/recordings/private/stop", "POST")[0] == 200
    made = folder / "instance" / "recordings" / "private"
    assert made.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in made.iterdir()} == {0o600}
