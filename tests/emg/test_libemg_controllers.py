"""LibEMG's own controllers read our lines.

LIBEMG_PYTHON names a Python with `pip install libemg==2.0.3 "numpy<2"`; without one these are skipped.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from app.emg.udp_line import UdpLine

LATE_S = 60.0
READER = """
import json, sys, time
from libemg.environments.controllers import ClassifierController, RegressorController

kind, wanted = sys.argv[1], json.loads(sys.argv[2])
controller = ClassifierController("predictions", 7, port=0) if kind == "classifier" else RegressorController(port=0)
print(controller.sock.getsockname()[1], flush=True)
heard, ends = [], time.time() + 50
while len(heard) < int(sys.argv[3]) and time.time() < ends:
    data = controller.get_data(wanted)
    if data is not None:
        heard.append(data)
    time.sleep(0.001)
print(json.dumps(heard), flush=True)
"""


def heard(kind: str, wanted: list[str], send: Callable[[UdpLine], None], count: int) -> list[Any]:
    """What that controller of LibEMG makes of `count` lines."""
    python = os.environ.get("LIBEMG_PYTHON")
    if python is None:
        pytest.skip("LIBEMG_PYTHON names no Python with libemg==2.0.3 and numpy<2")
    arguments = [python, "-c", READER, kind, json.dumps(wanted), str(count)]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = iter(process.stdout.readline, "")
        port = next(
            int(line) for line in said if line.strip().isdigit()
        )  # pygame and bluepy say something first
        sender = UdpLine("127.0.0.1", port)
        send(sender)
        sender.close()
        answer = process.communicate(timeout=LATE_S)[0]
    found: list[Any] = json.loads(answer.strip().splitlines()[-1])
    return found


def test_a_controller_of_a_classifier_takes_class_and_velocity() -> None:
    def send(line: UdpLine) -> None:
        line.send(3, 0.714)
        line.send(0, 0.0)
        line.change(2, "anna", ("fist", "point", "rest"))
        line.send(12, 1.5)

    assert heard("classifier", ["predictions", "pc"], send, 4) == [
        [[3.0], [0.71]],
        [[0.0], [0.0]],
        [[2.0], [0.0]],  # another model: its rest
        [[12.0], [1.0]],
    ]


def test_a_controller_of_a_regressor_takes_every_value_and_the_time() -> None:
    def send(line: UdpLine) -> None:
        line.send_values([0.5, -12.25, 1e-7], 1764000000.25)
        line.send_values([0.0, 0.0, 0.0], 1764000000.5)

    assert heard("regressor", ["predictions", "pc", "timestamp"], send, 2) == [
        [[0.5, -12.25, 1e-7], [1.0, 1.0, 1.0], 1764000000.25],
        [[0.0, 0.0, 0.0], [1.0, 1.0, 1.0], 1764000000.5],
    ]
