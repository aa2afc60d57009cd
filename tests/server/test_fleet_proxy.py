"""Two real servers behind a real Caddy, by deploy/fleet/Caddyfile: who gets what, and one of them drains."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
import yaml

from tests.server.live import LATE_S, ROOT, Client, Json, Live, free_port, gunicorn, until
from tests.server.live_socket import LiveSocket
from tests.server.proxies import caddy_of_a_fleet

pytestmark = [pytest.mark.server, pytest.mark.slow]


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[tuple[Live, Live]]:
    drain = compose_of_the_fleet()["services"]["server-1"]["environment"]["EMG_DRAIN"]
    with gunicorn(tmp_path, EMG_DRAIN=drain) as one, gunicorn(tmp_path, EMG_DRAIN=drain) as two:
        yield one, two


@pytest.fixture
def port(servers: tuple[Live, Live], tmp_path: Path) -> Iterator[int]:
    """Of Caddy."""
    with caddy_of_a_fleet(tmp_path, *(one.port for one in servers)) as port:
        yield port


def compose_of_the_fleet() -> Json:
    found: Json = yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text("utf-8"))
    return found


def streams(servers: tuple[Live, Live]) -> list[int]:
    return [int(one.stats()["active_streams"]) for one in servers]


def answered(port: int, path: str = "/infer", body: Json | None = None) -> int:
    """Status of a request."""
    data = json.dumps(body or {}).encode()
    request = Request(f"http://127.0.0.1:{port}{path}", data, {"Content-Type": "application/json"})
    try:
        with urlopen(request, timeout=LATE_S) as answer:
            answer.read()
            return int(answer.status)
    except HTTPError as error:
        error.close()
        return error.code


def ends(client: Client, after: float) -> bool:
    """Whether the stream ends; False where it has gone on after that moment."""
    for event in client.events():
        if "frame" in event and event.get("timestamp", 0.0) > after:
            return False
        if event.get("status") == "completed":
            assert event["reason"] == "shutdown"
    return client.finished


def test_streams_and_sockets_are_shared_out_and_one_server_leaves_without_a_refusal(
    servers: tuple[Live, Live], port: int
) -> None:
    """Every stream has its last event, those that come meanwhile go to the other, and no request fails."""
    with ExitStack() as opened:
        clients = [opened.enter_context(closing(Client(port, fps=10))) for _ in range(4)]
        sockets = [
            opened.enter_context(closing(LiveSocket(port, "/infer/live", send="frames"))) for _ in range(2)
        ]
        for client in clients:
            client.frames(2)
        for one in sockets:
            one.until("frame")
            threading.Thread(target=hear, args=(one,), daemon=True).start()  # pings want their answers
        assert streams(servers) == [3, 3]

        with asking(port) as found:
            until(lambda: len(found) > 20)
            assert servers[0].stop() == 0
            at, stopped = len(found), time.time()
            until(lambda: len(found) > at + 50)
        assert set(found) == {200}

        ended = [client for client in clients if ends(client, stopped)]
        assert len(ended) == 2
        until(lambda: [one.close_code for one in sockets].count(1012) == 1)  # come back
        assert servers[1].stats()["active_streams"] == 3
        again = opened.enter_context(closing(Client(port, fps=10, last_event_id=ended[0].last_id)))
        again.frames(2)


def hear(live: LiveSocket) -> None:
    """Read to the end."""
    with suppress(OSError):
        live.ends()


@contextmanager
def asking(port: int) -> Iterator[list[int]]:
    """The answers to requests that come one after the other, meanwhile."""
    found: list[int] = []
    stop = threading.Event()

    def ask() -> None:
        while not stop.is_set():
            found.append(answered(port))

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield found
    finally:
        stop.set()
        thread.join()


def test_a_server_that_comes_back_is_asked_again(
    servers: tuple[Live, Live], port: int, tmp_path: Path
) -> None:
    first = servers[0]
    first.stop()
    assert answered(port) == 200
    with gunicorn(tmp_path, port=first.port) as again:
        until(lambda: answered(port) == 200 and _requests(again) > 5)


def _requests(server: Live) -> int:
    with urlopen(f"{server.url}/metrics", timeout=LATE_S) as answer:
        lines = answer.read().decode().splitlines()
    return sum(
        int(float(line.rpartition(" ")[2]))
        for line in lines
        if line.startswith("myostream_http_requests_total") and 'route="/infer"' in line
    )


class Breaks:
    """A server that is ready, takes each request whole, and closes the connection instead of an answer."""

    def __init__(self, listener: socket.socket) -> None:
        self.listener, self.taken = listener, []
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            with connection, connection.makefile("rb") as file:
                line = file.readline()
                length = 0
                while (header := file.readline().strip()) != b"":
                    name, _, value = header.partition(b":")
                    length = int(value) if name.lower() == b"content-length" else length
                file.read(length)
                if b" /health/" in line:
                    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                else:
                    self.taken.append(line)


@contextmanager
def breaking() -> Iterator[tuple[int, Breaks]]:
    with socket.create_server(("127.0.0.1", free_port())) as listener:
        yield listener.getsockname()[1], Breaks(listener)


def test_samples_that_were_sent_are_not_sent_a_second_time(tmp_path: Path) -> None:
    """The server may have taken them before it broke; the client is told, and knows what to do."""
    with breaking() as (one, first), breaking() as (two, second):
        with caddy_of_a_fleet(tmp_path, one, two) as port:
            assert answered(port, "/emg/sources/arm/samples") == 502
        assert len(first.taken) + len(second.taken) == 1
