"""Recordings of a real server: beside streams, over its death, on a disk that fills up."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import threading
import time
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import numpy as np
import pytest

from app.emg.files.recordings import load
from app.emg.recording.writer import RecordingWriter
from app.emg.source import Chunk
from tests.emg.written import HEADER
from tests.server.live import LATE_S, Client, Json, Live, until
from tests.server.own_project import project, serving

pytestmark = pytest.mark.server

RATE, LOST_S = 2000, 1.0


def ask(live: Live, path: str, method: str = "GET", body: Any = None) -> bytes:
    data = None if body is None else json.dumps(body).encode()
    request = Request(
        f"{live.url}/emg/recordings{path}", data, {"Content-Type": "application/json"}, method=method
    )
    with urlopen(request, timeout=LATE_S) as answer:
        content: bytes = answer.read()
        assert len(content) == int(answer.headers["Content-Length"] or 0)
        return content


def state(live: Live, name: str) -> Json:
    found: Json = json.loads(ask(live, f"/{name}"))
    return found


def arrays(content: bytes) -> dict[str, np.ndarray]:
    with np.load(io.BytesIO(content), allow_pickle=False) as file:
        return {key: file[key] for key in file.files}


@pytest.mark.alone
def test_a_recording_runs_beside_streams_that_miss_nothing(tmp_path: Path) -> None:
    with serving(project(tmp_path)) as live:
        reader = Client(live.port, fps=30, duration_seconds=6)
        ask(live, "", "POST", {"name": "one", "subject": "S01"})
        *frames, last = reader.events()
        reader.close()
        ended = json.loads(ask(live, "/one/stop", "POST"))
        content = ask(live, "/one/download")
        zipped = ask(live, "/one/download?format=bdf")
        assert last["total_frames"] == len(frames)
        assert frames[-1]["dropped"] == 0
        assert (ended["state"], ended["gaps"]) == ("complete", 0)
        assert ended["samples"] > 4 * RATE
        assert zipped[:2] == b"PK"
        found = arrays(content)
        assert np.array_equal(np.diff(found["sample_index"]), np.ones(ended["samples"] - 1))
        # what was recorded of a window is what its stream was told
        judged = dict(
            zip(found["prediction_sample_index"].tolist(), found["prediction"].tolist(), strict=True)
        )
        told = {frame["sample_index"]: frame["prediction"] for frame in frames}
        both = judged.keys() & told.keys()
        assert len(both) > 60
        assert all(judged[end] == told[end] for end in both)
        assert "Traceback" not in live.log, live.log


def test_a_killed_worker_loses_at_most_the_last_second(tmp_path: Path) -> None:
    with serving(project(tmp_path)) as live:
        ask(live, "", "POST", {"name": "one"})
        client = Client(live.port, fps=50)
        newest = 0

        def watch() -> None:
            nonlocal newest
            try:
                for event in client.events():
                    newest = event.get("sample_index", newest)
            except (AssertionError, OSError):  # the connection was cut
                pass

        watcher = threading.Thread(target=watch)
        watcher.start()
        time.sleep(4)
        killed = live.workers()
        for pid in killed:
            os.kill(pid, signal.SIGKILL)
        watcher.join(LATE_S)
        client.close()
        until(lambda: live.workers() and live.workers() != killed and live.ready())
        assert live.stats()["active_streams"] == 0
        found = state(live, "one")
        assert (found["state"], found["recovered"], found["gaps"]) == ("complete", True, 0)
        assert "left behind by a killed server" in live.log
        content = ask(live, "/one/download")
        (tmp_path / "one.npz").write_bytes(content)
        held = load(tmp_path / "one.npz")
        assert len(held.emg) == found["samples"]
        last = int(arrays(content)["sample_index"][-1])
        assert newest > 2 * RATE
        assert last >= newest - LOST_S * RATE
        ask(live, "", "POST", {"name": "two"})  # the new worker records anew
        assert json.loads(ask(live, "/two/stop", "POST"))["state"] == "complete"


def test_a_server_that_is_stopped_finishes_its_recordings(tmp_path: Path) -> None:
    folder = project(tmp_path)
    with serving(folder) as live:
        ask(live, "", "POST", {"name": "one"})
        until(lambda: state(live, "one")["samples"] > RATE)
        assert live.stop() == 0
        assert "Traceback" not in live.log, live.log
    end = json.loads((folder / "instance" / "recordings" / "one" / "end.json").read_text())
    assert (end["state"], end["recovered"], end["error"]) == ("complete", False, None)
    assert end["samples"] > RATE


def refusal(live: Live, *asked: Any) -> str:
    """Why it is a 503."""
    with pytest.raises(HTTPError) as refused:
        ask(live, *asked)
    with refused.value as answer:
        assert answer.status == 503
        return str(json.load(answer)["detail"])


def mount(options: str, folder: Path) -> bool:
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 256 KiB, two seconds of signal."""
    made = project(tmp_path)
    folder = made / "instance" / "recordings"
    folder.mkdir()
    if os.geteuid() != 0 or not mount("size=256k", folder):
        pytest.skip("a small disk can only be mounted by root")
    yield made
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.alone
def test_a_full_disk_ends_the_recording_and_no_stream(tmp_path: Path, small_disk: Path) -> None:
    with serving(small_disk) as live:
        reader = Client(live.port, fps=30, duration_seconds=8)
        ask(live, "", "POST", {"name": "one"})
        until(lambda: state(live, "one")["state"] != "recording")
        found = state(live, "one")
        assert found["state"] == "failed"
        assert found["error"] == "the recording cannot be written: No space left on device"
        assert 0 < found["samples"] < 4 * RATE
        filler = small_disk / "instance" / "recordings" / "filler"
        with pytest.raises(OSError, match="No space left"):
            filler.write_bytes(bytes(2**20))
        assert "No space left on device" in refusal(live, "", "POST", {"name": "two"})
        assert "No space left on device" in refusal(live, "/one/download")  # which is made there first
        *frames, last = reader.events()
        reader.close()
        assert last["total_frames"] == len(frames)
        assert frames[-1]["dropped"] == 0
        assert live.stats()["active_streams"] == 0
        assert live.ready()
        filler.unlink()
        mount("remount,size=1m", filler.parent)
        assert len(arrays(ask(live, "/one/download"))["sample_index"]) == found["samples"]
        ask(live, "/one", "DELETE")
        ask(live, "", "POST", {"name": "two"})
        until(lambda: state(live, "two")["samples"] > 0)
        assert "No space left on device" in live.log
        assert "Traceback" not in live.log, live.log


@pytest.fixture(scope="module")
def with_a_long_one(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """A server with a recording of twenty minutes."""
    folder = project(tmp_path_factory.mktemp("long"))
    writer = RecordingWriter(
        folder / "instance" / "recordings", replace(HEADER, name="long", channels=16, sampling_rate=2000.0)
    )
    random = np.random.default_rng(0)
    for k in range(20 * 60):
        samples = random.normal(size=(2000, 16)).astype(np.float32)
        writer.write([Chunk(index=2000 * k, samples=samples)])
    writer.finish("complete")
    with serving(folder) as live:
        yield live


@pytest.mark.alone
@pytest.mark.parametrize("form", ["npz", "bdf"])
def test_the_download_of_a_long_recording_holds_no_stream_up(
    with_a_long_one: Live, tmp_path: Path, form: str
) -> None:
    """Made and sent in one piece each, they held every stream for 0.3 s (13 and 6 frames)."""
    live = with_a_long_one
    reader = Client(live.port, fps=30, duration_seconds=10)
    reader.frames(10)
    command = ["curl", "-sf", "-m", "60", "-o", str(tmp_path / "long"), "-w", "%{size_download}"]
    url = f"{live.url}/emg/recordings/long/download?format={form}"
    curl = subprocess.Popen([*command, url], stdout=subprocess.PIPE)
    *frames, _ = reader.events()
    reader.close()
    size, _ = curl.communicate(timeout=60)
    assert int(size) == (tmp_path / "long").stat().st_size > 50e6
    assert zipfile.is_zipfile(tmp_path / "long")
    assert frames[-1]["dropped"] <= 1
