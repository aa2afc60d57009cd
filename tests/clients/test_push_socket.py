"""Pushed sources by WebSocket: what is sent, acknowledged, and sent again after a cut."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trustme

from myostream_client import NoWebSocketError, PushedSource, RefusedError, ServerUnreachableError
from myostream_client.server_http import Server
from tests.clients.live_server import LiveShelf, live_server
from tests.clients.small_server import Answer, Asked, answering, problem

RATE = 200


@pytest.fixture
def shelf() -> LiveShelf:
    return LiveShelf()


@pytest.fixture
def url(shelf: LiveShelf) -> Iterator[str]:
    with live_server(shelf) as url:
        yield url


def pushed(url: str, **more: Any) -> PushedSource:
    settings = {"channels": 2, "sampling_rate_hz": RATE, "sleep": lambda _: None, **more}
    return PushedSource(Server(url=url, api_key="secret"), "arm", **settings)


def ramp(first: int, count: int) -> Any:
    return np.arange(2 * first, 2 * (first + count), dtype="f4").reshape(-1, 2)


def expect_whole(shelf: LiveShelf, count: int) -> None:
    assert shelf.taken == {place: [2.0 * place, 2.0 * place + 1] for place in range(count)}


def test_the_declaration_and_the_key_are_in_the_request(shelf: LiveShelf, url: str) -> None:
    aux = [{"name": "imu", "channel_names": ["x", "y"], "units": "g", "sampling_rate_hz": 50}]
    with pushed(url, model="anna", aux=aux, scale=0.5) as source:
        assert source.transport == "websocket"
    assert shelf.queries == [
        {
            "channels": "2",
            "sampling_rate_hz": "200",
            "units": "uV",
            "model": "anna",
            "aux": '[{"name":"imu","channel_names":["x","y"],"units":"g","sampling_rate_hz":50}]',
            "send": "none",
            "scale": "0.5",
        }
    ]
    assert shelf.headers[0]["x-api-key"] == "secret"
    assert "sec-websocket-extensions" not in shelf.headers[0]
    assert "origin" not in shelf.headers[0]


def test_the_receipts_add_up_to_all_that_was_sent(shelf: LiveShelf, url: str) -> None:
    with pushed(url) as source:
        receipts = [source.send(ramp(first, 10)) for first in range(0, 100, 10)]
        source.skip(5)
        receipts += [source.send(ramp(105, 10)), source.flush()]
    assert sum(receipt.accepted for receipt in receipts) == 110
    assert sum(receipt.lost_samples for receipt in receipts) == 5
    assert receipts[-1].next_sample == source.next_sample == 115
    assert sorted(shelf.taken) == [*range(100), *range(105, 115)]


def test_nothing_is_waited_for_while_less_than_two_seconds_are_on_their_way(
    shelf: LiveShelf, url: str
) -> None:
    shelf.held = True
    with pushed(url) as source:
        for first in range(0, 2 * RATE, 10):
            source.send(ramp(first, 10))
        shelf.held = False
        source.send(ramp(2 * RATE, 10))  # waits for the server
        assert source.flush().next_sample == 2 * RATE + 10


def test_a_cut_connection_loses_nothing_and_repeats_what_the_server_did_not_say_it_has(
    shelf: LiveShelf, url: str
) -> None:
    shelf.endings = [(3, 0, ""), (2, 1012, "restart"), (4, 1001, "gone"), (0, 1013, "overloaded")]
    with pushed(url) as source:
        receipts = [source.send(ramp(first, 10)) for first in range(0, 300, 10)]
        receipts.append(source.flush())
    expect_whole(shelf, 300)
    assert shelf.connections == 5
    assert receipts[-1].next_sample == 300


def test_a_server_that_has_forgotten_the_source_gets_what_was_not_acknowledged(
    shelf: LiveShelf, url: str
) -> None:
    with pushed(url) as source:
        source.send(ramp(0, 50))
        source.flush()
        shelf.next_sample = None  # it was restarted
        shelf.cut()
        source.send(ramp(50, 50))
        source.flush()
    assert sorted(shelf.taken) == list(range(100))
    assert shelf.next_sample == 100


def test_a_server_that_waits_for_what_it_had_gets_the_last_two_seconds_again(
    shelf: LiveShelf, url: str
) -> None:
    with pushed(url) as source:
        for first in range(0, 5 * RATE, 10):
            source.send(ramp(first, 10))
        source.flush()
        shelf.next_sample = 2 * RATE  # what it had taken after that died with its worker
        shelf.cut()
        source.send(ramp(5 * RATE, 10))
        receipt = source.flush()
    again = [int.from_bytes(message[8:16], "little") for message in shelf.messages[100:]]
    assert again == list(range(3 * RATE + 10, 5 * RATE + 10, 10))
    assert receipt.lost_samples == RATE + 10
    assert shelf.next_sample == 5 * RATE + 10


def test_a_second_run_goes_on_where_the_server_is(shelf: LiveShelf, url: str) -> None:
    shelf.next_sample = 40
    with pushed(url) as source:
        assert source.next_sample == 40
        assert source.send(ramp(40, 10)).accepted + source.flush().accepted == 10


def test_a_long_chunk_goes_in_several_messages(shelf: LiveShelf, url: str) -> None:
    with pushed(url) as source:
        source.send(ramp(0, 100_000))
        assert source.flush().next_sample == 100_000
    assert len(shelf.messages) == 4
    expect_whole(shelf, 100_000)


def test_lists_go_as_arrays_do(shelf: LiveShelf, url: str) -> None:
    with pushed(url) as source:
        source.send(ramp(0, 10).tolist())
        source.send(ramp(10, 10))
        source.flush()
    expect_whole(shelf, 20)


def refusing(shelf: LiveShelf, status: int, detail: str, after: int = 1) -> None:
    """Have the next connection refuse the last of so many messages, as the server does."""
    shelf.refuses = {after: {"type": "error", "status": status, "title": "No", "detail": detail}}
    shelf.endings = [(after, 1008, "see the error before this")]


def test_what_the_server_refuses_is_raised_by_the_next_call_and_not_sent_again(
    shelf: LiveShelf, url: str
) -> None:
    refusing(shelf, 422, "samples must be finite", after=2)
    with pushed(url) as source:
        steps = [partial(source.send, ramp(first, 10)) for first in (0, 10, 20, 30)] + [source.flush]
        refusals, lost = [], 0
        for step in steps:
            try:
                lost += step().lost_samples
            except RefusedError as error:
                refusals.append(str(error))
                lost += step().lost_samples  # what was refused is not sent again by this
    assert refusals == ["422 No: samples must be finite"]
    assert (lost, source.next_sample) == (10, 40)
    assert sorted(shelf.taken) == [*range(10), *range(20, 40)]


def test_a_source_that_the_server_has_ended_meanwhile_is_declared_again(shelf: LiveShelf, url: str) -> None:
    refusing(shelf, 404, "no source 'arm' any more: declare it again", after=2)
    with pushed(url) as source:
        for first in (0, 10, 20):
            source.send(ramp(first, 10))
        source.flush()
    expect_whole(shelf, 30)


def test_who_is_too_fast_is_let_in_again(shelf: LiveShelf, url: str) -> None:
    refusing(shelf, 429, "slower")
    with pushed(url) as source:
        source.send(ramp(0, 10))
        receipt = source.flush()
        assert (receipt.accepted, receipt.next_sample) == (10, 10)
    assert shelf.connections == 2


def test_a_refusal_before_the_upgrade_is_the_servers_own(shelf: LiveShelf, url: str) -> None:
    shelf.refusals = [(409, {"title": "Conflict", "detail": "arm has 8 channels"})]
    with pytest.raises(RefusedError, match="409 Conflict: arm has 8 channels"):
        pushed(url)
    shelf.refusals = [(404, {"title": "Not Found", "detail": "there is no model 'anna'"})]
    with pytest.raises(RefusedError, match="there is no model"):
        pushed(url, model="anna")


def test_a_server_that_stays_away_is_given_up_and_may_be_tried_again(shelf: LiveShelf) -> None:
    with live_server(shelf) as url:
        source = pushed(url, give_up_s=0.2)
        source.send(ramp(0, 10))
        source.flush()
        port = int(url.rpartition(":")[2])
    with pytest.raises(ServerUnreachableError):
        source.send(ramp(10, 10))
    assert source.next_sample == 10
    with live_server(shelf, port=port):
        source.send(ramp(10, 10))
        assert source.flush().next_sample == 20
        source.close()
    expect_whole(shelf, 20)


def test_a_source_that_was_ended_is_declared_again_with_the_next_chunk(shelf: LiveShelf, url: str) -> None:
    shelf.endings = [(1, 1000, "the source was deleted")]
    with pushed(url) as source:
        source.send(ramp(0, 10))
        source.flush()
        for first in range(10, 50, 10):
            source.send(ramp(first, 10))
        source.flush()
    assert shelf.connections == 2
    expect_whole(shelf, 50)


def test_tls_carries_the_same(shelf: LiveShelf) -> None:
    authority = trustme.CA()
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(server)
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    with (
        live_server(shelf, server) as url,
        PushedSource(Server(url=url, tls=trusting), "arm", channels=2, sampling_rate_hz=RATE) as source,
    ):
        source.send(ramp(0, 50_000))
        assert source.flush().next_sample == 50_000
        shelf.cut()
        source.send(ramp(50_000, 10))
        source.flush()
    expect_whole(shelf, 50_010)


class Old:
    """A server without a live socket, or a proxy before it."""

    def __init__(self, answer: Answer) -> None:
        self.answer, self.asked = answer, list[Asked]()

    def __call__(self, asked: Asked) -> Answer:
        self.asked.append(asked)
        if asked.path.partition("?")[0].endswith("/live"):
            return self.answer
        if asked.path.endswith("samples?first_sample=0&dtype=float32"):
            return Answer(200, {"accepted": 10, "duplicates": 0, "lost_samples": 0, "next_sample": 10})
        return Answer(201, {"next_sample": None})


OLD = {
    "an older server": problem(404, "Not Found", "The requested URL was not found on the server."),
    "405": problem(405, "Method Not Allowed", "there is POST"),
    "a proxy that drops Upgrade": problem(426, "Upgrade Required", "this is a WebSocket"),
    "flask run": problem(501, "Not Implemented", "there is no socket here"),
}
PROXIES = {
    "a proxy's own page": Answer(403, b"<h1>Forbidden</h1>", {"Content-Type": "text/html"}),
    "a proxy without its server": Answer(502, b"<h1>Bad Gateway</h1>", {"Content-Type": "text/html"}),
    "one that hangs up": Answer(None),
    "another answer": Answer(200, {}),
}


@pytest.mark.parametrize("what", OLD)
def test_a_server_without_a_socket_is_pushed_to_by_post_and_asked_once(what: str) -> None:
    old = Old(OLD[what])
    with answering(old) as url:
        from myostream_client import StreamingInferenceClient

        with StreamingInferenceClient(url) as client:
            for _ in range(2):
                with client.push("arm", channels=2, sampling_rate_hz=RATE) as source:
                    assert source.transport == "http"
                    assert source.send(ramp(0, 10)).accepted == 10
                    assert source.flush().next_sample == 10
    assert [asked.path.partition("?")[0] for asked in old.asked] == [
        "/emg/sources/arm/live",
        *2 * ["/emg/sources/arm", "/emg/sources/arm/samples", "/emg/sources/arm"],
    ]


@pytest.mark.parametrize("what", PROXIES)
def test_what_lets_no_socket_through_is_gone_around(what: str) -> None:
    with answering(Old(PROXIES[what])) as url, pushed(url) as source:
        assert source.transport == "http"
        assert source.send(ramp(0, 10)).accepted == 10


def test_who_wants_a_socket_and_nothing_else_is_told_that_there_is_none() -> None:
    with answering(Old(OLD["flask run"])) as url:
        with pytest.raises(NoWebSocketError, match="it answered 501"):
            pushed(url, transport="websocket")
        with pytest.raises(ValueError, match="transport must be"):
            pushed(url, transport="carrier pigeon")


def test_who_wants_no_socket_asks_for_none() -> None:
    old = Old(OLD["flask run"])
    with answering(old) as url, pushed(url, transport="http"):
        assert [asked.method for asked in old.asked] == ["POST"]


def test_what_is_wrong_is_said_before_it_is_sent(shelf: LiveShelf, url: str, tmp_path: Path) -> None:
    with pushed(url, sample_format="int24") as source:
        with pytest.raises(ValueError, match=r"a chunk must be \(n, 2\), got an array of \(10, 3\)"):
            source.send(np.ones((10, 3)))
        with pytest.raises(ValueError, match="whole numbers, got an array of float64"):
            source.send(np.ones((10, 2)))
        with pytest.raises(ValueError, match="int24 goes from -8388608 to 8388607"):
            source.send(np.full((10, 2), 2**23))
        with pytest.raises(ValueError, match="declared without imu; its auxiliary streams: none"):
            source.send(np.ones((10, 2), int), aux={"imu": np.ones((1, 2))})
        assert source.next_sample == 0
    with pytest.raises(ValueError, match="sample_format must be one of float32, int16, int24"):
        pushed(url, sample_format="int8")
    assert shelf.messages == []
