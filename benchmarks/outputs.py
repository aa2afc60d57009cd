"""How late a gesture is at each way out, and how soon its end is there when something goes wrong.

    python -m benchmarks.outputs --seconds 25

A server of its own with its simulator sends to a receiver of each kind on this machine: an OSC server, a socket, a
mosquitto, an HTTP server that checks nothing. It needs requirements-dev.txt and Debian's mosquitto.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import psutil
from paho.mqtt import client as mqtt
from pythonosc.dispatcher import Dispatcher
from pythonosc.osc_server import BlockingOSCUDPServer

from tests.own_mosquitto import running
from tests.server.live import Live, gunicorn, until

WAYS = ("osc", "udp-json", "mqtt", "webhook")
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
STALLS = ",".join(f"stall@{sample}:1.5" for sample in range(9_000, 160_000, 5_000))


class Receivers:
    """One of each kind; of every message when it came, its phase and id."""

    def __init__(self, broker: int) -> None:
        self.came: dict[str, list[tuple[float, str, int]]] = {way: [] for way in WAYS}
        self.decided: dict[tuple[str, int], float] = {}  # of onsets and releases, Unix s
        self.lines: list[float] = []  # when LibEMG's lines came: one a frame
        self.broker, self._stack = broker, ExitStack()
        self.osc, self.udp, self.line, self.hook = self._osc(), self._udp(), self._line(), self._hook()
        self._mqtt(broker)

    @property
    def settings(self) -> dict[str, str]:
        return {
            "EMG_OSC": f"127.0.0.1:{self.osc}",
            "EMG_UDP_JSON": f"127.0.0.1:{self.udp}",
            "EMG_UDP": f"127.0.0.1:{self.line}",
            "EMG_MQTT": f"mqtt://127.0.0.1:{self.broker}",
            "EMG_WEBHOOK": f"http://127.0.0.1:{self.hook}/",
            "EMG_WEBHOOK_SECRET": SECRET,
            "EMG_WEBHOOK_PRIVATE": "1",
        }

    def held(self, way: str) -> int | None:
        told = list(self.came[way])
        return None if not told or told[-1][1] == "release" else told[-1][2]

    def all_hold(self) -> bool:
        held = {self.held(way) for way in WAYS}
        return len(held) == 1 and held != {None}

    def since(self, began: float, phase: str, gesture: int) -> dict[str, float]:
        """ms from then on until each was told that."""
        return {
            way: next(
                (at - began) * 1e3
                for at, said, one in told
                if (said, one) == (phase, gesture) and at >= began
            )
            for way, told in self.came.items()
        }

    def told(self, phase: str, gesture: int) -> bool:
        return all(
            any((said, one) == (phase, gesture) for _, said, one in told) for told in self.came.values()
        )

    def close(self) -> None:
        self._stack.close()

    def _note(self, way: str, event: dict[str, Any]) -> None:
        self.came[way].append((time.time(), event["phase"], event["id"]))
        self.decided[event["phase"], event["id"]] = event["timestamp"]

    def _osc(self) -> int:
        def heard(address: str, *values: Any) -> None:
            self.came["osc"].append((time.time(), address.rpartition("/")[2], values[1]))

        dispatcher = Dispatcher()
        dispatcher.set_default_handler(heard)
        return self._serve(BlockingOSCUDPServer(("127.0.0.1", 0), dispatcher))

    def _hook(self) -> int:
        receivers = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                receivers._note("webhook", body["data"])
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        return self._serve(server)

    def _serve(self, server: Any) -> int:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self._stack.callback(server.server_close)
        self._stack.callback(server.shutdown)
        return int(server.server_address[1])

    def _udp(self) -> int:
        return self._listen(lambda said: self._note("udp-json", json.loads(said)))

    def _line(self) -> int:
        return self._listen(lambda _said: self.lines.append(time.time()))

    def _listen(self, heard: Any) -> int:
        own = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        own.bind(("127.0.0.1", 0))

        def read() -> None:
            try:
                while True:
                    heard(own.recv(4000))
            except OSError:
                return

        threading.Thread(target=read, daemon=True).start()
        self._stack.callback(own.close)
        return int(own.getsockname()[1])

    def _mqtt(self, port: int) -> None:
        def heard(_client: Any, _data: Any, said: Any) -> None:
            if not said.topic.endswith("/status"):
                self._note("mqtt", json.loads(said.payload))

        client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
        client.on_connect = lambda one, *_: one.subscribe("#", qos=1)
        client.on_message = heard
        client.connect("127.0.0.1", port)
        client.loop_start()
        self._stack.callback(client.loop_stop)
        self._stack.callback(client.disconnect)


@contextmanager
def sending(**settings: str) -> Iterator[tuple[Live, Receivers]]:
    """A server that sends to all of them."""
    with tempfile.TemporaryDirectory() as name, running(Path(name)) as broker:
        receivers = Receivers(broker.port)
        try:
            instance = str(Path(name) / "instance")
            with gunicorn(Path(name), EMG_INSTANCE=instance, **receivers.settings, **settings) as live:
                yield live, receivers
        finally:
            receivers.close()


def delays(seconds: float) -> dict[str, list[float]]:
    """ms from the decision until each has it, and what came a second."""
    with sending() as (_, receivers):
        time.sleep(seconds)
        found: dict[str, list[float]] = {}
        for way, told in receivers.came.items():
            found[way] = [
                (at - receivers.decided[phase, gesture]) * 1e3
                for at, phase, gesture in told
                if phase != "hold" and (phase, gesture) in receivers.decided
            ]
        return found


def after_sigterm() -> dict[str, float]:
    """ms from the signal until each has the release of what was held."""
    with sending() as (live, receivers):
        until(receivers.all_hold)
        gesture, began = receivers.held("osc"), time.time()
        assert gesture is not None
        live.process.send_signal(signal.SIGTERM)
        until(lambda: receivers.told("release", gesture))
        return receivers.since(began, "release", gesture)


def after_sigkill() -> dict[str, float]:
    """ms from the death of the worker that sends until another has released what it held; `offline`, where MQTT is."""
    with sending(WEB_CONCURRENCY="2") as (live, receivers):
        until(receivers.all_hold)
        gesture, began = receivers.held("osc"), time.time()
        assert gesture is not None
        for pid in live.workers():
            connections = psutil.Process(pid).net_connections()
            if any(one.raddr and one.raddr.port == receivers.broker for one in connections):
                os.kill(pid, signal.SIGKILL)
        until(lambda: receivers.told("release", gesture))
        return receivers.since(began, "release", gesture)


def after_stalls(seconds: float) -> dict[str, list[float]]:
    """ms from the last frame until each has the release, of every stall that fell into a gesture."""
    with sending(EMG_FAULTS=STALLS) as (_, receivers):
        found: dict[str, list[float]] = {way: [] for way in WAYS}
        ends = time.monotonic() + seconds
        seen = 0
        while time.monotonic() < ends:
            time.sleep(0.5)
            ended = [one for one in receivers.came["udp-json"] if one[1] == "release"]
            for at, _, gesture in ended[seen:]:
                before = [line for line in receivers.lines if line < at - 0.05]  # then comes the line of rest
                rests = at - before[-1] if before else 0.0
                if rests > 0.15 and receivers.told("release", gesture):  # frames come every 33 ms
                    for way, took in receivers.since(before[-1], "release", gesture).items():
                        found[way].append(took)
            seen = len(ended)
        return found


def table(title: str, found: dict[str, Sequence[float]]) -> None:
    """Print a line for each way."""
    print(title)
    for way, took in found.items():
        if took:
            median, most = statistics.median(took), max(took)
            print(f"  {way:10} {len(took):4} events   median {median:7.1f} ms   most {most:7.1f} ms")
        else:
            print(f"  {way:10} none")


def main() -> None:
    """Measure all, and print it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=25.0, help="of each part that waits for events")
    seconds = parser.parse_args().seconds
    table("from the decision to the receiver", dict(delays(seconds)))
    table("from SIGTERM to the release", {way: [took] for way, took in after_sigterm().items()})
    table(
        "from SIGKILL of the worker that sends to the release by the one beside it",
        {way: [took] for way, took in after_sigkill().items()},
    )
    table("from the last frame before a stall to the release", dict(after_stalls(seconds)))


if __name__ == "__main__":
    main()
