"""What is said on a live socket, by a clock of the test's and without a socket; and over one, on plain threads."""

from __future__ import annotations

import json
import socket
import struct
import threading
from typing import Any

import pytest

from app.api.live import events
from app.api.live import framing as ws
from app.api.live.attached import AttachedSocket
from app.api.live.conversation import Conversation
from app.api.live.incoming import FRAME_S, MANY, MOST_CONTROLS
from app.api.live.writer import MOST_KEPT, LiveWriter
from app.errors import DataError, OverloadedError, TooFastError
from app.serving.streams.client_stream import ClientEvent
from app.serving.streams.detached_streams import DetachedStreams
from tests.fakes import FakeClock
from tests.server.live_socket import client_frame
from tests.serving.station import until


class Talk:
    """Takes what it is given, until it is told to refuse."""

    stream = None
    over: str | None = None
    owes = False

    def __init__(self) -> None:
        self.taken: list[bytes] = []
        self.refuses: Exception | None = None
        self.closed = 0
        self.told: dict[str, Any] | None = None

    def hello(self) -> dict[str, Any]:
        return {"next_sample": 0}

    def take(self, message: bytes, /) -> None:
        if self.refuses is not None:
            raise self.refuses
        self.taken.append(message)

    def acknowledge(self) -> bytes | None:
        return events.acknowledged(len(self.taken), 1, 0, 0)

    def quality(self) -> dict[str, Any] | None:
        told, self.told = self.told, None
        return told

    def close(self) -> None:
        self.closed += 1


class Station:
    """A conversation, and what the client would hear; `room` is how many bytes it takes now."""

    def __init__(self, clock: FakeClock, talk: Talk | None = None) -> None:
        self.clock, self.talk, self.room = clock, talk or Talk(), 1 << 30
        self.heard = bytearray()
        self.paused: list[float] = []
        self.shuts = self.aborts = self.left = 0
        self.leaves: str | None = None
        self.conversation = Conversation(
            LiveWriter(self.push, lambda: True),
            lambda _job, _writer: self.talk,
            most=10_000,
            leaving=lambda: self.leaves,
            why_leaving=lambda: "shutdown",
            talk=talk,
            left=self.leave,
            clock=clock,
        )
        self.conversation.connection = self
        self._looks = self.conversation.looks()

    def push(self, data: bytes) -> int:
        taken = min(self.room, len(data))
        self.heard += data[:taken]
        self.room -= taken
        return taken

    def pause(self, seconds: float) -> None:
        self.paused.append(seconds)

    def shut(self) -> None:
        self.shuts += 1

    def abort(self) -> None:
        self.aborts += 1

    def leave(self) -> None:
        self.left += 1

    def look(self) -> None:
        next(self._looks, None)

    def frames(self) -> list[tuple[int, Any]]:
        """What was heard since the last time: texts as objects, a close as its code."""
        found, data = list[tuple[int, Any]](), bytes(self.heard)
        self.heard.clear()
        while data:
            kind, size = data[0] & 0x0F, data[1]
            begins = 2 if size < 126 else 4
            size = size if size < 126 else struct.unpack(">H", data[2:4])[0]
            payload, data = data[begins : begins + size], data[begins + size :]
            if kind == ws.TEXT:
                found.append((kind, json.loads(payload)))
            else:
                found.append((kind, struct.unpack(">H", payload[:2])[0] if kind == ws.CLOSE else payload))
        return found


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


def binary(payload: bytes = b"x") -> bytes:
    return client_frame(ws.BINARY, payload)


def test_silence_is_asked_after_four_seconds_and_given_up_after_eight(clock: FakeClock) -> None:
    station = Station(clock, Talk())
    clock.advance(3.9)
    station.look()
    assert station.frames() == []
    clock.advance(0.2)
    station.look()
    assert station.frames() == [(ws.PING, b"")]
    station.conversation.receive(client_frame(ws.PONG, b""))
    clock.advance(7.0)
    station.look()
    assert station.frames() == [(ws.PING, b"")]
    clock.advance(1.1)
    station.look()
    assert station.frames() == [(ws.CLOSE, 1001)]


def test_what_it_wants_is_said_in_time(clock: FakeClock) -> None:
    station = Station(clock)
    clock.advance(9.9)
    station.conversation.receive(client_frame(ws.PONG, b""))  # it is there, and says nothing
    station.look()
    assert station.frames() == []
    clock.advance(0.2)
    station.look()
    assert station.frames() == [(ws.CLOSE, 1008)]


def test_who_waits_for_a_model_to_open_is_not_taken_for_gone(clock: FakeClock) -> None:
    station, opened, greeted = Station(clock), threading.Event(), threading.Event()

    def begin(*_: object) -> Talk:
        assert opened.wait(10)
        return station.talk

    station.conversation._begin = begin
    station.conversation.hurry = greeted.set  # after all else
    station.conversation.receive(client_frame(ws.TEXT, b"{}"))
    for _ in range(5):
        clock.advance(3.0)
        station.look()
        station.conversation.go_on()  # its time to be read has come
    assert station.frames() == []
    assert station.paused[-1] > 0  # and it goes on not being read
    opened.set()
    assert greeted.wait(10)
    station.look()
    assert [message["type"] for _, message in station.frames()] == ["live"]


def test_acknowledgements_come_ten_a_second_at_most(clock: FakeClock) -> None:
    station = Station(clock, Talk())
    for _ in range(50):
        clock.advance(0.02)
        station.conversation.receive(binary())
        station.conversation.acknowledge_due()
    acks = [frame[1]["next_sample"] for frame in station.frames()]
    assert 8 <= len(acks) <= 10
    clock.advance(0.1)
    station.conversation.acknowledge_due()
    assert station.frames()[-1][1]["next_sample"] == 50
    assert not station.conversation.owes_ack


def test_too_fast_is_slowed_and_its_message_is_not_lost(clock: FakeClock) -> None:
    station = Station(clock, Talk())
    station.talk.refuses = TooFastError("too fast", 0.5)
    station.conversation.receive(binary(b"a") + binary(b"b"))
    assert station.paused == [0.5]
    station.talk.refuses = None
    clock.advance(0.5)
    station.conversation.go_on()
    assert station.talk.taken == [b"a", b"b"]
    assert station.frames()[-1][1]["type"] == "ack"


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [(TooFastError("too fast", 0.5), 429, 1008), (OverloadedError("full"), 503, 1013)],
)
def test_too_fast_for_long_is_refused(clock: FakeClock, error: Exception, status: int, code: int) -> None:
    station = Station(clock, Talk())
    station.talk.refuses = error
    station.conversation.receive(binary())
    for _ in range(12):
        clock.advance(0.5)
        station.conversation.go_on()
    (_, told), (_, closed) = station.frames()
    assert (told["type"], told["status"], closed) == ("error", status, code)


def test_a_wrong_message_is_told_and_what_came_behind_it_is_not_taken(clock: FakeClock) -> None:
    station = Station(clock, Talk())
    station.talk.refuses = DataError("no samples")
    station.conversation.receive(binary() + binary())
    (_, told), (_, code) = station.frames()
    assert (told["status"], told["detail"], code) == (422, "no samples", 1008)
    station.talk.refuses = None
    station.conversation.receive(binary())
    assert station.talk.taken == []


def test_what_came_before_a_wrong_frame_is_taken(clock: FakeClock) -> None:
    station = Station(clock, Talk())
    station.conversation.receive(binary(b"a") + client_frame(ws.PING, b"?") + client_frame(3, b""))
    assert station.talk.taken == [b"a"]
    assert station.frames()[-2:] == [(ws.PONG, b"?"), (ws.CLOSE, 1002)]


def test_every_ping_is_answered_also_when_the_client_has_not_taken_the_last_answer(clock: FakeClock) -> None:
    """The newest was dropped, and a client that waits for just that one gives the connection up."""
    station = Station(clock, Talk())
    station.room = 3  # bytes
    pings = [b"%d" % k for k in range(10)]
    station.conversation.receive(b"".join(client_frame(ws.PING, ping) for ping in pings))
    station.room = 1 << 20
    station.look()
    assert station.frames() == [(ws.PONG, ping) for ping in pings]


@pytest.mark.parametrize("kind", [ws.PING, ws.PONG])
def test_who_sends_nothing_but_pings_is_refused(clock: FakeClock, kind: int) -> None:
    """Without a bound one client had the processor to itself."""
    station = Station(clock, Talk())
    for _ in range(3):
        clock.advance(1.1)
        station.conversation.receive(client_frame(kind, b"") * MOST_CONTROLS)
    assert ws.CLOSE not in dict(station.frames())
    station.conversation.receive(client_frame(kind, b""))
    assert station.frames()[-1] == (ws.CLOSE, 1008)


def test_very_many_frames_at_once_are_taken_and_the_next_come_later(clock: FakeClock) -> None:
    station = Station(clock, Talk())
    station.conversation.receive(binary() * MANY)
    assert station.paused == []
    station.conversation.receive(binary() * (MANY + 1))
    assert len(station.talk.taken) == 2 * MANY + 1
    assert station.paused == [pytest.approx((MANY + 1) * FRAME_S)]


def test_who_has_gone_before_the_first_word_is_let_go() -> None:
    """What was said to it failed past everybody who would have counted it out, and its place was taken for ever."""

    def gone(_data: bytes) -> int:
        raise BrokenPipeError

    station = Station(FakeClock(), Talk())
    station.conversation.writer = LiveWriter(gone, lambda: True)
    station.conversation.start()
    assert station.conversation.over
    assert station.aborts


def test_half_a_message_is_not_waited_for_for_ever(clock: FakeClock) -> None:
    station = Station(clock, Talk())
    whole = binary(bytes(1000))
    station.conversation.receive(whole[:500])
    for _ in range(5):  # it is there
        clock.advance(2.1)
        station.conversation.receive(whole[500:501])
        station.look()
    assert (ws.CLOSE, 1008) in station.frames()


def test_pings_between_its_fragments_give_half_a_message_no_more_time(clock: FakeClock) -> None:
    station = Station(clock, Talk())
    fragment = client_frame(ws.CONTINUATION, b"x", final=False)
    station.conversation.receive(client_frame(ws.BINARY, b"x", final=False))
    for _ in range(5):
        clock.advance(2.1)
        station.conversation.receive(fragment + client_frame(ws.PING, b""))
        station.look()
    assert (ws.CLOSE, 1008) in station.frames()


def test_a_reader_of_nothing_costs_a_bound_of_memory(clock: FakeClock) -> None:
    station = Station(clock, Talk())
    station.room = 0
    state = ClientEvent(b'{"status":"stalled","pad":"%b"' % (b"x" * 1000), 0, b"a.0", 0, 0, 0, None)
    for _ in range(MOST_KEPT // 1000 + 10):
        station.conversation.writer.send_what = frozenset({"states"})
        assert station.conversation.writer.send(state)
    station.look()
    assert station.conversation.over
    assert station.aborts


def test_a_server_that_leaves_says_come_back(clock: FakeClock) -> None:
    station = Station(clock, Talk())
    station.leaves = "the server is shutting down"
    station.look()
    assert station.frames() == [(ws.CLOSE, 1012)]
    station.conversation.receive(client_frame(ws.CLOSE, struct.pack(">H", 1012)))
    station.look()
    station.look()
    assert station.conversation.over
    station.conversation.close()
    assert (station.talk.closed, station.left) == (1, 1)


def test_quality_is_told_twice_a_second_at_most(clock: FakeClock) -> None:
    station = Station(clock, Talk())
    for _ in range(8):
        clock.advance(0.25)
        station.conversation.receive(client_frame(ws.PONG, b""))
        station.talk.told = {"ok": True}
        station.look()
    assert len(station.frames()) == 4


def test_a_message_that_waits_while_a_model_opens_is_in_time(clock: FakeClock) -> None:
    station, opens = Station(clock), threading.Event()
    station.conversation._begin = lambda _job, _writer: [opens.wait(10), station.talk][1]
    windows = binary(bytes(2000))
    station.conversation.receive(client_frame(ws.TEXT, b'{"windows": {"length": 200}}') + windows[:700])
    clock.advance(12.0)
    station.look()
    assert station.frames() == []
    opens.set()
    until(lambda: station.heard)
    station.look()
    station.conversation.receive(windows[700:])
    assert station.talk.taken == [bytes(2000)]
    assert [kind for kind, _ in station.frames()] == [ws.TEXT, ws.TEXT], "live, and an acknowledgement"


def test_windows_that_come_with_the_first_text_are_answered_at_once() -> None:
    near, far = socket.socketpair()
    connection, talk = AttachedSocket(near), Talk()
    conversation = Conversation(
        LiveWriter(connection.push, lambda: True),
        lambda _job, _writer: talk,
        most=1 << 20,
        leaving=lambda: None,
        why_leaving=lambda: "",
    )
    streams, begun = DetachedStreams(), threading.Event()
    begin, rest = conversation._begun, connection._rest

    def say_that_it_has_begun(text: bytes) -> None:
        begin(text)
        begun.set()

    def rest_once_it_has_begun() -> None:  # as where the model is open: the pause ends before it is looked at
        assert begun.wait(10)
        rest()

    conversation._begun = say_that_it_has_begun  # type: ignore[method-assign]  # holds the order that a fast model gives
    connection._rest = rest_once_it_has_begun  # type: ignore[method-assign]  # holds the order that a fast model gives
    came = client_frame(ws.TEXT, b'{"windows": {"length": 200}}') + client_frame(ws.BINARY, b"windows")
    held = threading.Thread(target=connection.talk, args=(conversation, came, streams))
    held.start()
    until(lambda: talk.taken == [b"windows"], 2.0)  # else the server's ping would have it go on, after 4 s
    far.close()
    held.join(10)
    assert not held.is_alive()
    assert streams.drain(5)
    near.close()


def test_it_is_held_over_a_real_socket_on_plain_threads(clock: FakeClock) -> None:
    """As under TLS; gunicorn's tests hold it on gevent."""
    near, far = socket.socketpair()
    near_connection, talk = AttachedSocket(near), Talk()
    conversation = Conversation(
        LiveWriter(near_connection.push, lambda: True),
        lambda _job, _writer: talk,
        most=1 << 20,
        leaving=lambda: None,
        why_leaving=lambda: "",
        talk=talk,
    )
    streams = DetachedStreams()
    held = threading.Thread(target=near_connection.talk, args=(conversation, b"", streams))
    held.start()
    far.settimeout(10)
    with far:
        for k in range(200):
            far.sendall(client_frame(ws.BINARY, bytes([k]) * 5000))
        while len(talk.taken) < 200:
            assert far.recv(65536)
        assert talk.taken == [bytes([k]) * 5000 for k in range(200)]
        far.sendall(client_frame(ws.CLOSE, struct.pack(">H", 1000)))
        last = b""
        while data := far.recv(65536):
            last = (last + data)[-4:]
        assert last == ws.closing(1000)
    held.join(10)
    assert not held.is_alive()
    assert streams.drain(5)
    assert talk.closed == 1
    near.close()
