"""A real MQTT broker of the test's own, and a client that hears all of it."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

START_S = 20.0


class Mosquitto:
    """A broker on this machine, which can be killed and started again at the same port."""

    def __init__(self, folder: Path, config: str) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self._config = folder / "mosquitto.conf"
        # as root it would read the test's files as a user of its own, who may not
        self._config.write_text(f"listener {self.port} 127.0.0.1\npersistence false\nuser root\n{config}\n")
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._process = subprocess.Popen(
            ["mosquitto", "-c", str(self._config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        ends = time.monotonic() + START_S
        while not self._answers():
            assert time.monotonic() < ends, "mosquitto did not start"
            time.sleep(0.01)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def freeze(self) -> None:
        """Have it keep its connections and read nothing, as a broker that hangs."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def _answers(self) -> bool:
        with socket.socket() as asked:
            return asked.connect_ex(("127.0.0.1", self.port)) == 0


class Subscriber:
    """Hears all that is published: topic, payload, and whether it was retained."""

    def __init__(self, port: int) -> None:
        from paho.mqtt import client as mqtt

        self.heard: list[tuple[str, str, bool]] = []
        ready = threading.Event()
        self._client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
        self._client.on_connect = lambda client, *_: client.subscribe("#", qos=1)
        self._client.on_subscribe = lambda *_: ready.set()
        self._client.on_message = lambda _c, _d, said: self.heard.append(
            (said.topic, said.payload.decode(), said.retain)
        )
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        assert ready.wait(START_S)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def topics(self) -> list[str]:
        return [topic for topic, _, _ in self.heard]


@contextmanager
def running(folder: Path, config: str = "allow_anonymous true") -> Iterator[Mosquitto]:
    """Start one with that configuration; skips the test where there is none."""
    pytest.importorskip("paho.mqtt.client", reason="needs requirements-outputs.txt")
    if shutil.which("mosquitto") is None:
        pytest.skip("needs mosquitto")
    broker = Mosquitto(folder, config)
    broker.start()
    try:
        yield broker
    finally:
        broker.kill()
