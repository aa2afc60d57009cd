"""The node on stand-ins for rclpy, and the way through rosbridge, each with a real server."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from app.config import ROOT
from app.serving.runtime import VERSION
from tests.clients.cutting_proxy import CuttingProxy
from tests.clients.ros2.conftest import PACKAGE
from tests.server.live import LATE_S, Live, free_port, until

RULES = '{"hold_s": 0.2}'


@contextmanager
def spinning(url: str, **parameters: Any) -> Iterator[list[tuple[str, Any]]]:
    """The node, spun on a thread of its own; what it published."""
    import rclpy
    from myostream_ros import node
    from rclpy.node import LOGGED, PARAMETERS, PUBLISHED

    over = threading.Event()
    rclpy.SPUN["until"] = lambda _: over.is_set()
    for kept in (PUBLISHED, LOGGED, PARAMETERS):
        kept.clear()
    PARAMETERS.update(url=url, **parameters)
    ended: list[BaseException] = []

    def run() -> None:
        try:
            node.main()
        except BaseException as error:
            ended.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield PUBLISHED
    finally:
        over.set()
        thread.join(LATE_S)
    assert not thread.is_alive()
    if ended:
        raise ended[0]


def of(published: list[tuple[str, Any]], topic: str) -> list[Any]:
    return [message.data for name, message in list(published) if name == f"/myostream/{topic}"]


def phases(published: list[tuple[str, Any]]) -> list[tuple[str, int]]:
    events = [json.loads(text) for text in of(published, "gesture")]
    return [(event["phase"], event["id"]) for event in events]


def expect_pairs(told: list[tuple[str, int]]) -> None:
    held = None
    for phase, number in told:
        assert held == (None if phase == "onset" else number)
        held = None if phase == "release" else number
    assert held is None


@pytest.mark.server
def test_the_node_publishes_what_a_server_says_and_ends_what_is_held_when_it_is_gone(server: Live) -> None:
    with CuttingProxy(server.port) as proxy:
        with spinning(proxy.url, fps=25.0, gesture_rules=RULES) as published:
            until(lambda: {"onset", "hold", "release"} <= {phase for phase, _ in phases(published)})
            until(lambda: of(published, "held")[-1] != "")
            proxy.silent = True
            until(lambda: of(published, "alive")[-1] is False and len(of(published, "alive")) > 2)
            assert of(published, "held")[-1] == ""
            proxy.silent = False
            proxy.cut()
            until(lambda: of(published, "alive")[-1] is True)
            assert max(of(published, "strength")) > 0
        assert of(published, "alive")[-1] is False
        assert (of(published, "held")[-1], of(published, "strength")[-1]) == ("", 0.0)
    expect_pairs(phases(published))
    until(lambda: server.stats()["active_streams"] == 0)


@pytest.mark.server
def test_a_server_that_comes_later_is_waited_for(server: Live) -> None:
    with CuttingProxy(server.port) as proxy:
        proxy.refuses = True
        with spinning(proxy.url) as published:
            until(lambda: len(of(published, "alive")) == 1)
            proxy.refuses = False
            until(lambda: of(published, "alive")[-1] is True)


@pytest.mark.server
def test_what_the_server_refuses_for_good_ends_the_node_with_its_words(server: Live) -> None:
    from rclpy.node import LOGGED

    with pytest.raises(SystemExit), spinning(server.url, source="no such"):
        until(lambda: LOGGED)
    assert "no such" in LOGGED[0]


def test_topics_that_change_rarely_are_there_for_who_comes_later() -> None:
    from myostream_ros.node import _qos
    from myostream_ros.topics import TOPICS
    from rclpy.qos import DurabilityPolicy

    latched = {topic.name for topic in TOPICS if _qos(topic).durability is DurabilityPolicy.TRANSIENT_LOCAL}
    assert latched == {"alive", "held", "decision"}


class Bridge:
    """A rosbridge that takes operations, and holds them to its protocol."""

    def __init__(self) -> None:
        self.types: dict[str, str] = {}
        self.published: list[tuple[str, Any]] = []
        self.gone = threading.Event()

    def __call__(self, connection: Any) -> None:
        for text in connection:
            said = json.loads(text)
            if said["op"] == "advertise":
                self.types[said["topic"]] = said["type"]
            elif said["op"] == "unadvertise":
                del self.types[said["topic"]]
            else:
                assert said["op"] == "publish"
                assert set(said) == {"op", "topic", "msg"}
                assert said["topic"] in self.types
                self.published.append((said["topic"].rpartition("/")[2], said["msg"]))
        self.gone.set()


@pytest.mark.server
def test_the_same_goes_through_rosbridge(server: Live) -> None:
    serve = pytest.importorskip("websockets.sync.server", reason="websockets is not installed").serve
    bridge, port = Bridge(), free_port()
    path = os.pathsep.join([str(PACKAGE), str(ROOT / "clients" / "python" / "src")])
    command = [sys.executable, "-m", "myostream_ros.rosbridge", f"ws://127.0.0.1:{port}", "--url", server.url]
    with serve(bridge, "127.0.0.1", port) as listening:
        thread = threading.Thread(target=listening.serve_forever)
        thread.start()
        with subprocess.Popen(command, env={**os.environ, "PYTHONPATH": path}) as process:
            try:
                until(
                    lambda: (
                        "release"
                        in [json.loads(m["data"])["phase"] for t, m in bridge.published if t == "gesture"]
                    )
                )
                assert bridge.types["/myostream/gesture"] == "std_msgs/msg/String"
                assert bridge.types["/myostream/joint_states"] == "sensor_msgs/msg/JointState"
            finally:
                process.send_signal(2)  # Ctrl-C
            assert process.wait(LATE_S) == 0
        assert bridge.gone.wait(LATE_S)
        listening.shutdown()
        thread.join(LATE_S)
    assert bridge.types == {}
    last = dict(bridge.published)
    assert (last["held"], last["alive"], last["strength"]) == ({"data": ""}, {"data": False}, {"data": 0.0})
    events = [json.loads(message["data"]) for topic, message in bridge.published if topic == "gesture"]
    expect_pairs([(event["phase"], event["id"]) for event in events])


def test_a_rosbridge_that_is_not_there_is_said_in_one_line() -> None:
    pytest.importorskip("websockets", reason="websockets is not installed")
    path = os.pathsep.join([str(PACKAGE), str(ROOT / "clients" / "python" / "src")])
    command = [sys.executable, "-m", "myostream_ros.rosbridge", f"ws://127.0.0.1:{free_port()}"]
    run = subprocess.run(
        command,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=LATE_S,
        check=False,
    )
    assert run.returncode == 1
    assert run.stderr.startswith("rosbridge at ws://127.0.0.1:")
    assert len(run.stderr.splitlines()) == 1


def test_the_package_is_what_colcon_builds() -> None:
    manifest = ElementTree.parse(PACKAGE / "package.xml").getroot()
    assert (manifest.findtext("name"), manifest.findtext("version")) == ("myostream_ros", VERSION)
    setup = (PACKAGE / "setup.py").read_text()
    assert f'version="{VERSION}"' in setup
    assert all((PACKAGE / name).exists() for name in ("resource/myostream_ros", "launch/gestures.launch.py"))
    imported = {
        name.partition(".")[0] for path in (PACKAGE / "myostream_ros").glob("*.py") for name in imports(path)
    }
    needed = {found.text for found in manifest.findall("exec_depend")}
    assert imported & {"rclpy", "std_msgs", "sensor_msgs"} <= needed


def imports(path: Path) -> list[str]:
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.append(node.module)
    return found
