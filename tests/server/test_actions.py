"""Gestures leave a real server by every way out, and none is left held, whatever happens to it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from tests.own_mosquitto import Mosquitto, Subscriber, running
from tests.server.live import LATE_S, START_S, Json, Live, gunicorn, until
from tests.server.own_project import project
from tests.server.test_gesture_events import CHANNELS, MODEL, OTHER, PROMISED_S, RATE, Hand, server
from tests.server.test_source_choice import asked
from tests.serving.outputs.test_osc import Server as OscServer
from tests.serving.outputs.test_webhook import SECRET, Hook

pytestmark = pytest.mark.server

# when a worker is killed: a while after what was heard last
MOMENTS = [
    ("onset", 0.0),
    ("onset", 0.15),
    ("onset", 0.5),
    ("release", 0.0),
    ("release", 0.15),
    ("release", 0.5),
]


class Datagrams:
    """A socket and all that it heard, as JSON."""

    def __init__(self) -> None:
        self.heard: list[Json] = []
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.settimeout(0.1)
        self.port: int = self._socket.getsockname()[1]
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self.heard.append(json.loads(self._socket.recv(2000)))
            except TimeoutError:
                continue

    def close(self) -> None:
        self._stop.set()
        self._thread.join()
        self._socket.close()


class Receivers:
    """One of each kind, and of what it heard of gestures the phases with the ids."""

    def __init__(self, mosquitto: Mosquitto) -> None:
        self.osc, self.udp, self.hook = OscServer(), Datagrams(), Hook()
        self.mosquitto, self.mqtt = mosquitto, Subscriber(mosquitto.port)

    @property
    def settings(self) -> dict[str, str]:
        host, port = self.osc.address
        return {
            "EMG_OSC": f"{host}:{port}",
            "EMG_UDP_JSON": f"127.0.0.1:{self.udp.port}",
            "EMG_MQTT": f"mqtt://127.0.0.1:{self.mosquitto.port}/hand",
            "EMG_WEBHOOK": self.hook.url,
            "EMG_WEBHOOK_SECRET": SECRET,
            "EMG_WEBHOOK_PRIVATE": "1",
        }

    def told(self) -> dict[str, list[tuple[str, int]]]:
        published = [json.loads(said) for topic, said, _ in list(self.mqtt.heard) if topic != "hand/status"]
        posted = [json.loads(body)["data"] for _, body in list(self.hook.came)]
        return {
            "osc": [(heard[0].rpartition("/")[2], heard[2]) for heard in list(self.osc.heard)],
            "udp-json": [(one["phase"], one["id"]) for one in list(self.udp.heard)],
            "mqtt": [(one["phase"], one["id"]) for one in published],
            "webhook": [(one["phase"], one["id"]) for one in posted],
        }

    def held(self) -> dict[str, int | None]:
        """The gesture that each is left with."""
        found: dict[str, int | None] = {}
        for way, told in self.told().items():
            found[way] = None
            for phase, gesture in told:
                found[way] = None if phase == "release" else gesture
        return found

    def all_hold(self) -> bool:
        held = set(self.held().values())
        return len(held) == 1 and held != {None}

    def none_holds(self) -> bool:
        return set(self.held().values()) == {None}

    def close(self) -> None:
        for one in (self.osc, self.udp, self.hook, self.mqtt):
            one.close()


@pytest.fixture
def receivers(tmp_path: Path) -> Iterator[Receivers]:
    pytest.importorskip("pythonosc", reason="needs requirements-outputs.txt")
    with running(tmp_path) as mosquitto:
        receivers = Receivers(mosquitto)
        yield receivers
        receivers.close()


def health(live: Live) -> Json:
    with urlopen(f"{live.url}/health", timeout=LATE_S) as answer:
        found: Json = json.load(answer)
        return found


def expect_sound(told: list[tuple[str, int]]) -> None:
    """One gesture after the other, each with its end."""
    held: int | None = None
    for phase, gesture in told:
        if phase == "onset":
            assert held is None
            held = gesture
        else:
            assert gesture == held
            held = None if phase == "release" else held
    assert held is None


def test_every_way_out_tells_the_same_and_sigterm_ends_what_is_held(
    receivers: Receivers, tmp_path: Path
) -> None:
    with gunicorn(tmp_path, EMG_INSTANCE=str(tmp_path / "instance"), **receivers.settings) as live:
        until(lambda: all(len(told) >= 4 for told in receivers.told().values()))
        states = {name: output["state"] for name, output in health(live)["outputs"].items()}
        assert states == dict.fromkeys(("osc", "mqtt", "udp-json", "webhook"), "open")
        assert health(live)["actions"] == {"rows": 0, "error": None}
        until(receivers.all_hold)
        assert live.stop() == 0
        until(receivers.none_holds)
        told = receivers.told()
        for way in told.values():
            expect_sound(way)
        onsets = [{gesture for phase, gesture in way if phase == "onset"} for way in told.values()]
        assert onsets[0] == onsets[1] == onsets[2] == onsets[3]
        assert receivers.udp.heard[-1]["reason"] == "shutdown"
        until(lambda: ("hand/status", "offline", False) in receivers.mqtt.heard)


def test_a_worker_that_is_killed_holding_a_gesture_is_released_for(
    receivers: Receivers, tmp_path: Path
) -> None:
    """By the worker beside it: nobody else is left who could."""
    instance = str(tmp_path / "instance")
    with gunicorn(tmp_path, EMG_INSTANCE=instance, WEB_CONCURRENCY="2", **receivers.settings) as live:
        until(receivers.all_hold)
        before = receivers.held()
        ids = {way: before[way] for way in ("osc", "udp-json", "mqtt", "webhook")}
        for pid in live.workers():  # one of them sends; both at once would leave nobody
            if _sends(pid, receivers):
                os.kill(pid, signal.SIGKILL)
        until(lambda: all(("release", ids[way]) in told for way, told in receivers.told().items()))
        assert live.stop() == 0
        for told in receivers.told().values():
            expect_sound(told)


@pytest.mark.slow
@pytest.mark.alone  # it is held to the 0.3 s
def test_a_worker_that_is_killed_at_any_moment_leaves_nobody_holding(
    receivers: Receivers, tmp_path: Path
) -> None:
    """What had not left it is not told; what had is released by the worker beside it, and then comes what is new."""
    instance = str(tmp_path / "instance")
    with gunicorn(tmp_path, EMG_INSTANCE=instance, WEB_CONCURRENCY="2", **receivers.settings) as live:
        held = [
            held_by_one_killed(live, receivers, begun, *moment) for begun, moment in enumerate(MOMENTS, 2)
        ]
        assert live.stop() == 0
        until(receivers.none_holds)
        for told in receivers.told().values():
            expect_ended(told)
        assert held.count(None) < len(held) - 1


def held_by_one_killed(
    live: Live, receivers: Receivers, begun: int, phase: str, later_s: float
) -> int | None:
    """Kill who sends to the broker, once so many workers have begun; what it held has its end in time.

    The other worker may have had some of the other ways all the time; there the gesture just goes on.
    """
    until(lambda: live.log.count(", source simulator") == begun, START_S)
    heard = len(receivers.udp.heard)
    until(lambda: phase in [one["phase"] for one in receivers.udp.heard[heard:]])
    time.sleep(later_s)
    (sender,) = [pid for pid in live.workers() if _sends(pid, receivers)]
    os.kill(sender, signal.SIGKILL)
    killed_at, held = time.monotonic(), receivers.held()["mqtt"]
    until(lambda: held is None or ("release", held) in receivers.told()["mqtt"])
    assert time.monotonic() - killed_at < PROMISED_S, (phase, later_s)
    return held


def expect_ended(told: list[tuple[str, int]]) -> None:
    """No gesture begins before the end of the one before, and none is left."""
    held: int | None = None
    for phase, gesture in told:
        assert phase != "onset" or held is None, told
        held = None if phase == "release" else gesture
    assert held is None


def test_whatever_ends_the_signal_every_receiver_is_told(receivers: Receivers, tmp_path: Path) -> None:
    """Lost samples, electrodes that fall off, another model, a stall: in this order, with the same hand."""
    root = project(tmp_path / "project")
    models = root / "instance" / "models"
    shutil.copytree(models / MODEL, models / OTHER)
    manifest = models / OTHER / "manifest.json"
    manifest.write_text(manifest.read_text().replace(f'"{MODEL}"', f'"{OTHER}"', 1))
    with server(root, **receivers.settings) as live:
        hand = Hand(live, "hand")

        def spoil() -> None:
            hand.spoil(CHANNELS // 2)

        ends: dict[str, tuple[Callable[[], object], tuple[str, ...]]] = {
            "gap": (lambda: hand.lose(RATE // 2), ("gap", "stalled")),
            # what is left may look like rest, or another gesture, a frame before it is seen to be bad
            "electrodes": (spoil, ("quality", "rest", "gesture")),
            "another model": (
                lambda: asked(live, "PUT", f"/emg/sources/{hand.name}/model", {"model": OTHER}),
                ("model",),
            ),
            "stall": (hand.pause, ("stalled",)),
        }
        reasons: dict[str, tuple[str, ...]] = {}
        for what, (end, _) in ends.items():
            hand.close_fist()
            until(receivers.all_hold)
            (gesture,) = set(receivers.held().values())
            end()
            until(lambda: all(("release", gesture) in told for told in receivers.told().values()))  # noqa: B023
            until(receivers.none_holds)
            reasons[what] = tuple(
                one["reason"] for one in receivers.udp.heard if one["id"] == gesture and "reason" in one
            )
            hand.open_up()
        hand.end()
    assert {what: said[0] in ends[what][1] for what, said in reasons.items()} == dict.fromkeys(ends, True), (
        reasons
    )
    for told in receivers.told().values():
        expect_sound(told)


def _sends(pid: int, receivers: Receivers) -> bool:
    """Whether that worker has the connection to the broker."""
    import psutil

    connections: list[Any] = psutil.Process(pid).net_connections()
    return any(one.raddr and one.raddr.port == receivers.mosquitto.port for one in connections)


def test_a_table_is_used_without_a_restart_and_a_bad_one_is_said(
    receivers: Receivers, tmp_path: Path
) -> None:
    instance = tmp_path / "instance"
    settings = {"EMG_OSC": receivers.settings["EMG_OSC"], "EMG_INSTANCE": str(instance)}
    with gunicorn(tmp_path, **settings) as live:
        until(lambda: receivers.osc.heard)
        (instance / "actions.toml").write_text(
            '"*.onset" = "osc /grip {strength}"\n"*.release" = "osc /open"'
        )
        until(lambda: {"/grip", "/open"} <= {heard[0] for heard in list(receivers.osc.heard)})
        assert health(live)["actions"] == {"rows": 2, "error": None}

        (instance / "actions.toml").write_text('"*.onset" = "osx /grip"')
        until(lambda: health(live)["actions"]["error"])
        state = health(live)["actions"]
        assert state["rows"] == 2
        assert "line 1: \"*.onset\": 'osx' is no way out; allowed: osc, mqtt" in state["error"]
        assert "is no way out; allowed: osc, mqtt" in live.log
        count = len(receivers.osc.heard)
        until(lambda: len(receivers.osc.heard) > count)
        assert receivers.osc.heard[-1][0] in ("/grip", "/open")
        with urlopen(f"{live.url}/metrics", timeout=LATE_S) as answer:
            metrics = answer.read().decode()
    assert 'myostream_output_open{output="osc"} 1.0' in metrics
    assert 'myostream_output_failures_total{output="osc"} 0.0' in metrics
