"""Who is let in, by key, scope, ticket and origin: the same on the fast path as in Flask."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flask.testing import FlaskClient

from app import create_app
from app.api.access.access import CONTROL, INFER, OPEN, READ, scope_of
from app.config import ROOT
from app.keys import SCOPES, Key, make
from app.serving.runtime import Runtime
from tests.api.conftest import CHANNELS, LENGTH

RAW = "application/octet-stream"
EMG = np.random.default_rng(1).normal(size=(LENGTH, CHANNELS)).astype("<f4").tobytes()
WINDOW = np.zeros((LENGTH, CHANNELS)).tolist()
KEYS = {name: make(name, scopes) for name, scopes in
        {"reader": [READ], "caller": [INFER], "chief": [READ, INFER, CONTROL]}.items()}  # fmt: skip
OPENED = {
    "/health/live",
    "/health/ready",
    "/v2/health/live",
    "/v2/health/ready",
    "/",
    "/teach",
    "/docs",
    "/openapi.json",
}

Make = Callable[..., FlaskClient]


@pytest.fixture
def client_with(runtime: Runtime) -> Iterator[Make]:
    """A client of the same runtime under other settings."""
    own = runtime.settings

    def make_client(**settings: Any) -> FlaskClient:
        runtime.settings = dataclasses.replace(own, **settings)
        return create_app(runtime).test_client()

    yield make_client
    runtime.settings = own


@pytest.fixture
def guarded(client_with: Make) -> FlaskClient:
    return client_with(api_keys=tuple(key for key, _ in KEYS.values()))


def sent(name: str) -> dict[str, str]:
    return {"X-API-Key": KEYS[name][1]}


def test_every_route_declares_a_scope(client: FlaskClient) -> None:
    """Default deny: a route without one is open to no key, so it must not be forgotten."""
    app = client.application
    undeclared = {
        rule.rule for rule in app.url_map.iter_rules()
        if scope_of(app, rule.endpoint) not in (OPEN, READ, INFER, CONTROL)
    }  # fmt: skip
    assert undeclared == set()


def test_only_probes_pages_and_their_files_are_open(client: FlaskClient) -> None:
    app = client.application
    opened = {rule.rule for rule in app.url_map.iter_rules() if scope_of(app, rule.endpoint) == OPEN}
    assert {rule for rule in opened if "<path:filename>" not in rule} == OPENED


def test_what_changes_something_needs_more_than_reading(client: FlaskClient) -> None:
    app = client.application
    for rule in app.url_map.iter_rules():
        if {"POST", "PUT", "PATCH", "DELETE"} & (rule.methods or set()):
            may_read = rule.rule in ("/infer/stream", "/stream/tickets", "/v2/repository/index")
            assert scope_of(app, rule.endpoint) in ({READ} if may_read else {INFER, CONTROL}), rule


@pytest.mark.parametrize("opened", sorted(OPENED))
def test_what_is_open_needs_no_key(guarded: FlaskClient, opened: str) -> None:
    assert guarded.get(opened).status_code == 200


def test_a_route_without_a_scope_is_refused_to_every_key(guarded: FlaskClient) -> None:
    app = guarded.application
    app.add_url_rule("/forgotten", "forgotten", lambda: "secret")
    answer = guarded.get("/forgotten", headers=sent("chief"))
    assert answer.status_code == 403
    assert b"secret" not in answer.data


@pytest.mark.parametrize("path", ["/health", "/emg/recordings/none/download"])
def test_an_answer_to_a_key_names_its_scopes_also_where_it_is_refused(
    guarded: FlaskClient, path: str
) -> None:
    """By this the dashboard turns buttons off, and says which key they take."""
    answers = {name: guarded.get(path, headers=sent(name)) for name in KEYS}
    told = {name: answer.headers["X-API-Key-Scopes"].split(", ") for name, answer in answers.items()}
    assert told == {name: [s for s in SCOPES if s in key.scopes] for name, (key, _) in KEYS.items()}
    assert {answer.status_code for answer in answers.values()} > {403}
    for headers in ({}, {"X-API-Key": "emg_wrong"}):
        assert "X-API-Key-Scopes" not in guarded.get(path, headers=headers).headers


def test_where_no_key_is_asked_for_no_scopes_are_named(client: FlaskClient) -> None:
    assert "X-API-Key-Scopes" not in client.get("/health").headers


REQUESTS: dict[str, dict[str, Any]] = {
    "read": {"path": "/health", "method": "GET"},
    "infer in flask": {"path": "/infer", "method": "POST", "json": {"emg": WINDOW, "source": None}},
    "infer on the fast path": {"path": "/infer", "method": "POST", "data": EMG, "content_type": RAW},
    "push": {
        "path": "/emg/sources/a/samples?first_sample=0",
        "method": "POST",
        "data": EMG,
        "content_type": RAW,
    },
    "benchmark": {"path": "/benchmark", "method": "POST", "json": {"num_iterations": 0}},
    "stream": {"path": "/infer/stream?duration_seconds=0.1", "method": "GET"},
    "export": {"path": "/emg/recordings/none/download", "method": "GET"},
}


@pytest.mark.parametrize("name", REQUESTS)
def test_no_key_is_401_with_a_challenge(guarded: FlaskClient, name: str) -> None:
    answer = guarded.open(**REQUESTS[name])
    assert (answer.status_code, answer.content_type) == (401, "application/problem+json")
    assert "X-API-Key" in answer.headers["WWW-Authenticate"]
    assert "X-API-Key" in answer.get_json()["detail"]


@pytest.mark.parametrize("name", REQUESTS)
@pytest.mark.parametrize(
    "wrong",
    ["x", "emg_" + "A" * 43, KEYS["chief"][0].hash, "\xff"],
    ids=["short", "another", "hash", "latin-1"],
)
def test_a_wrong_key_is_403_and_is_not_repeated(guarded: FlaskClient, name: str, wrong: str) -> None:
    answer = guarded.open(**REQUESTS[name], headers={"X-API-Key": wrong})
    assert answer.status_code == 403
    assert len(wrong) < 4 or wrong not in answer.get_data(as_text=True)


@pytest.mark.parametrize(
    ("name", "holder", "status"),
    [
        ("read", "reader", 200),
        ("read", "caller", 403),
        ("infer in flask", "caller", 200),
        ("infer in flask", "reader", 403),
        ("infer on the fast path", "caller", 200),
        ("infer on the fast path", "chief", 200),
        ("infer on the fast path", "reader", 403),
        ("benchmark", "chief", 422),
        ("benchmark", "caller", 403),
        ("push", "caller", 403),
        ("push", "chief", 404),
        ("stream", "reader", 200),
        ("stream", "caller", 403),
        ("export", "reader", 403),  # it costs a core and the disk
        ("export", "chief", 404),
    ],
)
def test_a_key_opens_what_its_scopes_say(guarded: FlaskClient, name: str, holder: str, status: int) -> None:
    with guarded.open(**REQUESTS[name], headers=sent(holder)) as answer:
        assert answer.status_code == status
        if status == 403:
            assert holder in answer.get_json()["detail"]


def test_a_sound_request_with_a_key_is_answered_without_flask(guarded: FlaskClient) -> None:
    seen = []
    guarded.application.before_request_funcs[None].insert(0, lambda: seen.append(1))
    assert guarded.post("/infer", data=EMG, content_type=RAW, headers=sent("caller")).status_code == 200
    assert seen == []


def test_the_body_of_a_refused_request_is_not_read(guarded: FlaskClient) -> None:
    class Body:
        def read(self, size: int = -1) -> bytes:
            raise AssertionError("it was read")

    environ = {"wsgi.input": Body(), "CONTENT_LENGTH": str(len(EMG)), "CONTENT_TYPE": RAW}
    assert guarded.post("/infer", environ_overrides=environ).status_code == 401


def test_a_revoked_key_is_refused_without_a_restart(client_with: Make, tmp_path: Path) -> None:
    from app.key_file import write_file

    path = tmp_path / "keys"
    write_file(path, (KEYS["reader"][0], KEYS["caller"][0]))
    client = client_with(api_keys_file=path)
    watched = client.application.extensions["access"].keys
    now = [0.0]
    watched._clock = lambda: now[0]
    assert client.get("/health", headers=sent("reader")).status_code == 200
    write_file(path, (KEYS["caller"][0],))
    now[0] = 2.0
    assert client.get("/health", headers=sent("reader")).status_code == 403
    path.unlink()
    now[0] = 4.0
    assert client.post("/infer", json={"emg": WINDOW}, headers=sent("caller")).status_code == 200


def test_a_file_without_keys_opens_nothing(client_with: Make, tmp_path: Path) -> None:
    client = client_with(api_keys_file=tmp_path / "missing")
    assert client.get("/health").status_code == 401
    assert client.get("/health", headers=sent("chief")).status_code == 403


# tickets


def ticket_of(client: FlaskClient, **more: Any) -> str:
    answer = client.post("/stream/tickets", **more)
    assert (answer.status_code, answer.get_json()["expires_in_seconds"]) == (201, 30)
    assert answer.headers["Cache-Control"] == "no-store"
    found: str = answer.get_json()["ticket"]
    return found


def opened(client: FlaskClient, ticket: str, path: str = "/infer/stream") -> int:
    with client.get(path, query_string={"ticket": ticket, "duration_seconds": 0.1}) as answer:
        return answer.status_code


def test_a_ticket_opens_one_stream_and_no_second(guarded: FlaskClient) -> None:
    ticket = ticket_of(guarded, headers=sent("reader"))
    assert opened(guarded, ticket) == 200
    assert opened(guarded, ticket) == 403


def test_a_ticket_opens_nothing_but_a_stream(guarded: FlaskClient) -> None:
    ticket = ticket_of(guarded, headers=sent("reader"))
    assert opened(guarded, ticket, "/infer/stream/stats") == 401
    assert guarded.post("/infer/stream", query_string={"ticket": ticket}).status_code == 401
    assert opened(guarded, ticket) == 200


@pytest.mark.parametrize("ticket", ["x", "../../etc/passwd", "A" * 43, "\x00", ""])
def test_a_ticket_of_ones_own_making_opens_nothing(guarded: FlaskClient, ticket: str) -> None:
    assert opened(guarded, ticket) == (403 if ticket else 401)


def test_a_ticket_needs_a_key_that_may_read(guarded: FlaskClient) -> None:
    assert guarded.post("/stream/tickets").status_code == 401
    assert guarded.post("/stream/tickets", headers=sent("caller")).status_code == 403


def test_without_keys_tickets_are_given_and_taken_all_the_same(client: FlaskClient) -> None:
    assert opened(client, ticket_of(client)) == 200


# other origins


def preflight(client: FlaskClient, origin: str) -> Any:
    asks = {
        "Origin": origin,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "x-api-key",
    }
    return client.options("/infer/stream", headers=asks)


def test_a_named_origin_may_ask_and_read_and_see_retry_after(client_with: Make) -> None:
    client = client_with(
        cors_origins=("https://lab.example", "https://b.example"), api_keys=(KEYS["chief"][0],)
    )
    answer = preflight(client, "https://lab.example")
    assert answer.status_code == 200
    assert answer.headers["Access-Control-Allow-Origin"] == "https://lab.example"
    assert "x-api-key" in answer.headers["Access-Control-Allow-Headers"].lower()
    allowed = set(answer.headers["Access-Control-Allow-Methods"].split(", "))
    methods = {method for rule in client.application.url_map.iter_rules() for method in rule.methods or ()}
    assert methods - {"HEAD", "OPTIONS"} == allowed
    origin = {"Origin": "https://lab.example"}
    for request in (
        {"path": "/health", "method": "GET", "headers": origin},  # an error
        {"path": "/nowhere", "method": "GET", "headers": origin},
        {"path": "/infer/stream?duration_seconds=0.1", "method": "GET", "headers": origin | sent("chief")},
        {
            "path": "/infer",
            "method": "POST",
            "data": EMG,
            "content_type": RAW,
            "headers": origin | sent("chief"),
        },
    ):
        with client.open(**request) as found:
            assert found.headers["Access-Control-Allow-Origin"] == "https://lab.example", request
            assert "X-API-Key-Scopes" in found.headers["Access-Control-Expose-Headers"], request
            assert "Retry-After" in found.headers["Access-Control-Expose-Headers"]
            assert "Origin" in found.headers["Vary"]
            assert "Access-Control-Allow-Credentials" not in found.headers


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "https://lab.example.evil.example", "null", "http://lab.example"]
)
def test_no_other_origin_may(client_with: Make, origin: str) -> None:
    client = client_with(cors_origins=("https://lab.example",))
    assert "Access-Control-Allow-Origin" not in preflight(client, origin).headers
    assert "Access-Control-Allow-Origin" not in client.get("/health", headers={"Origin": origin}).headers


def test_a_star_never_meets_credentials(client_with: Make) -> None:
    answer = client_with(cors_origins=("*",)).get("/health", headers={"Origin": "https://any.example"})
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert "Access-Control-Allow-Credentials" not in answer.headers


@pytest.mark.parametrize("name", ["infer in flask", "infer on the fast path", "benchmark"])
def test_a_page_elsewhere_cannot_act_through_a_browser(client_with: Make, name: str) -> None:
    """Without keys on loopback, any web page could post to it."""
    client = client_with()
    site = {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}
    answer = client.open(**REQUESTS[name], headers=site)
    assert answer.status_code == 403
    assert "EMG_CORS_ORIGINS" in answer.get_json()["detail"]
    own = client.open(**REQUESTS["infer in flask"], headers={"Sec-Fetch-Site": "same-origin"})
    assert own.status_code == 200
    named = client_with(cors_origins=("https://evil.example",)).open(
        **REQUESTS["infer in flask"], headers=site
    )
    assert named.status_code == 200


@pytest.mark.parametrize("name", ["infer in flask", "infer on the fast path", "benchmark"])
def test_nor_without_the_header_that_browsers_send_to_https_only(client_with: Make, name: str) -> None:
    client = client_with()
    for origin in (
        "http://evil.example",
        "null",
        "http://[::1",
        "http://localhost]",
        "http://localhost:81",
        "http://localhost.evil.example",
    ):
        answer = client.open(**REQUESTS[name], headers={"Origin": origin})
        assert answer.status_code == 403, origin
        assert origin in answer.get_json()["detail"]
    own = client.open(**REQUESTS[name], headers={"Origin": "http://localhost"})
    assert own.status_code != 403


@pytest.mark.parametrize("name", ["infer in flask", "infer on the fast path", "benchmark"])
def test_no_name_of_others_leads_to_a_server_without_keys(client_with: Make, name: str) -> None:
    """DNS rebinding: to the browser the page and this server are one origin."""
    client = client_with()
    for host in ("evil.example", "evil.example:8000", "localhost.evil.example", "x", "[::1", "]"):
        same = {"Host": host, "Origin": f"http://{host}", "Sec-Fetch-Site": "same-origin"}
        answer = client.open(**REQUESTS[name], headers=same)
        assert answer.status_code == 403, host
        assert "EMG_ALLOW_ANONYMOUS" in answer.get_json()["detail"]
        assert client.get("/infer/stream/stats", headers={"Host": host}).status_code == 403
    for host in ("localhost:8000", "127.0.0.1", "127.0.0.1:8000", "[::1]:8000", "my.localhost"):
        assert client.open(**REQUESTS[name], headers={"Host": host}).status_code != 403, host


@pytest.mark.parametrize(
    "more",
    [
        {"api_keys": (KEYS["chief"][0],)},
        {"allow_anonymous": True},
        {"allow_anonymous": True, "trusted_proxies": ("127.0.0.1",)},
    ],
)
def test_any_name_leads_to_a_server_that_is_meant_for_others(client_with: Make, more: dict[str, Any]) -> None:
    answer = client_with(**more).get("/health", headers={"Host": "emg.example", **sent("chief")})
    assert answer.status_code == 200


# headers and proxies


@pytest.mark.parametrize(
    "request_", [*REQUESTS.values(), {"path": "/nowhere"}, {"path": "/docs"}, {"path": "/"}]
)
def test_every_answer_has_the_security_headers(client: FlaskClient, request_: dict[str, Any]) -> None:
    with client.open(**request_) as answer:
        headers = answer.headers
    assert (headers["X-Content-Type-Options"], headers["X-Frame-Options"]) == ("nosniff", "DENY")
    assert headers["Referrer-Policy"] == "no-referrer"
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert headers.get_all("Content-Security-Policy")[1:] == []
    assert "no-" in headers["Cache-Control"]


def test_the_worker_of_the_pages_may_load_its_modules_and_ask_this_server_and_nobody_else(
    client: FlaskClient,
) -> None:
    """A worker's policy is its own file's; with that of every other file, it could do nothing."""
    with client.get("/static/stream_worker.js") as answer:
        allowed = answer.headers["Content-Security-Policy"].split("; ")
    assert allowed == [
        "default-src 'none'",
        "script-src 'self'",
        "connect-src 'self'",
        "frame-ancestors 'none'",
    ]
    with client.get("/static/client.js") as answer:
        assert "script-src" not in answer.headers["Content-Security-Policy"]


@pytest.mark.parametrize(
    ("trusted", "peer", "forwarded", "address"),
    [
        ((), "10.0.0.1", "6.6.6.6", "10.0.0.1"),
        (("10.0.0.0/8",), "9.9.9.9", "6.6.6.6", "9.9.9.9"),
        (("10.0.0.0/8",), "10.0.0.1", "6.6.6.6", "6.6.6.6"),
        (("10.0.0.0/8",), "10.0.0.1", "1.1.1.1, 6.6.6.6, 10.0.0.2", "6.6.6.6"),
        (("10.0.0.0/8",), "10.0.0.1", "6.6.6.6, rubbish", "10.0.0.1"),
        (("unix",), "", "6.6.6.6", "6.6.6.6"),
        (("10.0.0.0/8",), "", "6.6.6.6", "local"),
        (("::1",), "::1", "2001:db8::1", "2001:db8::/64"),
        ((), "::ffff:192.0.2.1", "6.6.6.6", "192.0.2.1"),  # a socket of both families
        (("10.0.0.0/8",), "::ffff:10.0.0.1", "::ffff:6.6.6.6", "6.6.6.6"),
    ],
)
def test_a_forwarded_address_is_believed_of_trusted_proxies_only(
    client_with: Make, trusted: tuple[str, ...], peer: str, forwarded: str, address: str
) -> None:
    from app.api.access.access import current_caller

    client = client_with(trusted_proxies=trusted, allow_anonymous=True)
    seen: list[str] = []
    client.application.before_request(lambda: seen.append(current_caller().name))
    client.get("/health", environ_base={"REMOTE_ADDR": peer}, headers={"X-Forwarded-For": forwarded})
    assert seen == [address]


# description


def test_the_description_says_what_key_and_which_limits(client_with: Make) -> None:
    keys: tuple[Key, ...] = (KEYS["chief"][0],)
    api = (
        client_with(api_keys=keys, rate_limit="5/minute", max_duration_s=60.0).get("/openapi.json").get_json()
    )
    limits = api["info"]["x-limits"]
    assert (limits["rate_per_key_or_address"], limits["stream_seconds"]) == ("5/minute", 60.0)
    conf = dict(re.findall(r"^(\w+) = (\d+)", (ROOT / "gunicorn.conf.py").read_text(), re.MULTILINE))
    names = ("keepalive", "limit_request_field_size", "limit_request_fields", "limit_request_line")
    described = ("seconds_for_the_header", "header_bytes", "headers", "request_line_bytes")
    assert [limits[name] for name in described] == [int(conf[name]) for name in names]
    assert api["components"]["securitySchemes"]["apiKey"] == {
        "type": "apiKey",
        "in": "header",
        "name": "X-API-Key",
    }
    infer, live = api["paths"]["/infer"]["post"], api["paths"]["/health/live"]["get"]
    assert (infer["security"], infer["x-scope"]) == ([{"apiKey": []}], "infer")
    assert {"401", "403", "429"} <= infer["responses"].keys()
    assert "Retry-After" in infer["responses"]["429"]["headers"]
    assert "security" not in live
