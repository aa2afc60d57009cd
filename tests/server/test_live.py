"""The live socket of a real server: samples in, events out, and all that a client may do wrong."""

from __future__ import annotations

import json
import os
import signal
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from http.client import HTTPConnection
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import numpy as np
import pytest

from tests.server.live import LATE_S, Json, Live, gunicorn, until
from tests.server.live_socket import (
    BINARY,
    CLOSE,
    PING,
    PONG,
    RECORD,
    TEXT,
    LiveSocket,
    client_frame,
    push_for,
    samples_message,
)

pytestmark = pytest.mark.server

CHANNELS, RATE = 16, 2000
SAMPLES = np.random.default_rng(0).normal(0, 30, (2000, CHANNELS)).astype("<f4")
DECLARED = {"channels": CHANNELS, "sampling_rate_hz": RATE}
UPGRADE = "\r\n".join(
    (
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",  # RFC 6455, section 1.3
        "Sec-WebSocket-Version: 13",
    )
)

Connect = Callable[..., LiveSocket]


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """A server that clients push to."""
    folder = tmp_path_factory.mktemp("live")
    with gunicorn(
        folder, EMG_MODE="push", EMG_SOURCE_IDLE="30", EMG_CORS_ORIGINS="https://lab.example"
    ) as live:
        yield live
        assert "Traceback" not in live.log, live.log


@contextmanager
def connecting(live: Live) -> Iterator[Connect]:
    """Opens live sockets, and closes all of them in the end."""
    with ExitStack() as opened:

        def connect(path: str, **more: Any) -> LiveSocket:
            client = LiveSocket(live.port, path, **more)
            opened.callback(client.close)
            return client

        yield connect


@pytest.fixture
def connect(live: Live) -> Iterator[Connect]:
    with connecting(live) as connect:
        yield connect
    until(lambda: live.stats()["active_streams"] == 0)


@pytest.fixture
def path(request: pytest.FixtureRequest) -> str:
    """Of a source that no other test has."""
    return f"/emg/sources/{abs(hash(request.node.nodeid)) % 10**12}/live"


def test_what_is_pushed_comes_back_as_frames_and_is_acknowledged(connect: Connect, path: str) -> None:
    client = connect(path, **DECLARED)
    hello = client.until("live")
    assert (hello["channels"], hello["sampling_rate_hz"], hello["next_sample"]) == (CHANNELS, RATE, None)
    assert hello["classes"][0] == "rest"
    assert hello["send"] == ["frames", "states"]
    frames: list[Json] = []
    received = next_sample = 0
    pushing = threading.Thread(target=push_for, args=(client, SAMPLES, 1.5))
    pushing.start()
    for message in client.messages():
        assert isinstance(message, dict)
        if message["type"] == "frame":
            frames.append(message)
        elif message["type"] == "ack":
            assert (message["duplicates"], message["lost"]) == (0, 0)
            received, next_sample = received + message["received"], message["next_sample"]
            assert received == next_sample  # of samples that are counted from 0
        if len(frames) == 30:
            break
    pushing.join()
    assert [frame["frame"] for frame in frames] == list(range(30))
    ends = [frame["sample_index"] for frame in frames]
    assert all(67 - 1 <= after - before <= 67 for before, after in pairwise(ends))
    assert {"prediction", "label", "probabilities", "decision", "intensity", "age_ms", "id"} <= frames[
        0
    ].keys()


def test_the_first_message_may_say_it_all(connect: Connect, path: str) -> None:
    client = connect(path)
    client.say(declare=DECLARED, stream={"fps": 10, "votes": 3}, send=["frames"], scale=0.5)
    assert client.until("live")["send"] == ["frames"]
    client.push(0, np.full((400, CHANNELS), 7, "<i2"))
    assert client.until("ack")["next_sample"] == 400


def test_samples_that_come_in_one_piece_with_the_opening_are_not_lost(connect: Connect, path: str) -> None:
    ahead = client_frame(BINARY, samples_message(0, SAMPLES[:40]))
    client = connect(path, ahead=ahead, send="none", **DECLARED)
    assert client.until("ack")["next_sample"] == 40


def test_records_of_32_bytes_say_what_the_json_says(connect: Connect, path: str) -> None:
    listener_path = "/infer/live"
    client = connect(path, format="binary", send="frames,decisions,states", **DECLARED)
    client.until("live")
    listener = connect(listener_path, source=path.split("/")[3])
    listener.until("live")
    pushing = threading.Thread(target=push_for, args=(client, SAMPLES, 1.5))
    pushing.start()
    records = [RECORD.unpack(message) for message in _first(client, bytes, 20)]
    texts = {frame["sample_index"]: frame for frame in _frames(listener, 20)}
    pushing.join()
    kinds = [record[1] for record in records]
    assert kinds[0] == 2, "the first decision is new"
    frames = [record for record in records if record[1] == 1]
    shared = [record for record in frames if record[3] in texts]
    assert len(shared) > 5
    for version, _, prediction, sample, age_ms, confidence, intensity, decision, dropped, _ in shared:
        text = texts[sample]
        assert version == 1
        assert (prediction, decision, dropped) == (text["prediction"], text["decision"], 0)
        assert confidence == pytest.approx(text["confidence"], abs=1e-4)
        assert intensity == pytest.approx(text["intensity"], abs=1e-3)
        assert age_ms == pytest.approx(text["age_ms"], abs=1e-3)


def _first(client: LiveSocket, kind: type, count: int) -> list[Any]:
    found: list[Any] = []
    for message in client.messages():
        if isinstance(message, kind):
            found.append(message)
        if len(found) == count:
            return found
    raise AssertionError(client.close_reason)


def _frames(client: LiveSocket, count: int) -> list[Json]:
    found: list[Json] = []
    while len(found) < count:
        found.append(client.until("frame"))
    return found


def test_duplicates_disorder_and_gaps_are_as_with_post(connect: Connect, path: str) -> None:
    client = connect(path, send="none", **DECLARED)
    client.push(0, SAMPLES[:40])
    client.push(0, SAMPLES[:40])  # twice
    client.push(80, SAMPLES[80:120])  # the wrong way round
    client.push(40, SAMPLES[40:80])
    counts = _acknowledged(client, 120)
    assert counts == {"received": 120, "duplicates": 40, "lost": 0}
    client.push(200, SAMPLES[200:240])  # 80 never come
    time.sleep(0.4)
    client.push(240, SAMPLES[240:280])
    assert _acknowledged(client, 280) == {"received": 80, "duplicates": 0, "lost": 80}


def _acknowledged(client: LiveSocket, until_sample: int) -> dict[str, int]:
    """What the acknowledgements count in all, up to that sample."""
    counts = {"received": 0, "duplicates": 0, "lost": 0}
    while True:
        ack = client.until("ack")
        for name in counts:
            counts[name] += ack[name]
        if ack["next_sample"] == until_sample:
            return counts


def test_after_a_cut_it_goes_on_where_the_server_is(connect: Connect, path: str) -> None:
    first = connect(path, send="none", **DECLARED)
    first.push(0, SAMPLES[:40])
    assert first.until("ack")["next_sample"] == 40
    first.close()
    again = connect(path, send="none", **DECLARED)
    assert again.until("live")["next_sample"] == 40
    again.push(0, SAMPLES[:80])  # it kept more than was needed
    ack = again.until("ack")
    assert (ack["next_sample"], ack["received"], ack["duplicates"]) == (80, 40, 40)


def test_frames_go_on_after_the_last_id(connect: Connect, path: str) -> None:
    client = connect(path, **DECLARED)
    end = push_for(client, SAMPLES, 0.5)
    before = _frames(client, 5)[-1]
    client.close()
    again = connect(path, last_event_id=before["id"], **DECLARED)
    push_for(again, SAMPLES, 0.3, end)
    after = again.until("frame")
    assert after["frame"] == before["frame"] + 1
    assert after["sample_index"] > before["sample_index"]


def test_the_first_message_may_say_after_which_id(connect: Connect, path: str) -> None:
    client = connect(path)
    client.say(declare=DECLARED)
    end = push_for(client, SAMPLES, 0.5)
    before = _frames(client, 5)[-1]
    client.close()
    again = connect(path)
    again.say(declare=DECLARED, last_event_id=before["id"])
    push_for(again, SAMPLES, 0.3, end)
    assert again.until("frame")["frame"] == before["frame"] + 1


def test_what_comes_beside_the_emg_is_in_the_frames(connect: Connect, path: str) -> None:
    aux = [{"name": "accelerometer", "channel_names": ["x", "y", "z"], "units": "g", "sampling_rate_hz": 50}]
    client = connect(path, aux=json.dumps(aux), include_aux="true", **DECLARED)
    for k in range(20):
        block = struct.pack("<BBHIQ", 0, 0, 0, 1, k) + struct.pack("<3f", k, 0, 1)
        client.send(BINARY, samples_message(40 * k, SAMPLES[40 * k : 40 * k + 40], aux=1) + block)
        time.sleep(0.02)
    found = [value for frame in _frames(client, 8) for value in _x(frame)]
    assert found == sorted(set(found))
    assert len(found) > 5


def _x(frame: Json) -> list[float]:
    aux = frame.get("aux", {}).get("accelerometer")
    return [] if aux is None else list(aux["values"][0])


WRONG_OPENING: list[tuple[str, Json, Json, int, str]] = [
    # query, headers, status, words
    ("", {}, {"Upgrade": ""}, 426, "WebSocket"),
    ("", {}, {"Sec-WebSocket-Version": "8"}, 426, "Version: 13"),
    ("", {}, {"Sec-WebSocket-Key": "short"}, 400, "16 bytes in base64"),
    ("", {}, {"Origin": "https://evil.example"}, 403, "EMG_CORS_ORIGINS"),
    ("", {"channels": 16}, {}, 422, "sampling_rate_hz"),
    ("", {"channels": "many", "sampling_rate_hz": 2000}, {}, 422, "channels"),
    ("", {"fps": 0, **DECLARED}, {}, 422, "fps"),
    ("", {"send": "all", **DECLARED}, {}, 422, "send"),
    ("", {"what": 1, **DECLARED}, {}, 422, "unknown field"),
    ("", {"model": "nobody", **DECLARED}, {}, 422, "model"),
    ("", {"source": "other", **DECLARED}, {}, 422, "source"),
    ("", {"send": "frames"}, {}, 404, "no source"),
    ("-bad", DECLARED, {}, 422, "name"),
]


@pytest.mark.parametrize(("name", "query", "headers", "status", "words"), WRONG_OPENING)
def test_what_is_refused_before_the_upgrade_is_an_ordinary_answer(
    connect: Connect, name: str, query: Json, headers: Json, status: int, words: str
) -> None:
    client = connect(f"/emg/sources/{name or 'refused'}/live", headers=headers, **query)
    assert client.status == status, client.problem
    assert client.headers["content-type"] == "application/problem+json" or status == 400
    assert words in json.dumps(client.problem)


def test_a_page_of_an_allowed_origin_and_of_our_own_may_open_it(
    live: Live, connect: Connect, path: str
) -> None:
    for origin in ("https://lab.example", f"http://127.0.0.1:{live.port}"):
        assert connect(path, headers={"Origin": origin}, send="none", **DECLARED).status == 101


def test_another_declaration_of_the_name_is_refused(connect: Connect, path: str) -> None:
    assert connect(path, **DECLARED).status == 101
    other = connect(path, channels=8, sampling_rate_hz=RATE)
    assert (other.status, "channels" in other.problem["detail"]) == (409, True)


def hello(client: LiveSocket) -> None:
    client.until("live")


def wrong_first(client: LiveSocket) -> None:
    client.send(TEXT, b"what?")


def wrong_utf8(client: LiveSocket) -> None:
    client.send(TEXT, b"\xff\xfe")


def binary_first(client: LiveSocket) -> None:
    client.push(0, SAMPLES[:40])


def wrong_field(client: LiveSocket) -> None:
    client.say(declare={"channels": 0, "sampling_rate_hz": RATE})


def no_object(client: LiveSocket) -> None:
    client.send(TEXT, b"[1, 2]")


def unmasked(client: LiveSocket) -> None:
    client.socket.sendall(bytes([0x81, 5]) + b"Hello")


def large_text(client: LiveSocket) -> None:
    client.socket.sendall(bytes([0x81, 0xFF]) + struct.pack(">Q", 1 << 20))


def windows_here(client: LiveSocket) -> None:
    client.say(declare=DECLARED, windows={"length": 200})


@pytest.mark.parametrize(
    ("spoil", "code", "words"),
    [
        (wrong_first, 1007, "no JSON"),
        (wrong_utf8, 1007, "UTF-8"),
        (binary_first, 1003, "first message is text"),
        (wrong_field, 1008, "channels"),
        (no_object, 1008, "JSON object"),
        (unmasked, 1002, "masked"),
        (large_text, 1009, "at most"),
        (windows_here, 1008, "/infer/live"),
    ],
)
def test_a_wrong_first_message_closes_and_says_why(
    connect: Connect, path: str, spoil: Callable[[LiveSocket], None], code: int, words: str
) -> None:
    client = connect(path)
    spoil(client)
    said = client.ends()
    assert client.close_code == code
    assert words in json.dumps(said) + client.close_reason


def text_again(client: LiveSocket) -> None:
    client.say(declare=DECLARED)


def nan(client: LiveSocket) -> None:
    client.push(0, np.full((10, CHANNELS), np.nan, "<f4"))


def wrong_version(client: LiveSocket) -> None:
    client.send(BINARY, struct.pack("<BBBBIQ", 9, 1, 0, 0, 1, 0) + bytes(64))


def backwards_is_fine_but_cut_is_not(client: LiveSocket) -> None:
    client.push(100, SAMPLES[:40])
    client.push(60, SAMPLES[:40])  # a duplicate of nothing, and before the beginning: passed over
    client.send(BINARY, samples_message(140, SAMPLES[:40])[:-1])


def beyond_all_numbers(client: LiveSocket) -> None:
    client.send(BINARY, struct.pack("<BBBBIQ", 1, 1, 0, 0, 1, 2**63) + bytes(64))


def longer_than_any_chunk(client: LiveSocket) -> None:
    client.push(0, np.zeros((RATE * 31, CHANNELS), "<i2"))


def sixty_four_mib(client: LiveSocket) -> None:
    client.socket.sendall(bytes([0x82, 0xFF]) + struct.pack(">Q", 64 << 20) + bytes(4))


def endless_fragments(client: LiveSocket) -> None:
    try:
        client.send(BINARY, bytes(4 << 20), final=False)
        for _ in range(15):
            client.send(0, bytes(4 << 20), final=False)
    except OSError:
        pass


def no_opcode(client: LiveSocket) -> None:
    client.send(5, b"")


@pytest.mark.parametrize(
    ("spoil", "code", "words"),
    [
        (text_again, 1003, "binary"),
        (nan, 1008, "NaN"),
        (wrong_version, 1008, "version 9"),
        (backwards_is_fine_but_cut_is_not, 1008, "bytes after the header"),
        (beyond_all_numbers, 1008, "an index is at most"),
        (longer_than_any_chunk, 1008, "30 s"),
        (sixty_four_mib, 1009, "at most"),
        (endless_fragments, 1009, "at most"),
        (no_opcode, 1002, "opcode 5"),
    ],
)
def test_a_wrong_message_closes_with_its_code_and_what_was_taken_stays_taken(
    connect: Connect, path: str, spoil: Callable[[LiveSocket], None], code: int, words: str
) -> None:
    client = connect(path, send="states", **DECLARED)
    hello(client)
    spoil(client)
    said = client.ends()
    assert client.close_code == code
    assert words in json.dumps(said) + client.close_reason
    assert client.at_end()


def test_a_ping_is_answered_and_a_close_is_answered_with_its_code(connect: Connect, path: str) -> None:
    client = connect(path, send="none", **DECLARED)
    hello(client)
    client.send(PING, b"are you there")
    assert client.frame() == (PONG, b"are you there")
    client.send(CLOSE, struct.pack(">H", 1001) + b"bye")
    assert client.frame() == (CLOSE, struct.pack(">H", 1001))
    assert client.at_end()


def test_a_source_that_is_ended_closes_its_sockets(live: Live, connect: Connect, path: str) -> None:
    client = connect(path, **DECLARED)
    hello(client)
    client.push(0, SAMPLES[:400])
    client.until("ack")
    url = f"{live.url}{path.removesuffix('/live')}"
    urlopen(Request(url, method="DELETE"), timeout=LATE_S).close()
    said = [message["type"] for message in client.ends() if isinstance(message, dict)]
    assert "completed" in said
    assert (client.close_code, client.close_reason) == (1000, "source ended")


def test_a_sender_that_is_too_fast_is_slowed_and_then_refused(connect: Connect, path: str) -> None:
    client = connect(path, send="none", **DECLARED)
    hello(client)
    piece = np.zeros((RATE * 10, CHANNELS), "<i2")  # 10 s of signal

    def push() -> None:
        try:
            for k in range(40):
                client.push(k * RATE * 10, piece)
        except OSError:
            pass

    pushing = threading.Thread(target=push)
    pushing.start()
    said = [message for message in client.ends() if isinstance(message, dict)]
    pushing.join()
    assert client.close_code == 1008
    assert (said[-1]["type"], said[-1]["status"]) == ("error", 429)
    # 30 s of signal may come at once; those were taken
    assert max(message["next_sample"] for message in said if message["type"] == "ack") == 30 * RATE


def test_who_does_not_read_is_let_go_and_costs_the_others_nothing(
    live: Live, connect: Connect, path: str
) -> None:
    deaf = connect(path, receive_buffer=4096, include_signal="true", fps=60, **DECLARED)
    other = connect("/infer/live", source=path.split("/")[3])
    ends = time.monotonic() + 60.0

    def push() -> None:
        first = 0
        try:
            while time.monotonic() < ends:
                first = push_for(deaf, SAMPLES, 0.5, first)
        except OSError:
            pass

    pushing = threading.Thread(target=push)
    pushing.start()
    try:
        dropped = [frame["dropped"] for frame in _frames(other, 60)]
        assert dropped[-1] == 0
        until(lambda: live.stats()["active_streams"] == 1)  # the deaf one is gone
    finally:
        ends = 0.0
        pushing.join()


@pytest.mark.parametrize(
    "query",
    [{"source": "there"}, {"length": 200}, {}],
    ids=["a reader", "windows", "without a word"],
)
def test_who_leaves_at_once_leaves_no_stream_behind(live: Live, connect: Connect, query: Json) -> None:
    connect("/emg/sources/there/live", send="none", **DECLARED)
    asked = f"GET /infer/live?{urlencode(query)} HTTP/1.1\r\nHost: 127.0.0.1:{live.port}\r\n{UPGRADE}\r\n\r\n"
    for _ in range(20):
        with socket.create_connection(("127.0.0.1", live.port)) as client:
            client.sendall(asked.encode())
    until(lambda: live.stats()["active_streams"] == 1)


@pytest.mark.parametrize("path_of", ["push", "windows"])
def test_who_sends_without_a_pause_leaves_the_others_their_turn(
    live: Live, connect: Connect, path: str, path_of: str
) -> None:
    """Thousands of frames in each piece: as long as they came, nobody else was answered."""
    pushes = path_of == "push"
    client = connect(path, send="none", **DECLARED) if pushes else connect("/infer/live", length=200)
    hello(client)
    client.send(BINARY, b"x", final=False)
    nothing, going = client_frame(0, b"", final=False) * 5000, threading.Event()
    going.set()

    def flood() -> None:
        try:
            while going.is_set():
                client.socket.sendall(nothing)
        except OSError:
            pass

    flooding = threading.Thread(target=flood)
    flooding.start()
    try:
        for _ in range(5):
            assert live.ready()
        assert flooding.is_alive()
    finally:
        going.clear()
        flooding.join()
        reset = struct.pack("ii", 1, 0)  # what still waits is not read
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, reset)


@pytest.mark.slow
def test_who_says_nothing_and_answers_no_ping_is_gone(live: Live, connect: Connect, path: str) -> None:
    """A half-open peer is gone within 10 s; here the connection lives, and nobody answers."""
    silent = connect(path, send="none", **DECLARED)
    hello(silent)
    began = time.monotonic()
    heard = [kind for kind, _ in _raw(silent)]
    assert heard == [PING, CLOSE]
    assert 7 < time.monotonic() - began < 10
    mute = connect("/infer/live")  # and says not even what it wants
    began = time.monotonic()
    assert [kind for kind, _ in _raw(mute)][-1] == CLOSE
    assert time.monotonic() - began < 13


def _raw(client: LiveSocket) -> Iterator[tuple[int, bytes]]:
    try:
        while True:
            yield client.frame()
    except ConnectionError:
        return


def test_windows_are_predicted_as_by_infer(live: Live, connect: Connect) -> None:
    windows = np.random.default_rng(1).normal(0, 30, (5, 200, CHANNELS)).astype("<f4")
    request = Request(
        f"{live.url}/infer/onnx?batch=5&length=200&channels=16",
        windows.tobytes(),
        {"Content-Type": "application/octet-stream"},
    )
    with urlopen(request, timeout=LATE_S) as answer:
        expected = json.load(answer)
    message = struct.pack("<BBBBIQ", 1, 1, 0, 0, 5, 77) + windows.tobytes()
    client = connect("/infer/live", length=200, channels=16)
    hello(client)
    client.send(BINARY, message)
    found = client.until("prediction")
    assert found["id"] == 77
    assert found["probabilities"] == expected["probabilities"]
    assert json.dumps(found["prediction"]) == expected["prediction"]
    small = connect("/infer/live")
    small.say(windows={"length": 200}, format="binary")
    hello(small)
    small.send(BINARY, message)
    records = [RECORD.unpack(record) for record in _first(small, bytes, 5)]
    assert [record[2] for record in records] == found["prediction"]
    assert [(record[1], record[3], record[9]) for record in records] == [(3, 77, k) for k in range(5)]
    counts = np.round(windows).astype("<i2")
    scaled = connect("/infer/live", length=200, scale=0.5)
    scaled.send(BINARY, struct.pack("<BBBBIQ", 1, 2, 0, 0, 5, 78) + (2 * counts).tobytes())
    whole = connect("/infer/live", length=200)
    whole.send(BINARY, struct.pack("<BBBBIQ", 1, 2, 0, 0, 5, 78) + counts.tobytes())
    assert scaled.until("prediction")["probabilities"] == whole.until("prediction")["probabilities"]
    small.send(BINARY, message[:-1])
    assert "got" in json.dumps(small.ends())
    assert small.close_code == 1008


def test_a_reader_of_no_source_and_a_scope_of_windows(connect: Connect) -> None:
    assert connect("/infer/live", source="nobody").status == 422
    assert connect("/infer/live", length=7).status == 422
    for name, value in {"source": "x", "fps": 10, "send": "quality", "events": "true", "votes": 5}.items():
        refused = connect("/infer/live", length=200, **{name: value})
        assert (refused.status, list(refused.problem["errors"])) == (422, [name])
    assert list(connect("/infer/live", scale=0.5).problem["errors"]) == ["scale"]
    assert "or none" in connect("/infer/live", send="frames,none").problem["detail"]
    client = connect("/infer/live")
    client.say(stream={"what": 1})
    assert "stream.what: unknown field; there are duration_seconds" in json.dumps(client.ends())
    client = connect("/infer/live")
    client.say(declare=DECLARED)
    assert "/emg/sources" in json.dumps(client.ends())


def test_a_server_that_has_a_source_of_its_own_takes_none(server: Live) -> None:
    client = LiveSocket(server.port, "/emg/sources/mine/live", **DECLARED)
    assert (client.status, "EMG_MODE" in client.problem["detail"]) == (409, True)
    client.close()
    reader = LiveSocket(server.port, "/infer/live", send="frames")
    assert reader.until("frame")["label"]
    reader.close()


def test_garbage_is_no_traceback(live: Live, connect: Connect, path: str) -> None:
    """The module's fixture looks into the log."""
    random = np.random.default_rng(3)
    for k in range(60):
        client = connect(path, send="none", **DECLARED)
        try:
            client.socket.sendall(random.bytes(int(random.integers(1, 3000))))
            if k % 2:
                client.close()
            else:
                client.send(BINARY, random.bytes(int(random.integers(0, 3000))))
        except OSError:
            pass
    until(lambda: live.stats()["active_streams"] <= 60)


def test_keys_tickets_and_scopes(tmp_path: Path) -> None:
    from app.keys import make

    control, secret = make("pusher", ["control"])
    both, secret_of_both = make("both", ["control", "read"])
    keys = ",".join(map(str, (control, both)))
    with gunicorn(tmp_path, EMG_MODE="push", EMG_API_KEYS=keys) as live, connecting(live) as connect:

        def opened(secret: str | None, **query: Any) -> LiveSocket:
            headers = {"X-API-Key": secret} if secret else {}
            return connect("/emg/sources/a/live", headers=headers, **DECLARED, **query)

        assert opened(None).status == 401
        assert opened("wrong").status == 403
        refused = opened(secret)
        assert (refused.status, "read" in refused.problem["detail"]) == (403, True)
        assert opened(secret, send="none").status == 101
        assert opened(secret_of_both).status == 101
        asked = Request(f"{live.url}/stream/tickets", b"", {"X-API-Key": secret_of_both}, method="POST")
        with urlopen(asked, timeout=LATE_S) as answer:
            ticket = json.load(answer)["ticket"]
        assert opened(None, ticket=ticket).status == 101
        assert opened(None, ticket=ticket).status == 403  # good once


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_server_that_stops_or_reloads_says_so(tmp_path: Path, number: int) -> None:
    with gunicorn(tmp_path, EMG_MODE="push") as live, connecting(live) as connect:
        pusher = connect("/emg/sources/a/live", **DECLARED)
        reader = connect("/infer/live", source="a", format="binary")
        windows = connect("/infer/live", length=200)
        for client in (pusher, reader, windows):
            hello(client)
        push_for(pusher, SAMPLES, 0.3)
        live.process.send_signal(number)
        for client in (pusher, reader, windows):
            said = [message["type"] for message in client.ends() if isinstance(message, dict)]
            assert client.close_code == 1012, (said, client.close_reason)
            assert client.at_end()
        if number == signal.SIGHUP:
            until(lambda: live.log.count("Booting worker") == 2)
            until(lambda: _accepted(live))
        assert "Traceback" not in live.log, live.log


def _accepted(live: Live) -> bool:
    """Whether a pusher that comes back is taken on."""
    try:
        with connecting(live) as connect:
            again = connect("/emg/sources/a/live", send="none", **DECLARED)
            again.push(600, SAMPLES[:40])
            return bool(again.until("ack")["next_sample"] == 640)
    except OSError:
        return False


def test_a_worker_that_is_killed_is_a_cut_and_the_next_takes_the_client_on(tmp_path: Path) -> None:
    with gunicorn(tmp_path, EMG_MODE="push") as live, connecting(live) as connect:
        client = connect("/emg/sources/a/live", **DECLARED)
        hello(client)
        push_for(client, SAMPLES, 0.2)
        (worker,) = live.workers()
        os.kill(worker, signal.SIGKILL)
        with pytest.raises(OSError, match=r"closed|reset"):
            client.ends()
        until(lambda: _accepted(live))


@pytest.mark.alone
@pytest.mark.slow
def test_a_thousand_sockets_that_say_nothing_are_let_go(tmp_path: Path) -> None:
    with gunicorn(tmp_path, EMG_MODE="push") as live, connecting(live) as connect:
        pusher = connect("/emg/sources/a/live", **DECLARED)
        hello(pusher)
        silent = []
        for _ in range(1000):
            client = connect("/emg/sources/b/live")
            silent.append(client)
            if client.status != 101:
                break
        assert silent[-1].status == 101 or "EMG_MAX_STREAMS" in silent[-1].problem["detail"]
        assert len(silent) > 400
        push_for(pusher, SAMPLES, 1.0)
        assert _frames(pusher, 20)[-1]["dropped"] == 0
        until(lambda: live.stats()["active_streams"] == 1)
        for client in silent:
            if client.status == 101:
                client.ends()
                assert client.close_code == 1001  # they answer no ping either
        assert "Traceback" not in live.log


@pytest.mark.slow
def test_a_connection_without_a_word_in_time_is_no_half_message(connect: Connect, path: str) -> None:
    """Half a message, and then nothing: the place is free again."""
    client = connect(path, send="none", **DECLARED)
    hello(client)
    client.socket.sendall(client_frame(BINARY, samples_message(0, SAMPLES[:40]))[:100])
    for kind, _ in _raw(client):
        if kind == CLOSE:
            return
    raise AssertionError("it was cut without a word")


def test_a_socket_is_closed_on_the_servers_side_too(live: Live, connect: Connect, path: str) -> None:
    """No descriptor stays behind."""
    import psutil

    (worker,) = live.workers()
    before = psutil.Process(worker).num_fds()
    for _ in range(20):
        client = connect(path, send="none", **DECLARED)
        hello(client)
        client.send(CLOSE, struct.pack(">H", 1000))
        assert client.at_end()
        client.close()
    until(lambda: psutil.Process(worker).num_fds() <= before + 3)


def test_there_is_no_socket_elsewhere(live: Live) -> None:
    client = LiveSocket(live.port, "/health")
    assert (client.status, "/infer/live" in client.problem["detail"]) == (400, True)
    assert isinstance(client.socket, socket.socket)
    client.close()


def upload(live: Live, name: str, messages: Iterator[bytes], **headers: str) -> tuple[int, Json]:
    """One long POST, chunk after chunk."""
    connection = HTTPConnection("127.0.0.1", live.port, timeout=LATE_S)
    try:
        kind = {"Content-Type": "application/x-myostream-samples", **headers}
        body = (struct.pack("<I", len(message)) + message for message in messages)
        connection.request("POST", f"/emg/sources/{name}/samples", body, kind, encode_chunked=True)
        answer = connection.getresponse()
        return answer.status, json.load(answer)
    finally:
        connection.close()


def declare(live: Live, name: str) -> None:
    request = Request(
        f"{live.url}/emg/sources/{name}", json.dumps(DECLARED).encode(), {"Content-Type": "application/json"}
    )
    urlopen(request, timeout=LATE_S).close()


def test_one_long_upload_is_taken_in_as_it_comes(live: Live, connect: Connect, path: str) -> None:
    name = path.split("/")[3]
    declare(live, name)
    reader = connect("/infer/live", source=name)
    heard: list[int] = []

    def messages() -> Iterator[bytes]:
        for k in range(30):
            yield samples_message(40 * k, SAMPLES[40 * k : 40 * k + 40])
            time.sleep(0.02)
        heard.append(reader.until("frame")["sample_index"])  # before the body has ended
        yield samples_message(0, SAMPLES[:40])  # again

    status, receipt = upload(live, name, messages())
    assert (status, receipt) == (
        200,
        {"accepted": 1200, "duplicates": 40, "lost_samples": 0, "next_sample": 1200},
    )
    assert heard


def _next_sample(live: Live, name: str) -> int | None:
    with urlopen(f"{live.url}/emg/sources/{name}", timeout=LATE_S) as answer:
        found: int | None = json.load(answer)["next_sample"]
        return found


def test_a_long_upload_may_be_larger_than_any_body(live: Live, path: str) -> None:
    """EMG_MAX_BODY is of one record; 30 s of signal may come at once, and the rest is slowed."""
    name = path.split("/")[3]
    declare(live, name)
    piece = np.zeros((RATE, CHANNELS), "<f4")  # 128 KB, 1 s
    status, receipt = upload(live, name, (samples_message(k * RATE, piece) for k in range(33)))
    assert (status, receipt["accepted"]) == (200, 33 * RATE)


@pytest.mark.parametrize(
    ("spoilt", "status", "words"),
    [
        (b"\x00" * 40, 422, "version 0"),
        (samples_message(80, SAMPLES[:40])[:-3], 422, "bytes after the header"),
        (samples_message(80, np.full((40, CHANNELS), np.inf, "<f4")), 422, "infinite"),
    ],
)
def test_what_was_taken_of_a_long_upload_stays_taken(
    live: Live, path: str, spoilt: bytes, status: int, words: str
) -> None:
    name = path.split("/")[3]
    declare(live, name)
    found, problem = upload(live, name, iter([samples_message(40, SAMPLES[:40]), spoilt]))
    assert (found, words in problem["detail"]) == (status, True), problem
    assert _next_sample(live, name) == 80


def test_a_record_longer_than_any_body_and_one_that_is_cut_are_refused(live: Live, path: str) -> None:
    name = path.split("/")[3]
    declare(live, name)
    for body, status in ((struct.pack("<I", 2**31) + b"x" * 100, 413), (struct.pack("<I", 500) + b"x", 400)):
        request = Request(
            f"{live.url}/emg/sources/{name}/samples",
            body,
            {"Content-Type": "application/x-myostream-samples"},
        )
        with pytest.raises(HTTPError) as refusal:
            urlopen(request, timeout=LATE_S)
        with refusal.value as answer:
            assert answer.code == status
