"""As much of rclpy (Humble) as the node uses: what is published is kept, a spin calls the timers."""

from __future__ import annotations

import time
from typing import Any

SPUN: dict[str, Any] = {"until": lambda node: True}  # the test says when a spin is over


def init(args: list[str] | None = None) -> None:
    pass


def spin(node: Any) -> None:
    while not SPUN["until"](node):
        for period_s, callback in node.timers:
            callback()
            time.sleep(period_s)


def try_shutdown() -> None:
    pass
