"""Gestures as events of a real server: whatever happens while a hand is closed, everybody hears that it opened."""

from __future__ import annotations

import json
import math
import os
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import numpy as np
import pytest

from app.emg.simulated.simulator import Simulator
from myostream_client import ClientError, GestureEvent, Interrupted, StreamingInferenceClient
from tests.server.live import LATE_S, Client, Json, Live, connecting, until
from tests.server.live_socket import RECORD, LiveSocket
from tests.server.own_project import project, serving
from tests.server.test_source_choice import asked

# alone: a hand that pushes in real time must not be kept waiting, or its gestures end by that
pytestmark = [pytest.mark.server, pytest.mark.alone]

CLASSES = ("rest", "fist", "open_hand", "flexion", "extension", "pronation", "supination")
MODEL, OTHER = "synthetic-16ch-2khz", "another"
RATE, CHANNELS, CHUNK = 2000, 16, 40
PROMISED_S = 0.3  # from whatever ends a gesture to its release
TURNS = 12  # of a hand while somebody does not read
READS_LITTLE = 4096  # bytes that the kernel keeps for a client
ASKED = {"fps": 30, "events": True}
# a dozen turns in less than a socket's patience
QUICK = {"smooth_s": 0, "rise": 0, "enter": 0.8, "shortest_s": 0.1}


def signals() -> tuple[Any, Any]:
    """A second of rest, and two of a fist, of somebody whom the model knows."""
    person = Simulator(CHANNELS, RATE, CLASSES, seed=0, speed=None)
    rest, _ = person.generate(RATE // 2)
    person._surrogate.ask(CLASSES.index("fist"), 20.0)
    fist, _ = person.generate(4 * RATE)
    return np.concatenate([rest, rest]), fist[2 * RATE :]


REST, FIST = signals()


class Hand:
    """Pushes samples in real time, over and over, as the hand is; on a thread of its own."""

    def __init__(self, live: Live, name: str, **query: Any) -> None:
        self.socket = LiveSocket(
            live.port,
            f"/emg/sources/{name}/live",
            channels=CHANNELS,
            sampling_rate_hz=RATE,
            send="none",
            **query,
        )
        self.socket.until("live")
        self.name = name
        self._signal, self._index, self.pushed_at = REST, 0, 0.0
        self._skip, self._over, self._paused = 0, threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def close_fist(self) -> None:
        self._signal = FIST

    def open_up(self) -> None:
        self._signal = REST

    def spoil(self, channels: int) -> None:
        bad = FIST.copy()
        bad[:, :channels] = 0
        self._signal = bad

    def lose(self, samples: int) -> None:
        self._skip = samples

    def pause(self) -> float:
        """Push no more; when the last samples went, in Unix s."""
        self._paused.set()
        time.sleep(2 * CHUNK / RATE)
        return self.pushed_at

    def go_on(self) -> None:
        self._paused.clear()

    def end(self) -> None:
        self._over.set()
        self._thread.join(LATE_S)
        self.socket.close()

    def _run(self) -> None:
        began, sent = time.monotonic(), 0
        while not self._over.is_set():
            lost, self._skip = self._skip, 0
            self._index += lost
            if not self._paused.is_set():
                first = sent % (len(self._signal) - CHUNK)
                try:
                    self.socket.push(self._index, self._signal[first : first + CHUNK])
                except OSError:  # the server has gone
                    return
                self.pushed_at = time.time()
            self._index, sent = self._index + CHUNK, sent + CHUNK
            time.sleep(max(0.0, began + sent / RATE - time.monotonic()))


class Listener:
    """Takes what a stream says, on a thread of its own."""

    def __init__(self, client: Client | LiveSocket, events: Iterator[Json]) -> None:
        self.client = client
        self.heard: list[tuple[float, Json]] = []
        self.ended = threading.Event()
        self._thread = threading.Thread(target=self._listen, args=(events,), daemon=True)
        self._thread.start()

    def _listen(self, events: Iterator[Json]) -> None:
        try:
            for event in events:
                self.heard.append((time.time(), event))
        except (OSError, ValueError, AssertionError):  # cut, by the test too
            pass
        self.ended.set()

    @property
    def gestures(self) -> list[Json]:
        return [event for _, event in list(self.heard) if "phase" in event]

    @property
    def dropped(self) -> int:
        """Frames that it has missed."""
        return max((event["dropped"] for _, event in list(self.heard) if "prediction" in event), default=0)

    def told(self, phase: str, count: int = 1) -> Json:
        """The newest of those events, once there are so many."""
        until(lambda: len(self._of(phase)) >= count)
        return self._of(phase)[-1]

    def at(self, event: Json) -> float:
        """When that was heard, in Unix s."""
        return next(at for at, heard in self.heard if heard is event)

    def _of(self, phase: str) -> list[Json]:
        return [event for event in self.gestures if event["phase"] == phase]


def by_socket(live: Live, name: str, **more: Any) -> Listener:
    query = {"fps": 30, "events": "true", **more}
    if "gesture_rules" in query:
        query["gesture_rules"] = json.dumps(query["gesture_rules"])
    socket = LiveSocket(live.port, "/infer/live", source=name, **query)
    return Listener(socket, (message for message in socket.messages() if isinstance(message, dict)))


def by_sse(live: Live, name: str, **more: Any) -> Listener:
    client = Client(live.port, source=name, **ASKED, **more)
    return Listener(client, client.events())


def by_sse_for_a_while(live: Live, name: str, **more: Any) -> Listener:
    return by_sse(live, name, duration_seconds=600, **more)


def by_event_source(live: Live, name: str, **more: Any) -> Listener:
    return by_sse(live, name, method="GET", **more)


WAYS: dict[str, Callable[..., Listener]] = {
    "sse": by_sse,
    "sse with a duration": by_sse_for_a_while,
    "EventSource": by_event_source,
    "live socket": by_socket,
}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With the shipped model under two names."""
    folder = project(tmp_path_factory.mktemp("gestures"))
    models = folder / "instance" / "models"
    shutil.copytree(models / MODEL, models / OTHER)
    manifest = models / OTHER / "manifest.json"
    manifest.write_text(manifest.read_text().replace(f'"{MODEL}"', f'"{OTHER}"', 1))
    return folder


@contextmanager
def server(root: Path, **settings: str) -> Iterator[Live]:
    with serving(root, EMG_MODE="push", EMG_SOURCE_IDLE="60", EMG_MODEL=MODEL, **settings) as live:
        yield live


@pytest.fixture(scope="module")
def live(root: Path) -> Iterator[Live]:
    with server(root) as live:
        yield live
        assert "Traceback" not in live.log, live.log


Listen = Callable[..., Listener]


@pytest.fixture
def listen() -> Iterator[Listen]:
    """Opens streams in one of the WAYS, and closes all of them in the end."""
    with ExitStack() as opened:

        def listen(live: Live, name: str, way: str = "sse", **more: Any) -> Listener:
            listener = WAYS[way](live, name, **more)
            opened.callback(listener.client.close)
            return listener

        yield listen


@pytest.fixture
def hand(live: Live, request: pytest.FixtureRequest) -> Iterator[Hand]:
    hand = Hand(live, f"hand{abs(hash(request.node.nodeid)) % 10**9}")
    yield hand
    hand.end()


def expect_paired(gestures: list[Json]) -> None:
    """Each that began ended, and nothing else comes between the two."""
    for before, after in pairwise([event for event in gestures if event["phase"] != "hold"]):
        assert (before["phase"], after["phase"]) in {("onset", "release"), ("release", "onset")}
        assert before["phase"] == "release" or before["id"] == after["id"]
        assert before["phase"] == "onset" or before["id"] < after["id"]


@pytest.mark.parametrize("way", WAYS)
def test_a_fist_begins_is_held_and_ends(live: Live, hand: Hand, listen: Listen, way: str) -> None:
    listener = listen(live, hand.name, way)
    hand.close_fist()
    onset = listener.told("onset")
    hold = listener.told("hold")
    hand.open_up()
    release = listener.told("release")
    assert {event["gesture"] for event in (onset, hold, release)} == {"fist"}
    assert onset["id"] == hold["id"] == release["id"]
    assert release["reason"] == "rest"
    assert onset["began_at"] < onset["sample_index"] < hold["sample_index"] < release["sample_index"]
    assert 0 < onset["strength"] <= 1
    expect_paired(listener.gestures)


def _stall(live: Live, hand: Hand) -> float:
    return hand.pause()


def _lose(live: Live, hand: Hand) -> float:
    hand.lose(RATE // 2)
    return time.time()


def _swap(live: Live, hand: Hand) -> float:
    status, answer = asked(live, "PUT", f"/emg/sources/{hand.name}/model", {"model": OTHER})
    assert status == 200, answer
    return time.time() + 0.1  # from_sample lies that much ahead


# Of lost samples a pushed source waits a moment whether they come late: then nothing comes.
ENDS: dict[str, tuple[Callable[[Live, Hand], float], tuple[str, ...]]] = {
    "stall": (_stall, ("stalled",)),
    "gap": (_lose, ("gap", "stalled")),
    "another model": (_swap, ("model",)),
}


@pytest.mark.parametrize("way", ["sse", "live socket"])
@pytest.mark.parametrize("what", ENDS)
def test_whatever_ends_the_signal_is_heard_in_time(
    live: Live, hand: Hand, listen: Listen, what: str, way: str
) -> None:
    end, reasons = ENDS[what]
    listener = listen(live, hand.name, way, gesture_rules={"enter": 0.5, "leave": 0})  # nothing else ends it
    hand.close_fist()
    onset = listener.told("onset")
    ended_at = end(live, hand)
    release = listener.told("release")
    assert release["id"] == onset["id"]
    assert release["reason"] in reasons
    assert listener.at(release) - ended_at < PROMISED_S


@pytest.mark.slow
@pytest.mark.parametrize("what", ENDS)
def test_at_whichever_moment_the_signal_ends_nobody_is_left_holding(
    live: Live, hand: Hand, listen: Listen, what: str
) -> None:
    """Before the onset, about when it is due, while it is held, and after the hand has opened."""
    end, reasons = ENDS[what]
    listener = listen(live, hand.name)
    for closed_s, opened_s in ((0.1, 0.0), (0.3, 0.0), (0.5, 0.0), (0.7, 0.0), (1.5, 0.0), (1.5, 0.2)):
        hand.close_fist()
        time.sleep(closed_s)
        if opened_s:
            hand.open_up()
            time.sleep(opened_s)
        ended_at = end(live, hand)
        hand.open_up()
        time.sleep(max(0.0, ended_at + PROMISED_S - time.time()))
        told = [event for event in listener.gestures if event["phase"] != "hold"]
        before = [event for event in told if listener.at(event) < ended_at + PROMISED_S]
        assert not before or before[-1]["phase"] == "release", (closed_s, opened_s, before[-1])
        assert {event["reason"] for event in told if event["phase"] == "release"} <= {*reasons, "rest"}
        hand.go_on()
        time.sleep(1.0)
        if what == "another model":
            assert asked(live, "DELETE", f"/emg/sources/{hand.name}/model")[0] == 200
    expect_paired(listener.gestures)
    assert listener.gestures


def test_too_many_bad_electrodes_end_it_with_the_frame_that_says_so(
    live: Live, hand: Hand, listen: Listen
) -> None:
    listener = listen(live, hand.name, gesture_rules={"enter": 0.5, "leave": 0})  # nothing else ends it
    hand.close_fist()
    listener.told("onset")
    hand.spoil(CHANNELS // 2)
    release = listener.told("release")
    assert release["reason"] == "quality"
    bad = [
        event for _, event in listener.heard if len(event.get("quality", {}).get("dead", ())) > CHANNELS // 4
    ]
    assert release["sample_index"] - bad[0]["sample_index"] <= math.ceil(RATE / ASKED["fps"])


def test_a_model_that_is_taken_back_ends_it_too(live: Live, hand: Hand, listen: Listen) -> None:
    listener = listen(live, hand.name)
    hand.close_fist()
    listener.told("onset")
    _swap(live, hand)
    assert listener.told("release")["reason"] == "model"
    listener.told("onset", 2)
    assert asked(live, "DELETE", f"/emg/sources/{hand.name}/model")[0] == 200
    assert listener.told("release", 2)["reason"] == "model"
    expect_paired(listener.gestures)


def test_a_source_that_is_deleted_ends_it(live: Live, hand: Hand, listen: Listen) -> None:
    listener = listen(live, hand.name)
    hand.close_fist()
    listener.told("onset")
    hand.pause()
    with urlopen(Request(f"{live.url}/emg/sources/{hand.name}", method="DELETE"), timeout=LATE_S):
        pass
    assert listener.told("release")["reason"] in ("stalled", "completed")
    expect_paired(listener.gestures)


@pytest.mark.parametrize("way", ["sse", "live socket"])
def test_one_who_comes_late_hears_of_what_is_held_and_one_who_was_cut_off_nothing_twice(
    live: Live, hand: Hand, listen: Listen, way: str
) -> None:
    first = listen(live, hand.name)
    hand.close_fist()
    onset = first.told("onset")
    late = listen(live, hand.name, way)
    assert late.told("onset")["id"] == onset["id"]
    with connecting(live.port) as connect:
        cut = connect(source=hand.name, **ASKED)
        for event in cut.events():
            if event.get("phase") == "onset":
                break
        last_id = cut.last_id
        cut.close()
        hand.open_up()
        first.told("release")
        hand.close_fist()
        first.told("onset", 2)
        again = connect(source=hand.name, last_event_id=last_id, **ASKED)
        back = Listener(again, again.events())
        back.told("onset")
        heard = [event for event in back.gestures if event["phase"] != "hold"]
        expected = [event for event in first.gestures if event["phase"] != "hold"][1:3]
        assert [(one["phase"], one["id"]) for one in heard] == [(one["phase"], one["id"]) for one in expected]


def test_who_pushes_hears_of_gestures_on_the_same_socket_and_goes_on_after_a_cut(
    live: Live, hand: Hand
) -> None:
    """A message's own id goes on where it was, and not that of the gesture in it."""
    path = f"/emg/sources/{hand.name}/live"
    first = LiveSocket(live.port, path, send="none", events="true", channels=CHANNELS, sampling_rate_hz=RATE)
    hand.close_fist()
    onset = first.until("gesture")
    first.close()
    assert (onset["phase"], onset["id"]) == ("onset", onset["sample_index"])
    again = {"last_event_id": onset["event_id"], "send": "none", "events": "true"}
    back = LiveSocket(live.port, path, channels=CHANNELS, sampling_rate_hz=RATE, **again)
    hand.open_up()
    release = next(
        message for message in (back.until("gesture") for _ in range(9)) if message["phase"] != "hold"
    )
    back.close()
    assert (release["phase"], release["id"]) == ("release", onset["id"])
    assert release["reason"] in ("rest", "gap")  # nobody else listened meanwhile


@pytest.mark.slow
@pytest.mark.parametrize("way", ["sse", "live socket"])
def test_one_who_does_not_read_hears_of_every_gesture_when_it_does(
    live: Live, hand: Hand, listen: Listen, way: str
) -> None:
    """It opens and closes all the time meanwhile, and the kernel takes next to nothing."""
    first = listen(live, hand.name, gesture_rules=QUICK)
    with ExitStack() as opened:
        more = {"receive_buffer": READS_LITTLE, "include_signal": True, "gesture_rules": QUICK}
        if way == "sse":
            client = Client(live.port, source=hand.name, **ASKED, **more)
            events = client.events()
        else:
            client = LiveSocket(
                live.port,
                "/infer/live",
                source=hand.name,
                fps=30,
                events="true",
                include_signal="true",
                receive_buffer=READS_LITTLE,
                gesture_rules=json.dumps(QUICK),
            )
            events = (message for message in client.messages() if isinstance(message, dict))
        opened.callback(client.close)
        next(event for event in events if "prediction" in event)
        for count in range(1, TURNS + 1):
            hand.close_fist()
            first.told("onset", count)
            hand.open_up()
            first.told("release", count)
        slow = Listener(client, events)
        slow.told("release", TURNS)
        until(lambda: slow.dropped > 30)  # of the frames: it has not read
        found = [(one["phase"], one["id"]) for one in slow.gestures if one["phase"] != "hold"]
        assert (
            found
            == [(one["phase"], one["id"]) for one in first.gestures if one["phase"] != "hold"][: len(found)]
        )
        assert len(found) >= 2 * TURNS


def test_a_binary_socket_gives_gestures_in_32_bytes(live: Live, hand: Hand, listen: Listen) -> None:
    texts = listen(live, hand.name)
    socket = LiveSocket(
        live.port, "/infer/live", source=hand.name, fps=30, events="true", format="binary", send="none"
    )
    records: list[tuple[Any, ...]] = []

    def take() -> None:
        for message in socket.messages():
            if isinstance(message, bytes):
                records.append(RECORD.unpack(message))

    def heard() -> None:
        with suppress(OSError):  # closed below
            take()

    threading.Thread(target=heard, daemon=True).start()
    hand.close_fist()
    onset = texts.told("onset")
    hand.open_up()
    texts.told("release")
    until(lambda: any(record[7] & 3 == 2 for record in records))
    socket.close()
    first, *_, last = records
    assert {record[:2] for record in records} == {(1, 4)}
    assert first[2:4] == (onset["class"], onset["sample_index"])
    assert first[7] == 0
    assert first[8] == onset["sample_index"] - onset["began_at"]
    assert first[9] == last[9] == onset["id"]
    assert (last[7] & 3, last[7] >> 4) == (2, 2)  # a release, as the hand is at rest


@pytest.mark.parametrize("transport", ["http", "websocket"])
def test_one_whose_server_is_killed_hears_that_the_hand_is_let_go(root: Path, transport: str) -> None:
    """By the client: the server says nothing any more. What comes back afterwards is another gesture."""
    with server(root) as live:
        hand = Hand(live, "killed")
        told: list[GestureEvent | Interrupted] = []
        asked = {
            "source": hand.name,
            "events": True,
            "gesture_rules": {"hold_s": 0.1},
            "transport": transport,
        }
        with (
            StreamingInferenceClient(live.url) as client,
            client.stream(fps=30, **asked) as stream,
        ):

            def listen() -> None:
                with suppress(ClientError):
                    told.extend(event for event in stream if isinstance(event, (GestureEvent, Interrupted)))

            listening = threading.Thread(target=listen, daemon=True)
            listening.start()
            hand.close_fist()
            until(lambda: len(told) >= 2)
            (worker,) = live.workers()
            os.kill(worker, signal.SIGKILL)
            until(lambda: any(isinstance(event, Interrupted) for event in told))
        at = next(k for k, event in enumerate(told) if isinstance(event, Interrupted))
        onset, *holds, release = told[:at]
        assert isinstance(onset, GestureEvent)
        assert isinstance(release, GestureEvent)
        assert {hold.phase for hold in holds if isinstance(hold, GestureEvent)} == {"hold"}
        assert (onset.phase, release.phase, release.reason) == ("onset", "release", "interrupted")
        assert (onset.gesture, onset.index, onset.id) == ("fist", 1, release.id)
        hand.end()


def test_at_sigterm_everybody_hears_the_release_before_the_last_word(root: Path, listen: Listen) -> None:
    with server(root) as live:
        hand = Hand(live, "terminated")
        listeners = [listen(live, hand.name, way) for way in WAYS]
        hand.close_fist()
        onsets = [listener.told("onset") for listener in listeners]
        at = time.time()
        live.process.send_signal(signal.SIGTERM)
        for onset, listener in zip(onsets, listeners, strict=True):
            assert listener.ended.wait(LATE_S)
            *_, (heard_at, release), (_, last) = listener.heard
            assert (release["phase"], release["reason"], release["id"]) == (
                "release",
                "shutdown",
                onset["id"],
            )
            assert last.get("status") == "completed"
            assert last["reason"] == "shutdown"
            assert heard_at - at < PROMISED_S
        assert live.process.wait(LATE_S) == 0
        hand.end()
        assert "Traceback" not in live.log, live.log
