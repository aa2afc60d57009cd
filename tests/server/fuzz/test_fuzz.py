"""Garbage on every route of a running server, and nothing of it may be felt: what audits find is kept out by this.

Some two thousand requests in each of the modes `dummy` and `push`, the same every time (FUZZ_SEED has others), from
four clients at once. No answer is a 5xx but a documented 503; nobody waits in vain; a reader at 30 fps never waits a
quarter of a second; the worker's memory is back within 5 % afterwards; what was answered soundly before is so again.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest

from tests.server.fuzz.garbage import shots, whole
from tests.server.fuzz.routes import KEPT, READER, Sound, documented_503, sound
from tests.server.fuzz.shot import Outcome, Shot, fire
from tests.server.fuzz.watch import MOST_GAP_S, Seen, back, gaps, grown, memory, watching
from tests.server.live import LATE_S, Json, Live, until
from tests.server.own_project import project, serving

# alone: it asks how long a reader waits
pytestmark = [pytest.mark.server, pytest.mark.slow, pytest.mark.alone]

SEED, CLIENTS = int(os.environ.get("FUZZ_SEED", "14")), 4
SETTINGS = {"EMG_BODY_TIMEOUT": "2", "EMG_SOURCE_IDLE": "5", "EMG_MAX_SOURCES": "8"}
SMALL = 2**13  # bytes
BACK_S = 20.0  # until memory is given back; sources that garbage has declared end after EMG_SOURCE_IDLE


@pytest.mark.parametrize("mode", ["dummy", "push"])
def test_garbage_on_every_route_is_refused_and_felt_by_nobody(tmp_path: Path, mode: str) -> None:
    with serving_reader(tmp_path, mode) as (live, source, seen):
        record(live, source)
        sounds = sound(mode, source)
        (worker,) = live.workers()
        assert wrongly_answered(live, sounds) == []
        listed = recordings(live)
        sent(live, warming(sounds))
        tidy_up(live, source)
        held = memory(worker)
        outcomes = sent(live, shots(sounds, SEED))
        assert faults(outcomes, documented_503(asked(live, "/openapi.json")["paths"])) == []
        tidy_up(live, source)
        assert back(worker, held, BACK_S), f"{grown(held, memory(worker)):+.1%} of memory is left"
        assert recordings(live) == listed
        assert wrongly_answered(live, sounds) == []
        assert live.workers() == [worker]
        assert "Traceback" not in live.log, live.log
    assert waits(seen, outcomes) == []
    assert seen.dropped <= len(seen.arrivals) / 20


@contextmanager
def serving_reader(folder: Path, mode: str) -> Iterator[tuple[Live, str, Seen]]:
    """A server, the source that is read of it, and what the reader has seen, in the end."""
    with serving(project(folder), EMG_MODE=mode, **SETTINGS) as live:
        source = READER if mode == "push" else asked(live, "/emg/sources")["default"]
        with watching(live, source, pushes=mode == "push") as seen:
            yield live, source, seen


def asked(live: Live, path: str, method: str = "GET", **values: Any) -> Any:
    body = json.dumps(values).encode() if values else None
    request = Request(f"{live.url}{path}", body, {"Content-Type": "application/json"}, method=method)
    with urlopen(request, timeout=LATE_S) as answer:
        return json.loads(answer.read() or b"null")


def record(live: Live, source: str) -> None:
    asked(live, "/emg/recordings", "POST", name=KEPT, source=source)
    time.sleep(0.5)
    asked(live, f"/emg/recordings/{KEPT}/stop", "POST")


def recordings(live: Live) -> list[Json]:
    found: list[Json] = asked(live, "/emg/recordings")["recordings"]
    return found


def wrongly_answered(live: Live, sounds: list[Sound]) -> list[str]:
    """Those of the sound requests that are not answered as they should."""
    found = []
    for one in sounds:
        outcome = fire(live.port, Shot(kind="sound", sound=one, pieces=(whole(one),)))
        if outcome.status != one.status:
            found.append(f"{one.method} {one.rule}: {outcome.status}, not {one.status} {outcome.trouble}")
    return found


def warming(sounds: list[Sound]) -> list[Shot]:
    """Some garbage of the smaller kind, which fills caches and pools and needs no memory that could be kept."""
    return [one for one in shots(sounds[::3], SEED + 1) if len(one.pieces[0]) <= SMALL]


def sent(live: Live, garbage: list[Shot]) -> list[Outcome]:
    with ThreadPoolExecutor(CLIENTS) as pool:
        return list(pool.map(partial(fire, live.port), garbage))


def faults(outcomes: list[Outcome], may_503: set[tuple[str, str]]) -> list[str]:
    """What no garbage may bring about, as lines."""
    return [f"{o.status or o.trouble} after {o.shot}" for o in outcomes if is_fault(o, may_503)]


def is_fault(outcome: Outcome, may_503: set[tuple[str, str]]) -> bool:
    """501 is what an unknown transfer coding is answered (RFC 9112, section 6.1)."""
    shot = outcome.shot
    if outcome.status is None:
        return bool(outcome.trouble)
    if outcome.status == 503:
        return (shot.sound.rule, shot.sound.method) not in may_503
    return outcome.status >= 500 and not (outcome.status == 501 and shot.kind == "framed")


def tidy_up(live: Live, source: str) -> None:
    """Delete what garbage has made: it was not all wrong."""
    for name in {found["name"] for found in recordings(live)} - {KEPT}:
        asked(live, f"/emg/recordings/{name}/stop", "POST")
        asked(live, f"/emg/recordings/{name}", "DELETE")
    for profile in asked(live, "/profiles")["profiles"]:
        asked(live, f"/profiles/{profile['name']}", "DELETE")
    until(lambda: live.stats()["active_streams"] == 1)
    until(lambda: [one["name"] for one in asked(live, "/emg/sources")["sources"]] == [source])


def waits(seen: Seen, outcomes: list[Outcome]) -> list[str]:
    """When the reader has waited too long, and what was under way."""
    found = [seen.last_word] if seen.last_word else []
    for begin, end in gaps(seen):
        if end - begin >= MOST_GAP_S:
            meanwhile = [str(o.shot) for o in outcomes if o.began < end and o.ended > begin]
            found.append("\n  ".join([f"{end - begin:.3f} s without a frame, meanwhile:", *meanwhile]))
    return found
