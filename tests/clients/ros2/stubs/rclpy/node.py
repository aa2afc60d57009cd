from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from builtin_interfaces.msg import Time

from rclpy.qos import QoSProfile

PARAMETERS: dict[str, Any] = {}  # as the command line would give them
PUBLISHED: list[tuple[str, Any]] = []
LOGGED: list[str] = []


class Publisher:
    def __init__(self, kind: type, topic: str) -> None:
        self.kind, self.topic = kind, topic

    def publish(self, message: Any) -> None:
        assert type(message) is self.kind
        PUBLISHED.append((self.topic, message))


class Node:
    def __init__(self, node_name: str) -> None:
        self.name, self.timers = node_name, list[tuple[float, Callable[[], None]]]()
        self.profiles: dict[str, QoSProfile] = {}

    def declare_parameter(self, name: str, value: Any) -> Any:
        return SimpleNamespace(value=PARAMETERS.get(name, value))

    def create_publisher(self, msg_type: type, topic: str, qos_profile: QoSProfile) -> Publisher:
        self.profiles[topic] = qos_profile
        return Publisher(msg_type, topic.replace("~", f"/{self.name}"))

    def create_timer(self, timer_period_sec: float, callback: Callable[[], None]) -> Any:
        self.timers.append((timer_period_sec, callback))
        return callback

    def get_clock(self) -> Any:
        return SimpleNamespace(now=lambda: SimpleNamespace(to_msg=lambda: Time(sec=7, nanosec=5)))

    def get_logger(self) -> Any:
        return SimpleNamespace(error=LOGGED.append)

    def destroy_node(self) -> None:
        self.timers.clear()
