"""The node: `ros2 run myostream_ros gestures --ros-args -p url:=http://127.0.0.1:8000`."""

from __future__ import annotations

import json
import os
import time
from typing import Any

import rclpy
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile
from sensor_msgs.msg import JointState
from std_msgs.msg import Bool, Float32, String

from .listening import Listening
from .topics import BOOL, FLOAT, JOINTS, STRING, TOPICS, HandTopics, Message

PERIOD_S = 0.005  # between two looks at what has come
TYPES = {STRING: String, FLOAT: Float32, BOOL: Bool, JOINTS: JointState}


class GestureNode(Node):
    """Publishes what a server says of the hand; over once the server refuses for good."""

    def __init__(self) -> None:
        super().__init__("myostream")
        url = self.declare_parameter("url", "http://127.0.0.1:8000").value
        source = self.declare_parameter("source", "").value
        fps = self.declare_parameter("fps", 30.0).value
        rules = self.declare_parameter("gesture_rules", "").value  # JSON, as docs/events.md has it
        options = {"fps": fps, **({"source": source} if source else {})}
        if rules:
            options["gesture_rules"] = json.loads(rules)
        self._hand = HandTopics(max(0.25, 3 / fps))
        self._to = {
            topic: self.create_publisher(TYPES[topic.type], f"~/{topic.name}", _qos(topic))
            for topic in TOPICS
        }
        self._publish(self._hand.begin())
        # a parameter can be read by every node of the network: the key is no such
        self.listening = Listening(url, os.environ.get("EMG_API_KEY"), options)
        self._timer = self.create_timer(PERIOD_S, self.look)

    def look(self) -> None:
        """Publish what has come.

        Raises:
            SystemExit: the server refused for good; says why.
        """
        for event in self.listening.heard():
            self._publish(self._hand.take(event, time.monotonic()))
        self._publish(self._hand.tick(time.monotonic()))
        if self.listening.failure is not None:
            self.get_logger().error(f"the server says no: {self.listening.failure}")
            raise SystemExit(1)

    def close(self) -> None:
        self.listening.close()
        self._publish(self._hand.begin())  # nobody goes on with what was held
        self.destroy_node()

    def _publish(self, messages: list[Message]) -> None:
        for message in messages:
            made: Any = TYPES[message.topic.type](**message.fields)
            if message.topic.type == JOINTS:
                made.header.stamp = self.get_clock().now().to_msg()
            self._to[message.topic].publish(made)


def _qos(topic: Any) -> QoSProfile:
    if not topic.latched:
        return QoSProfile(depth=10)
    return QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)


def main() -> None:
    """Run it until Ctrl-C."""
    rclpy.init()
    node = GestureNode()
    try:
        rclpy.spin(node)
    except KeyboardInterrupt:
        pass
    finally:
        node.close()
        rclpy.try_shutdown()
