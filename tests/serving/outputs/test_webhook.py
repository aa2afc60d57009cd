"""What is posted, as a receiver that checks signatures takes it, and what becomes of it where it is not taken."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from app.serving.outputs.delivery import Delivery, UndeliveredError
from app.serving.outputs.webhook import Post, WebhookReceiver, of_event, sign
from app.webhook_address import parse_secret, parse_webhook
from tests.serving.outputs.gestures import event, new_row, sender_of, table
from tests.serving.station import until

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
KEY = parse_secret(SECRET)


class Hook:
    """An HTTP server that answers as the test says, and keeps what came."""

    def __init__(self) -> None:
        self.came: list[tuple[dict[str, str], bytes]] = []
        self.answers: list[tuple[int, dict[str, str]]] = []  # of the next; then 204
        self.connections = self.open = 0
        self.patience_s: float | None = None  # of a connection on which nothing comes
        hook = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                hook.connections += 1
                hook.open += 1
                self.timeout = hook.patience_s
                super().setup()

            def finish(self) -> None:
                super().finish()
                self.connection.shutdown(socket.SHUT_WR)  # as the server would a moment later
                hook.open -= 1

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                hook.came.append(({"path": self.path, **dict(self.headers)}, body))
                status, headers = hook.answers.pop(0) if hook.answers else (204, {})
                self.send_response(status)
                for name, value in {"Content-Length": "0", **headers}.items():
                    self.send_header(name, value)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/in?from=emg"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def ids(self) -> list[str]:
        return [headers["webhook-id"] for headers, _ in self.came]


@pytest.fixture
def hook() -> Iterator[Hook]:
    hook = Hook()
    yield hook
    hook.close()


@pytest.fixture
def receiver(hook: Hook) -> Iterator[WebhookReceiver]:
    receiver = WebhookReceiver(parse_webhook(hook.url), KEY, private=True)
    yield receiver
    receiver.close()


def test_a_receiver_of_standard_webhooks_takes_it(hook: Hook, receiver: WebhookReceiver) -> None:
    webhooks = pytest.importorskip("standardwebhooks", reason="needs requirements-dev.txt")
    row = new_row()
    sender = sender_of("webhook", Delivery("webhook", receiver, row), of_event)
    sender.gesture(event())
    sender.gesture(event("release"))
    until(lambda: row.messages == 2)
    sender.close()

    headers, body = hook.came[0]
    taken = webhooks.Webhook(SECRET).verify(body, {name.lower(): value for name, value in headers.items()})
    assert taken == {"type": "gesture.onset", "timestamp": 1764000000.25, "data": event().fields}
    assert (headers["path"], headers["Content-Type"]) == ("/in?from=emg", "application/json")
    assert hook.connections == 1, "one connection for all"
    with pytest.raises(webhooks.WebhookVerificationError):
        webhooks.Webhook(SECRET).verify(body + b" ", {name.lower(): value for name, value in headers.items()})


def test_the_signature_is_that_of_the_specifications_example() -> None:
    """https://github.com/standard-webhooks/standard-webhooks: id msg_p5jXN8AQM9LWM0D4loKWxJek at 1614265330."""
    post = Post('{"test": 2432232314}', "application/json", "msg_p5jXN8AQM9LWM0D4loKWxJek")
    assert (
        sign(KEY, post, 1614265330)["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    )


def test_a_body_of_the_table(hook: Hook, receiver: WebhookReceiver) -> None:
    rows = table(
        """\"fist.onset" = ['webhook {"text": "{gesture} {strength}"}', 'webhook {gesture} began']"""
    )
    sender = sender_of("webhook", Delivery("webhook", receiver, new_row()), of_event, rows)
    sender.gesture(event())
    until(lambda: len(hook.came) == 2)
    sender.close()
    assert json.loads(hook.came[0][1]) == {"text": "fist 0.625"}
    assert hook.came[1][1] == b"fist began"
    assert hook.came[1][0]["Content-Type"] == "text/plain; charset=utf-8"


@pytest.mark.parametrize("status", [500, 503, 429, 521])  # the last: of a proxy
def test_what_is_not_taken_is_posted_again_with_the_same_id_and_in_order(
    hook: Hook, receiver: WebhookReceiver, status: int
) -> None:
    hook.answers = [(status, {}), (status, {})]
    row = new_row()
    sender = sender_of("webhook", Delivery("webhook", receiver, row), of_event)
    sender.gesture(event())
    sender.gesture(event("release"))
    until(lambda: row.messages == 2)
    sender.close()
    assert len(set(hook.ids[:3])) == 1
    assert [json.loads(body)["data"]["phase"] for _, body in hook.came] == ["onset"] * 3 + ["release"]
    assert row.failures == 2


@pytest.mark.parametrize(
    ("status", "said"),
    [(400, "the receiver refuses it"), (410, "refuses"), (302, "redirects are not followed")],
)
def test_what_is_refused_is_not_posted_again(
    hook: Hook, receiver: WebhookReceiver, status: int, said: str
) -> None:
    hook.answers = [(status, {"Location": "http://127.0.0.1:1/inside"})]
    with pytest.raises(UndeliveredError, match=said) as failed:
        receiver.send(of_event(event()))
    assert not failed.value.again
    assert len(hook.came) == 1


def test_a_receiver_says_when_it_wants_to_be_asked_again(hook: Hook, receiver: WebhookReceiver) -> None:
    hook.answers = [(429, {"Retry-After": "7"}), (503, {"Retry-After": "86400"})]
    for seconds in (7.0, 60.0):
        with pytest.raises(UndeliveredError) as failed:
            receiver.send(of_event(event()))
        assert (failed.value.again, failed.value.after_s) == (True, seconds)


def test_a_receiver_that_is_gone_and_comes_back_gets_what_was_owed(hook: Hook) -> None:
    receiver = WebhookReceiver(parse_webhook(hook.url), KEY, private=True)
    row = new_row()
    delivery = Delivery("webhook", receiver, row)
    sender = sender_of("webhook", delivery, of_event)
    sender.gesture(event())
    until(lambda: row.messages == 1)
    port = parse_webhook(hook.url).port
    hook.close()
    receiver.close()
    sender.rest("stalled")
    until(lambda: delivery.trouble)
    assert row.state == "failed"
    assert str(port) in str(delivery.trouble)
    assert "/in" not in str(delivery.trouble), "its path may be a secret"

    heard: list[bytes] = []
    with socket.create_server(("127.0.0.1", port)) as back:
        back.settimeout(10.0)
        connection, _ = back.accept()
        heard.append(connection.recv(65536))
        connection.sendall(b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n")
        until(lambda: row.messages == 2)
        connection.close()
    sender.close()
    assert b"POST /in?from=emg HTTP/1.1" in heard[0]


def test_a_kept_connection_that_the_receiver_has_closed_is_no_loss(
    hook: Hook, receiver: WebhookReceiver
) -> None:
    row = new_row()
    sender = sender_of("webhook", Delivery("webhook", receiver, row), of_event)
    hook.answers = [(204, {"Connection": "close"})]
    sender.gesture(event())
    sender.gesture(event("release"))
    until(lambda: row.messages == 2)
    sender.close()
    assert hook.connections == 2


def test_a_connection_that_a_receiver_has_closed_between_two_gestures_is_no_failure(
    hook: Hook, receiver: WebhookReceiver
) -> None:
    row = new_row()
    delivery = Delivery("webhook", receiver, row)
    sender = sender_of("webhook", delivery, of_event)
    hook.patience_s = 0.05  # of a common receiver five seconds; it says nothing of it
    for expected in (1, 2, 3):
        sender.gesture(event("onset" if expected % 2 else "release"))
        until(lambda expected=expected: (row.messages, hook.open) == (expected, 0))
    sender.close()
    assert (row.failures, row.drops, hook.connections, len(hook.came)) == (0, 0, 3, 3)


def test_an_answer_without_end_is_not_read_to_its_end(receiver: WebhookReceiver) -> None:
    with socket.create_server(("127.0.0.1", 0)) as endless:

        def answer() -> None:
            connection, _ = endless.accept()
            with connection, contextlib.suppress(OSError):  # whoever has had enough closes it
                connection.recv(65536)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 10000000\r\n\r\n" + b"x" * 200_000)
                connection.recv(1)

        answering = threading.Thread(target=answer, daemon=True)
        answering.start()
        url = f"http://127.0.0.1:{endless.getsockname()[1]}/"
        other = WebhookReceiver(parse_webhook(url), KEY, private=True)
        began = time.monotonic()
        other.send(of_event(event()))
        assert time.monotonic() - began < 4.0
        other.close()
        answering.join(10.0)


def test_a_name_is_looked_at_before_each_connection(hook: Hook, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever answers for a name may send us elsewhere after the first look."""
    asked: list[str] = []
    real: Callable[..., Any] = socket.getaddrinfo

    def leads_inside(host: str, port: int, *args: Any, **kwargs: Any) -> Any:
        asked.append(host)
        return real("127.0.0.1", port, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", leads_inside)
    receiver = WebhookReceiver(parse_webhook("https://hooks.example/in"), KEY, private=False)
    for _ in range(2):
        with pytest.raises(
            UndeliveredError, match=r"hooks.example is at 127.0.0.1, which is a loopback address"
        ):
            receiver.send(of_event(event()))
    assert asked == ["hooks.example", "hooks.example"]
    assert hook.came == []


def test_the_certificate_is_checked_for_the_name() -> None:
    trustme = pytest.importorskip("trustme")
    import ssl

    authority = trustme.CA()
    served = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("other.example").configure_cert(served)
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            connection, _ = server.accept()
            with connection, contextlib.suppress(OSError):
                served.wrap_socket(connection, server_side=True)

        threading.Thread(target=answer, daemon=True).start()
        url = f"https://127.0.0.1:{server.getsockname()[1]}/"
        receiver = WebhookReceiver(parse_webhook(url), KEY, private=True, tls=trusting)
        with pytest.raises(UndeliveredError, match="certificate"):
            receiver.send(of_event(event()))
