"""The client for Unity and a real server: what it sent, read as Python reads it; cuts, keys, the component itself."""

from __future__ import annotations

import json
import random
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from app.keys import hash_of
from myostream_client import Frame
from myostream_client.events import event_of
from tests.clients.cutting_proxy import CuttingProxy
from tests.clients.event_streams import parsed
from tests.clients.unity.built import NEEDS_MONO, Ask, starting
from tests.server.live import LATE_S, Live, connecting, gunicorn, until

pytestmark = [pytest.mark.server, NEEDS_MONO]

TRANSPORTS = ["Sse", "WebSocket"]
KEY = "a-key-for-these-tests-and-no-others-0123456789"
ASKED: dict[str, Any] = {"fps": 25, "events": True, "gesture_rules": {"hold_s": 0.2}}
FIELDS = {  # of a frame here and there
    "Index": "frame", "Prediction": "prediction", "Label": "label", "Decision": "decision", "Truth": "truth",
    "SampleIndex": "sample_index", "DecisionLabel": "decision_label", "Dropped": "dropped", "Unknown": "unknown",
}  # fmt: skip
NUMBERS = {"Confidence": "confidence", "Intensity": "intensity", "Strength": "strength", "AgeMs": "age_ms"}


class Running:
    """A program that prints lines of JSON; ends with the block."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.said: list[Any] = []
        self.thread = threading.Thread(target=self._read)
        self.thread.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.startswith("{"):
                self.said.append(json.loads(line))
            elif not line.startswith(("log ", "error ")):  # Debug's
                self.said.append({"unexpected": line})

    def of(self, key: str) -> list[Any]:
        return [one for one in list(self.said) if key in one]

    def end(self) -> int:
        """Close its stdin, or find that it has ended; its exit code."""
        if self.process.stdin is not None:
            self.process.stdin.close()
        code = self.process.wait(LATE_S)
        self.thread.join(LATE_S)
        assert self.of("unexpected") == []
        return code


@contextmanager
def running(program: Path, *arguments: str) -> Iterator[Running]:
    with starting(program, *arguments) as process:  # closes its pipes
        found = Running(process)
        try:
            yield found
        finally:
            process.kill()
            found.thread.join(LATE_S)


def streaming(program: Path, url: str, transport: str, **more: Any) -> Any:
    return running(
        program, "stream", json.dumps({"url": url, "transport": transport, "options": ASKED, **more})
    )


def test_what_a_server_sent_is_read_as_python_reads_it(server: Live, ask: Ask) -> None:
    with connecting(server.port) as connect:
        body = b"".join(connect(duration_seconds=6, include_signal=True, **ASKED).pieces())
    chance, cuts = random.Random(0), [0, len(body)]
    cuts = sorted({*cuts, *(chance.randrange(len(body)) for _ in range(500))})
    pieces = [body[start:end] for start, end in pairwise(cuts)]
    (found,) = ask("parse", [",".join(piece.hex() for piece in pieces)])
    events, last_id, _ = parsed(body)
    assert [(one["id"], one["data"]) for one in found["events"]] == [(one.id, one.data) for one in events]
    assert found["last_event_id"] == last_id == "end"
    phases = []
    for event, typed in zip(events, ask("read", [one.data for one in events]), strict=True):
        said = json.loads(event.data)
        if "phase" in said:
            phases.append(said["phase"])
            assert (typed["Gesture"], typed["Phase"].lower(), typed["Id"]) == (
                said["gesture"],
                said["phase"],
                said["id"],
            )
        elif "prediction" in said:
            frame = event_of(said)
            assert isinstance(frame, Frame)
            assert {name: typed[name] for name in FIELDS} == {
                n: getattr(frame, key) for n, key in FIELDS.items()
            }
            for name, key in NUMBERS.items():
                assert typed[name] == pytest.approx(getattr(frame, key), rel=1e-6)
            assert typed["Probabilities"] == pytest.approx(frame.probabilities, rel=1e-6)
        else:
            assert typed["kind"] == "Completed"
    assert {"onset", "hold", "release"} <= set(phases)


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_stream_is_heard_to_its_end(program: Path, server: Live, transport: str) -> None:
    options = {**ASKED, "duration_seconds": 2}
    with streaming(program, server.url, transport, options=options) as stream:
        until(lambda: stream.process.poll() is not None)
        assert stream.end() == 0
    kinds = [one["read"]["kind"] for one in stream.said]
    assert kinds[-1] == "Completed"
    assert set(kinds) <= {"Frame", "GestureEvent", "Completed"}
    frames = [one["read"]["Index"] for one in stream.said if one["read"]["kind"] == "Frame"]
    assert frames == list(range(len(frames)))
    assert stream.said[-1]["read"]["TotalFrames"] == len(frames)


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_stream_goes_on_where_it_was_cut_and_stops_when_it_is_told_to(
    program: Path, server: Live, transport: str
) -> None:
    with CuttingProxy(server.port) as proxy, streaming(program, proxy.url, transport) as stream:
        for cut in range(1, 4):
            heard = len(stream.said)
            until(lambda: len(stream.said) > heard + 10)  # noqa: B023  asked within the same turn
            proxy.cut()
            until(lambda: sum(one["read"]["kind"] == "Interrupted" for one in stream.said) == cut)  # noqa: B023
        heard = len(stream.said)
        until(lambda: len(stream.said) > heard + 10)
        assert stream.process.stdin is not None
        stream.process.stdin.write("\n")
        stream.process.stdin.flush()
        until(lambda: stream.process.poll() is not None)
        assert stream.end() == 4  # cancelled
    frames = [one["read"] for one in stream.of("read") if one["read"]["kind"] == "Frame"]
    assert [frame["Index"] for frame in frames] == list(range(len(frames)))
    until(lambda: server.stats()["active_streams"] == 0)


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_connection_that_falls_silent_is_given_up(program: Path, server: Live, transport: str) -> None:
    with CuttingProxy(server.port) as proxy, streaming(program, proxy.url, transport, idle_s=1) as stream:
        until(lambda: len(stream.said) > 5)
        proxy.silent = True
        until(lambda: any(one["read"]["kind"] == "Interrupted" for one in stream.said))
        lost = next(one["read"] for one in stream.said if one["read"]["kind"] == "Interrupted")
        assert lost["Reason"] == "the server said nothing for 1 s"
        proxy.silent = False
        heard = len(stream.said)
        until(lambda: any(one["read"]["kind"] == "Frame" for one in stream.said[heard:]))


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_the_servers_own_words_say_what_was_wrong(program: Path, server: Live, transport: str) -> None:
    with streaming(program, server.url, transport, options={"fps": -1}) as stream:
        until(lambda: stream.process.poll() is not None)
        assert stream.end() == 3
    (refused,) = stream.said
    assert (refused["kind"], refused["passing"]) == ("RefusedException", False)
    assert refused["error"].startswith("422 Unprocessable Entity: fps: must be above 0")


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    with gunicorn(tmp_path_factory.mktemp("keys"), EMG_API_KEYS=f"game:read:{hash_of(KEY)}") as live:
        yield live


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_the_right_key_opens_and_others_are_refused(program: Path, locked: Live, transport: str) -> None:
    codes = {}
    for key in ("", "wrong", KEY):
        options = {"fps": 25, "duration_seconds": 0.3}
        with streaming(program, locked.url, transport, key=key, options=options) as stream:
            until(lambda: stream.process.poll() is not None)
            stream.end()
        last = stream.said[-1]
        codes[key] = last["error"][:3] if "error" in last else last["read"]["kind"]
    assert codes == {"": "401", "wrong": "403", KEY: "Completed"}
    assert KEY not in locked.log


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_the_component_tells_of_gestures_on_the_main_thread_and_of_an_end_when_the_server_is_gone(
    program: Path, server: Live, transport: str
) -> None:
    with CuttingProxy(server.port) as proxy, running(program, "game", proxy.url, "", transport) as game:

        def began_and_not_ended() -> bool:
            return len(game.of("began")) > len(game.of("ended"))

        until(lambda: game.of("ended"))
        until(began_and_not_ended)
        proxy.silent = True  # nothing is lost that it would know of
        until(lambda: not began_and_not_ended())
        proxy.silent = False
        proxy.cut()
        again = len(game.of("began"))
        until(lambda: game.of("trouble"))
        until(lambda: len(game.of("began")) > again)
        assert game.end() == 0
    told = [one for one in game.said if "began" in one or "ended" in one]
    assert all(("began" in one) == (k % 2 == 0) for k, one in enumerate(told)), told
    assert len(told) % 2 == 0
    assert "silence" in [one["reason"] for one in told if "ended" in one]
    (last,) = game.of("frames")
    assert last["frames"] > 20
    assert not last["live"]
