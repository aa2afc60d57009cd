from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from app.api.sse import socket_writer
from app.api.sse.client_socket import MAX_UNSENT, ClientSocket
from app.api.sse.socket_writer import CHECKED, SocketWriter, open_outlet
from app.serving.streams.client_stream import ClientEvent
from tests.fakes import FakeClock

Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def pair() -> Iterator[Pair]:
    """Both ends of a TCP connection whose buffers are small; the server's does not block."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        client = socket.socket()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(listener.getsockname())
        server, _ = listener.accept()
    server.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    server.setblocking(False)
    with client, server:
        yield server, client


def outlet_of(server: socket.socket, protocol: str = "HTTP/1.0") -> SocketWriter:
    outlet = open_outlet(ClientSocket({"gunicorn.socket": server}), protocol)
    assert outlet is not None
    return outlet


def sent(number: int, size: int) -> ClientEvent:
    return ClientEvent(b'{"pad":"%b"' % (b"x" * size), number, b"a.0", number, number, 0)


def read_all(client: socket.socket, patience_s: float = 0.2) -> bytes:
    client.settimeout(patience_s)
    found = b""
    try:
        while part := client.recv(65536):
            found += part
    except TimeoutError:
        pass
    return found


def test_http_1_1_gets_chunks_and_http_1_0_plain_events(pair: Pair) -> None:
    server, client = pair
    outlet_of(server, "HTTP/1.1").send(sent(0, 10))
    size, _, rest = read_all(client).partition(b"\r\n")
    assert len(rest) == int(size, 16) + 2
    outlet_of(server, "HTTP/1.0").send(sent(0, 10))
    assert read_all(client) == rest[:-2]


def test_an_event_taken_in_part_is_finished_before_anything_else(pair: Pair) -> None:
    server, client = pair
    outlet = outlet_of(server)
    assert outlet.send(sent(0, 200_000))
    assert not outlet.send(sent(1, 10))
    outlet.comment()  # has no place within an event
    got = read_all(client)
    while not outlet.send(sent(2, 10)):
        got += read_all(client, 0.01)  # what is late comes with the next look
    got += read_all(client)
    assert got.count(b"\n\n") == 2
    assert [b'"frame":%d,' % n in got for n in range(3)] == [True, False, True]


def test_a_full_socket_takes_nothing_until_the_client_reads(pair: Pair) -> None:
    """It was looked at with every eighth frame only, and the seven others went behind a full buffer."""
    server, client = pair
    server.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 40 * MAX_UNSENT)
    outlet = outlet_of(server)
    taken = [outlet.send(sent(number, 2000)) for number in range(20 * CHECKED)]
    refused = taken.index(False)
    assert not any(taken[refused:])
    read_all(client)
    assert outlet.send(sent(999, 10))


def test_the_end_waits_for_the_rest_only_as_long_as_it_may(pair: Pair) -> None:
    server, client = pair
    outlet = outlet_of(server)
    outlet.send(sent(0, 200_000))
    assert not outlet.finish(0.05)
    client.close()
    assert not outlet.finish(0.05)


def test_the_last_word_goes_behind_the_rest_and_ends_the_body(pair: Pair) -> None:
    server, client = pair
    outlet = outlet_of(server, "HTTP/1.1")
    outlet.send(sent(0, 200_000))
    outlet.end(b"data: the end\n\n")
    got = b""
    while not outlet.flush():
        got += read_all(client, 0.01)  # what is late comes with the next look
    got += read_all(client)
    assert got.count(b"\n\n") == 2
    assert got.endswith(b"\n\n\r\nf\r\ndata: the end\n\n\r\n0\r\n\r\n")


def test_a_connection_that_was_taken_over_outlives_the_object_of_the_server(pair: Pair) -> None:
    server, client = pair
    wire = ClientSocket({"gunicorn.socket": server})
    outlet = outlet_of(server)
    wire.take_over()
    server.close()
    assert outlet.send(sent(0, 10))
    assert not wire.gone
    client.sendall(b"unread")  # must not turn the end into a reset
    wire.close()
    assert read_all(client).endswith(b"}\n\n")
    assert client.recv(1) == b""


def test_a_client_that_has_gone_raises_for_a_frame_and_not_for_a_comment(pair: Pair) -> None:
    server, client = pair
    wire = ClientSocket({"gunicorn.socket": server})
    outlet = outlet_of(server)
    client.close()
    assert wire.gone
    outlet.comment()  # answered by a reset
    outlet.comment()
    with pytest.raises(OSError, match=r"pipe|reset"):
        outlet.send(sent(0, 10))


def test_a_comment_is_part_of_the_next_events_block(pair: Pair) -> None:
    """With an empty line after it, strict readers took it for an event without data."""
    server, client = pair
    outlet = outlet_of(server)
    outlet.comment()
    assert outlet.send(sent(0, 10))
    blocks = read_all(client).decode().removesuffix("\n\n").split("\n\n")
    assert len(blocks) == 1
    assert blocks[0].startswith(": keep-alive\nid: ")


def test_no_comment_goes_out_while_frames_do(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    server, client = pair
    clock = FakeClock()
    monkeypatch.setattr(socket_writer.time, "perf_counter", clock)
    outlet = outlet_of(server)
    for number in range(40):  # 10 s of a frame and a look each 0.25 s
        clock.advance(0.25)
        assert outlet.send(sent(number, 10))
        outlet.keep_alive(4.0)
    assert b":" not in read_all(client)[:1]
    for _ in range(40):  # and 10 s of silence
        clock.advance(0.25)
        outlet.keep_alive(4.0)
    assert read_all(client) == b": keep-alive\n" * 2


def test_there_is_no_outlet_without_a_plain_non_blocking_socket(pair: Pair) -> None:
    server, client = pair
    assert open_outlet(ClientSocket({}), "HTTP/1.1") is None
    assert open_outlet(ClientSocket({"gunicorn.socket": client}), "HTTP/1.1") is None  # one that would block
    assert open_outlet(ClientSocket({"gunicorn.socket": server}), "HTTP/2") is None
