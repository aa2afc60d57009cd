"""The same topics through rosbridge, from a machine without ROS: `python -m myostream_ros.rosbridge ws://robot:9090`."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable

from .listening import Listening
from .topics import TOPICS, HandTopics, Message, Topic

PERIOD_S = 0.005  # between two looks at what has come


class Rosbridge:
    """Sends messages as operations of rosbridge's protocol, version 2."""

    def __init__(self, send: Callable[[str], object], namespace: str = "/myostream") -> None:
        self._send, self._namespace = send, namespace.rstrip("/")
        for topic in TOPICS:
            package, _, name = topic.type.partition("/")
            asked = {
                "type": f"{package}/msg/{name}",
                "latch": topic.latched,
                "queue_size": 1 if topic.latched else 10,
            }
            self._operate("advertise", topic, asked)

    def publish(self, messages: list[Message]) -> None:
        for message in messages:
            self._operate("publish", message.topic, {"msg": dict(message.fields)})

    def close(self) -> None:
        """Take the topics back."""
        for topic in TOPICS:
            self._operate("unadvertise", topic, {})

    def _operate(self, operation: str, topic: Topic, more: dict[str, object]) -> None:
        self._send(json.dumps({"op": operation, "topic": f"{self._namespace}/{topic.name}", **more}))


def main() -> int:
    """Publish until Ctrl-C, or until the server refuses for good or rosbridge is gone; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rosbridge", help="its address, such as ws://192.168.1.30:9090")
    parser.add_argument(
        "--url", default="http://127.0.0.1:8000", help="the Myostream server; its key is in EMG_API_KEY"
    )
    parser.add_argument("--namespace", default="/myostream")
    parser.add_argument("--fps", type=float, default=30.0)
    asked = parser.parse_args()
    try:
        from websockets.exceptions import ConnectionClosed  # noqa: PLC0415  only who goes this way needs it
        from websockets.sync.client import connect  # noqa: PLC0415  as above
    except ImportError:
        sys.exit("this way needs the package websockets: pip install websockets")
    hand, listening = HandTopics(max(0.25, 3 / asked.fps)), None
    try:
        with connect(asked.rosbridge) as socket:
            bridge = Rosbridge(socket.send, asked.namespace)
            bridge.publish(hand.begin())
            listening = Listening(asked.url, os.environ.get("EMG_API_KEY"), {"fps": asked.fps})
            try:
                while listening.failure is None:
                    for event in listening.heard():
                        bridge.publish(hand.take(event, time.monotonic()))
                    bridge.publish(hand.tick(time.monotonic()))
                    time.sleep(PERIOD_S)
                sys.stderr.write(f"the server says no: {listening.failure}\n")
            except KeyboardInterrupt:
                pass
            bridge.publish(hand.begin())
            bridge.close()
            return 0 if listening.failure is None else 1
    except (OSError, ConnectionClosed) as error:
        sys.stderr.write(f"rosbridge at {asked.rosbridge}: {error or 'the connection was closed'}\n")
        return 1
    finally:
        if listening is not None:
            listening.close()


if __name__ == "__main__":
    sys.exit(main())
