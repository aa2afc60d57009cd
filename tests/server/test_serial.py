"""EMG_MODE=realtime for real: a fake device in a process of its own at the other end of a pseudo-terminal."""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from urllib.request import urlopen

import pytest

from tests.emg.devices import fake_device, plugged_in, unplug
from tests.server.live import LATE_S, START_S, Json, Live, connecting, gunicorn, until
from tests.server.test_raising import posted

pytestmark = pytest.mark.server

RATE = 2000  # Hz, of the default model
STREAMS, SECONDS = 50, 60.0
BACK_S = 2.0  # the longest that a device which is there again may be waited for


def source(live: Live) -> Json:
    with urlopen(f"{live.url}/health", timeout=LATE_S) as answer:
        found: Json = json.load(answer)["source"]
        return found


@contextmanager
def not_ready(folder: Path, **settings: str) -> Iterator[Live]:
    """A server that answers, and whose source does not deliver."""
    with gunicorn(folder, prefix=("env",), **settings) as live:
        until(lambda: answers(live), START_S)
        yield live


def answers(live: Live) -> bool:
    try:
        return bool(source(live))
    except OSError:
        return False


def serial(port: Path, **more: str) -> dict[str, str]:
    return {"EMG_MODE": "realtime", "EMG_PORT": str(port), **more}


@pytest.mark.alone
def test_a_minute_with_fifty_streams_loses_not_one_sample(tmp_path: Path) -> None:
    """The device never waits: what is not read in time is lost, and its counter tells."""
    port = tmp_path / "emg0"
    with (
        fake_device(port) as device,
        gunicorn(tmp_path, **serial(port)) as live,
        connecting(live.port) as connect,
    ):
        before, began = source(live), time.monotonic()
        clients = [connect(fps=30, duration_seconds=SECONDS) for _ in range(STREAMS)]
        with ThreadPoolExecutor(STREAMS) as readers:
            streams = list(readers.map(lambda client: list(client.events()), clients))
        after, seconds = source(live), time.monotonic() - began
        last_words = unplug(device)
    assert (after["lost_samples"], after["gaps"], after["error"]) == (0, 0, None)
    assert "0 pieces damaged, 0 lost because nobody read fast enough" in last_words
    assert after["samples"] - before["samples"] == pytest.approx(seconds * RATE, abs=0.5 * RATE)
    assert after["measured_rate_hz"] == pytest.approx(RATE, rel=1e-3)
    for events in streams:
        *frames, last = events
        assert last["status"] == "completed"
        assert all("prediction" in frame for frame in frames)  # neither stalled nor failed in between
        assert len(frames) + frames[-1]["dropped"] == pytest.approx(SECONDS * 30, abs=30)


def test_an_unplugged_device_stalls_the_streams_and_one_that_is_back_goes_on(tmp_path: Path) -> None:
    port = tmp_path / "emg0"
    with (
        fake_device(port) as first,
        gunicorn(tmp_path, **serial(port)) as live,
        connecting(live.port) as connect,
    ):
        workers = live.workers()
        client = connect(fps=20, min_confidence=0.0)
        events = client.events()
        seen = [next(events) for _ in range(10)]
        unplug(first)
        until(lambda: source(live)["state"] == "disconnected")
        assert "unplugged" in source(live)["error"] or "there is no port" in source(live)["error"]
        stalled = next(event for event in events if event.get("status") == "stalled")
        assert "disconnected" in json.dumps(stalled) or "unplugged" in json.dumps(stalled)
        assert posted(live) == 200  # who brings windows needs no source
        with fake_device(port, "--seed", "1"):
            assert until(lambda: source(live)["state"] == "running") < BACK_S
            recovered = next(event for event in events if event.get("status") == "recovered")
            assert recovered
            seen += [next(events) for _ in range(10)]
        client.close()
        until(lambda: live.stats()["active_streams"] == 0)
        assert live.stats()["groups"] == []
        assert live.workers() == workers
        assert live.log.count(f"serial: {port} was unplugged") >= 1
        assert live.log.count("serial delivers again") == 1
        assert "Traceback" not in live.log
    indices = [event["sample_index"] for event in seen if "prediction" in event]
    assert indices == sorted(set(indices))


def test_a_server_may_be_there_before_its_device(tmp_path: Path) -> None:
    port = tmp_path / "emg0"
    with not_ready(tmp_path, **serial(port)) as live:
        until(lambda: source(live)["state"] == "disconnected")
        assert f"there is no port {port}; this machine has" in source(live)["error"]
        assert not live.ready()
        with fake_device(port):
            assert until(live.ready) < BACK_S
        until(lambda: source(live)["state"] == "disconnected")
    told = [line for line in live.log.splitlines() if "there is no port" in line]
    assert len(told) == 1, live.log  # not twice a second
    assert "Traceback" not in live.log


@pytest.mark.alone
def test_a_second_server_on_a_port_says_so(tmp_path: Path) -> None:
    port = tmp_path / "emg0"
    with fake_device(port), gunicorn(tmp_path, **serial(port)) as first:
        with not_ready(tmp_path, **serial(port)) as second:
            until(lambda: source(second)["state"] == "disconnected")
            assert f"{port} is in use by another program" in source(second)["error"]
            assert "is in use by another program" in second.log
        assert first.ready()
        assert source(first)["lost_samples"] == 0


def test_noise_as_of_a_wrong_baud_rate_is_a_clear_state_and_no_end(tmp_path: Path) -> None:
    port = tmp_path / "emg0"
    over = threading.Event()
    noise = random.Random(0)
    with plugged_in(port) as terminal, not_ready(tmp_path, **serial(port)) as live:

        def send_noise() -> None:
            while not over.wait(0.01):
                terminal.write(noise.randbytes(300))

        sender = threading.Thread(target=send_noise)
        sender.start()
        try:
            until(lambda: source(live)["error"] and "no sample as binary" in source(live)["error"])
        finally:
            over.set()
            sender.join()
        assert "EMG_BAUD" in source(live)["error"]
        assert source(live)["state"] == "disconnected"
        terminal.close()
        with fake_device(port):
            until(live.ready)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (
            {"EMG_BAUD": "115200"},
            "16 channels at 2000 Hz as binary are at least 64125; what would fit: EMG_BAUD=921600",
        ),
        ({"EMG_FORMAT": "csv", "EMG_BAUD": "921600"}, "EMG_FORMAT=binary"),
    ],
)
def test_what_no_wire_can_carry_is_refused_at_the_start(
    tmp_path: Path, more: dict[str, str], words: str
) -> None:
    with gunicorn(tmp_path, prefix=("env",), **serial(tmp_path / "emg0", **more)) as live:
        assert live.process.wait(START_S) != 0
    assert words in live.log
    assert "Traceback" not in live.log
