"""The package for ROS 2 beside stand-ins for rclpy and its messages."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.config import ROOT
from tests.server.conftest import server

__all__ = ["server"]

PACKAGE = ROOT / "clients" / "ros2" / "myostream_ros"
PATHS = [str(PACKAGE), str(Path(__file__).parent / "stubs")]
MODULES = ("myostream_ros", "rclpy", "std_msgs", "sensor_msgs", "builtin_interfaces")


@pytest.fixture(scope="module", autouse=True)
def _importable() -> Iterator[None]:
    sys.path[:0] = PATHS
    yield
    sys.path[:] = [path for path in sys.path if path not in PATHS]
    for name in [name for name in sys.modules if name.partition(".")[0] in MODULES]:
        del sys.modules[name]
