"""What the Python client says when a server refuses, is another, or is not there."""

from __future__ import annotations

import socket
import ssl
import time

import pytest

from myostream_client import (
    ClientError,
    KeyRefusedError,
    NotMyostreamError,
    RefusedError,
    ServerUnreachableError,
    StreamingInferenceClient,
)
from tests.clients.conftest import ClientOf
from tests.clients.small_server import Answer, Asked, answering, problem
from tests.server.live import free_port


def test_the_key_goes_in_its_header_and_a_refusal_comes_back_in_the_servers_words(
    client_of: ClientOf,
) -> None:
    asked: list[Asked] = []

    def answer(one: Asked) -> Answer:
        asked.append(one)
        if "X-API-Key" in one.headers:
            return problem(403, "Forbidden", "this key is not known")
        return problem(401, "Unauthorized", "send your key as X-API-Key")

    with answering(answer) as url:
        with pytest.raises(KeyRefusedError, match="401 Unauthorized: send your key as X-API-Key"):
            client_of(url).health_check()
        wrong = client_of(url, api_key="wrong")
        with pytest.raises(KeyRefusedError, match="403 Forbidden: this key is not known"):
            wrong.stream_stats()
        with pytest.raises(KeyRefusedError, match="403 Forbidden: this key is not known"):
            next(iter(wrong.stream()))
    assert [one.headers.get("X-API-Key") for one in asked] == [None, "wrong", "wrong"]
    assert not any("wrong" in one.path for one in asked)


def test_a_key_with_a_line_feed_is_caught_before_it_breaks_the_request() -> None:
    with pytest.raises(ValueError, match="is a line feed at its end"):
        StreamingInferenceClient(api_key="secret\n")


@pytest.mark.parametrize("url", ["127.0.0.1:8000", "ftp://there", "http://", ""])
def test_a_url_that_is_none_is_refused_with_what_one_looks_like(url: str) -> None:
    with pytest.raises(ValueError, match=r"must be like http://127\.0\.0\.1:8000"):
        StreamingInferenceClient(url)


def test_a_path_in_the_url_is_kept(client_of: ClientOf) -> None:
    asked: list[str] = []

    def answer(one: Asked) -> Answer:
        asked.append(one.path)
        return Answer(200, {})

    with answering(answer) as url:
        client_of(f"{url}/emg/").health_check()
    assert asked == ["/emg/health"]


def test_nobody_there_says_what_to_look_at(client_of: ClientOf) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    for call in (
        client_of(url).health_check,
        lambda: next(iter(client_of(url).stream())),
    ):
        with pytest.raises(
            ServerUnreachableError, match=f"cannot reach {url}: .*refused; is the server running"
        ):
            call()


def test_a_server_that_does_not_answer_is_left_after_the_time_out(client_of: ClientOf) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = client_of(f"http://127.0.0.1:{listener.getsockname()[1]}", timeout_s=0.2)
        began = time.monotonic()
        with pytest.raises(ServerUnreachableError, match=r"broke off: no answer for 0.2 s"):
            client.health_check()
        assert time.monotonic() - began < 2


def test_another_server_is_recognised_as_such(client_of: ClientOf) -> None:
    page = Answer(200, b"<html>hello</html>", {"Content-Type": "text/html"})
    with answering(lambda _: page) as url:
        with pytest.raises(NotMyostreamError, match="answered 200 with text/html, not with a JSON object"):
            client_of(url).health_check()
        with pytest.raises(NotMyostreamError, match="expected text/event-stream, got 200 text/html"):
            next(iter(client_of(url).stream()))


def test_a_proxys_error_page_is_quoted(client_of: ClientOf) -> None:
    with (
        answering(lambda _: Answer(502, b"<h1>Bad Gateway</h1>")) as url,
        pytest.raises(
            RefusedError, match="502 HTTP 502: not answered by the server itself: '<h1>Bad"
        ) as caught,
    ):
        client_of(url).health_check()
    assert caught.value.passing


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"data: {\n\n", "the stream cannot be read: Expecting"),
        (b'data: {"prediction": 1}\n\n', "an event lacks a key: .*'frame'"),
        (b"data: [1]\n\n", "the stream cannot be read: an event is no JSON object"),
    ],
)
def test_a_stream_that_is_none_is_an_error(data: bytes, reason: str, client_of: ClientOf) -> None:
    stream = Answer(200, data, {"Content-Type": "text/event-stream"})
    with answering(lambda _: stream) as url, pytest.raises(NotMyostreamError, match=reason):
        list(client_of(url).stream())


def test_events_of_a_kind_that_is_not_known_are_passed_over(client_of: ClientOf) -> None:
    said = b'event: note\ndata: no JSON\n\ndata: {"status": "new"}\n\nid: end\ndata: {"status": "completed", '
    said += b'"total_frames": 0, "duration_seconds": 1, "avg_fps": 0, "new": 1}\n\n'
    with answering(lambda _: Answer(200, said, {"Content-Type": "text/event-stream"})) as url:
        (event,) = client_of(url).stream()
    assert event.total_frames == 0


def test_waiting_until_ready_ends_with_what_the_server_last_said(client_of: ClientOf) -> None:
    answers = iter([problem(503, "Service Unavailable", "the engine is warming up")] * 2)
    with answering(lambda _: next(answers, Answer(200, {"status": "ready"}))) as url:
        client_of(url).wait_until_ready(10)
    with (
        answering(lambda _: problem(503, "Service Unavailable", "no source")) as url,
        pytest.raises(RefusedError, match="no source"),
    ):
        client_of(url).wait_until_ready(0.3)


def test_a_certificate_that_is_not_trusted_is_an_error_of_the_client(client_of: ClientOf) -> None:
    with answering(lambda _: Answer(200, {})) as url:
        client = client_of(url.replace("http", "https"), tls=ssl.create_default_context())
        with pytest.raises(ClientError, match="cannot reach https"):
            client.health_check()
