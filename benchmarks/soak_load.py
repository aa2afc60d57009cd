"""The clients of `make soak`. Each acts until the time is over, notes what it has done, and keeps no connection."""

from __future__ import annotations

import http.client
import json
import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from functools import partial

import numpy as np

from tests.server.live import Client, Live

STREAMERS, POSTERS, PUSHERS = 12, 2, 3
LENGTH, CHANNELS, RATE_HZ = 200, 16, 2000  # of the shipped model
JSON, RAW = "application/json", "application/octet-stream"

Actor = Callable[[], None]


class Tally:
    """What has been done, and what went wrong."""

    def __init__(self) -> None:
        self.done: Counter[str] = Counter()
        self.errors: Counter[str] = Counter()
        self._lock = threading.Lock()

    def add(self, what: str, count: int = 1) -> None:
        with self._lock:
            self.done[what] += count

    def fail(self, error: BaseException) -> None:
        with self._lock:
            self.errors[f"{type(error).__name__}: {error}"[:200]] += 1

    def words(self) -> str:
        return ", ".join(f"{count} {what}" for what, count in sorted(self.done.items()))


def dummy_load(live: Live, ends: float, tally: Tally) -> list[Actor]:
    acts: list[Callable[[Live, random.Random, Tally], None]] = [_stream] * STREAMERS + [_post] * POSTERS
    return _repeated([*acts, _record, _err], live, ends, tally)


def push_load(live: Live, ends: float, tally: Tally) -> list[Actor]:
    return _repeated([_push] * PUSHERS + [_err], live, ends, tally)


def _repeated(
    acts: list[Callable[[Live, random.Random, Tally], None]], live: Live, ends: float, tally: Tally
) -> list[Actor]:
    def until_the_end(act: Callable[[Live, random.Random, Tally], None], number: int) -> None:
        chance = random.Random(number)
        while time.monotonic() < ends:
            try:
                act(live, chance, tally)
            except (AssertionError, OSError, ValueError, http.client.HTTPException) as error:
                tally.fail(error)
                time.sleep(0.5)

    return [partial(until_the_end, act, number) for number, act in enumerate(acts)]


def _stream(live: Live, chance: random.Random, tally: Tally) -> None:
    """Some leave after a few frames, some within one, some hear the last word, some do not read."""
    options = {"fps": chance.choice([5, 10, 30]), "votes": chance.choice([1, 3])}
    kind = chance.choice(["leaves", "within a frame", "stays", "does not read"])
    if kind == "stays":
        options["duration_seconds"] = chance.uniform(0.2, 3)
    buffer = 4096 if kind in ("within a frame", "does not read") else None
    method = chance.choice(["GET", "POST"])
    with closing(
        Client(
            live.port, method=method, receive_buffer=buffer, include_signal=chance.random() < 0.3, **options
        )
    ) as client:
        assert client.status == 200, f"a stream was answered with {client.status}"
        if kind == "stays":
            *_, last = client.events()
            assert last["status"] == "completed", last
        elif kind == "does not read":
            time.sleep(chance.uniform(0, 3))
        else:
            tally.add("frames", len(client.frames(chance.randint(1, 20))))
            if kind == "within a frame":
                client.file.read(10)
    tally.add("streams")


def _post(live: Live, chance: random.Random, tally: Tally) -> None:
    emg = np.random.default_rng(chance.randrange(99)).normal(size=(chance.choice([1, 4]), LENGTH, CHANNELS))
    with closing(http.client.HTTPConnection("127.0.0.1", live.port, timeout=20)) as connection:
        for _ in range(chance.randint(1, 20)):
            body, kind = (
                (json.dumps({"emg": emg.tolist()}).encode(), JSON)
                if chance.random() < 0.3
                else (emg.astype("<f4").tobytes(), RAW)
            )
            _asked(connection, "POST", "/infer", body, kind)
            tally.add("requests")
            time.sleep(0.05)


def _record(live: Live, chance: random.Random, tally: Tally) -> None:
    with closing(http.client.HTTPConnection("127.0.0.1", live.port, timeout=20)) as connection:
        name = json.loads(_asked(connection, "POST", "/emg/recordings", b"{}", JSON))["name"]
        time.sleep(chance.uniform(1, 3))
        _asked(connection, "POST", f"/emg/recordings/{name}/stop")
        form = chance.choice(["npz", "bdf"])
        assert _asked(connection, "GET", f"/emg/recordings/{name}/download?format={form}")
        _asked(connection, "DELETE", f"/emg/recordings/{name}")
    tally.add("recordings")


def _push(live: Live, chance: random.Random, tally: Tally) -> None:
    """Declare, push, listen, and either end the source or be back under the same name."""
    name = f"arm{chance.randrange(10**9)}"
    samples = np.random.default_rng(0).normal(size=(RATE_HZ // 20, CHANNELS)).astype("<f4").tobytes()
    with closing(http.client.HTTPConnection("127.0.0.1", live.port, timeout=20)) as connection:
        declared = json.dumps({"channels": CHANNELS, "sampling_rate_hz": RATE_HZ}).encode()
        _asked(connection, "POST", f"/emg/sources/{name}", declared, JSON)
        began = time.monotonic()
        with closing(Client(live.port, source=name, fps=20)) as client:
            assert client.status == 200
            for number in range(chance.randint(20, 60)):
                first = number * (RATE_HZ // 20)
                _asked(connection, "POST", f"/emg/sources/{name}/samples?first_sample={first}", samples, RAW)
                tally.add("pushes")
                time.sleep(max(0.0, began + (number + 1) / 20 - time.monotonic()))
            tally.add("frames", len(client.frames(5)))
        _asked(connection, "DELETE", f"/emg/sources/{name}")
    tally.add("sources")


def _err(live: Live, chance: random.Random, tally: Tally) -> None:
    """What is wrong is refused, and costs as little as what is right."""
    path = chance.choice(["/infer", "/infer/stream", "/emg/recordings", "/benchmark"])
    body = chance.choice([b"{", b"[]", b'{"x": 1}', b"\xff" * 1000])
    with closing(http.client.HTTPConnection("127.0.0.1", live.port, timeout=20)) as connection:
        connection.request("POST", path, body, {"Content-Type": JSON})
        answer = connection.getresponse()
        answer.read()
        assert 400 <= answer.status < 500, f"{path} answered {answer.status} to {body[:20]!r}"
    tally.add("refusals")
    time.sleep(0.1)


def _asked(
    connection: http.client.HTTPConnection,
    method: str,
    path: str,
    body: bytes | None = None,
    kind: str = JSON,
) -> bytes:
    connection.request(method, path, body, {"Content-Type": kind} if body else {})
    answer = connection.getresponse()
    found = answer.read()
    where = path.partition("?")[0].rpartition("/")[0]
    assert answer.status < 300, f"{method} {where}/...: {answer.status} {found[:150]!r}"
    return found
