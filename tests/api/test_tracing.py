"""Request ids go in and out, traces go into the log, and neither can be used to forge a line."""

from __future__ import annotations

import logging

import pytest
from flask.testing import FlaskClient

from app import create_app, logs
from app.api.tracing import trace_id
from app.serving.runtime import Runtime
from tests.api.conftest import CHANNELS, LENGTH

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


def test_an_answer_has_the_id_that_the_request_came_with(client: FlaskClient) -> None:
    answer = client.get("/health/live", headers={"X-Request-ID": "robot-7/42"})
    assert answer.headers["X-Request-ID"] == "robot-7/42"


@pytest.mark.parametrize("given", [None, "", "two words", "x" * 129, "a\tb", 'a"b', "ä"])
def test_where_there_is_no_sane_id_a_new_one_is_made(client: FlaskClient, given: str | None) -> None:
    headers = {} if given is None else {"X-Request-ID": given}
    seen = {client.get("/health/live", headers=headers).headers["X-Request-ID"] for _ in range(3)}
    assert len(seen) == 3
    assert given not in seen


def test_windows_answered_without_flask_have_one_too(client: FlaskClient) -> None:
    body = {"emg": [[0.0] * CHANNELS] * LENGTH}
    answer = client.post("/infer", json=body, headers={"X-Request-ID": "mine"})
    assert (answer.status_code, answer.headers.getlist("X-Request-ID")) == (200, ["mine"])
    assert client.post("/infer", json=body).headers["X-Request-ID"]


def test_an_error_has_it_as_well(client: FlaskClient) -> None:
    assert client.get("/nowhere", headers={"X-Request-ID": "mine"}).headers["X-Request-ID"] == "mine"


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (f"00-{TRACE}-00f067aa0ba902b7-01", TRACE),
        (f"cc-{TRACE}-00f067aa0ba902b7-01-what-the-future-will-be", TRACE),
        (f"ff-{TRACE}-00f067aa0ba902b7-01", None),
        (f"00-{'0' * 32}-00f067aa0ba902b7-01", None),
        (f"00-{TRACE}-{'0' * 16}-01", None),
        (f"00-{TRACE.upper()}-00f067aa0ba902b7-01", None),
        ("nonsense", None),
        ("", None),
    ],
)
def test_a_traceparent_is_read_as_w3c_says(header: str, expected: str | None) -> None:
    assert trace_id({"HTTP_TRACEPARENT": header}) == expected


def test_lines_of_a_request_carry_its_id_and_trace(runtime: Runtime) -> None:
    seen = {}
    app = create_app(runtime)
    app.after_request(lambda answer: seen.update(logs.bound()) or answer)
    app.test_client().get(
        "/health/live", headers={"X-Request-ID": "mine", "traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"}
    )
    assert seen == {"request_id": "mine", "trace_id": TRACE}


def test_a_line_per_request_is_written_at_debug_only_and_without_its_query(
    client: FlaskClient, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        client.get("/health/live?ticket=secret")
    assert caplog.records == []
    with caplog.at_level(logging.DEBUG, logger="app.api.tracing"):
        client.get("/health/live?ticket=secret")
    (line,) = [record.getMessage() for record in caplog.records if record.name == "app.api.tracing"]
    assert line.startswith("GET /health/live 200 in ")
