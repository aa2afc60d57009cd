"""Any electrodes: devices that no model reads are served by what they say of themselves (`EMG_MODEL=none`)."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from app.emg.brainflow.sdk import load_brainflow, load_mindrove
from app.emg.lsl.library import load_pylsl
from tests.emg.devices import fake_device
from tests.emg.extras import require_extra
from tests.emg.lsl_streams import own, sending
from tests.server.live import LATE_S, Live, gunicorn, until

pytestmark = pytest.mark.server


def running(live: Live) -> dict[str, Any]:
    """The one source, once it runs and its rate was measured to be right."""
    found: dict[str, Any] = {}

    def runs() -> bool:
        with urlopen(f"{live.url}/emg/sources", timeout=LATE_S) as answer:
            (source,) = json.load(answer)["sources"]
        found.update(source)
        return source["state"] == "running" and source["samples"] > 0

    until(runs, LATE_S)
    return found


def expect_served(tmp_path: Path, settings: dict[str, str], name: str, channels: int, rate: float) -> None:
    with gunicorn(tmp_path, EMG_MODEL="none", **settings) as live:
        source = running(live)
        assert (source["name"], source["channels"]) == (name, channels)
        assert source["sampling_rate_hz"] == pytest.approx(rate, rel=1e-6)
        assert live.stop() == 0
        assert "Traceback" not in live.log


@pytest.mark.parametrize(("mode", "load"), [("brainflow", load_brainflow), ("mindrove", load_mindrove)])
def test_a_board_that_no_model_reads(tmp_path: Path, mode: str, load: Any) -> None:
    require_extra(load)
    expect_served(tmp_path, {"EMG_MODE": mode, "EMG_BOARD": "synthetic"}, mode, 16, 250.0)


@pytest.mark.parametrize("channels", [1, 4, 64])
def test_a_serial_device_that_no_model_reads(tmp_path: Path, channels: int) -> None:
    link = tmp_path / "emg0"
    with fake_device(link, "--channels", str(channels), "--rate", "1259.259", "--tilt", "50"):
        settings = {"EMG_MODE": "realtime", "EMG_PORT": str(link), "EMG_BAUD": "4000000"}
        expect_served(tmp_path, settings, "serial", channels, 1259.259)


def test_a_probe_that_no_model_reads(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        place = f"127.0.0.1:{free.getsockname()[1]}"
    with fake_device(Path(place), "--otb", "muovi"):
        settings = {"EMG_MODE": "otb", "EMG_OTB": "muovi", "EMG_OTB_BIND": place}
        expect_served(tmp_path, settings, "otb", 32, 2000.0)


def test_a_stream_that_no_model_reads(tmp_path: Path) -> None:
    require_extra(load_pylsl)
    name = own("no-model")
    with sending(name, 6, 148.148, "--beside", "50"):
        settings = {"EMG_MODE": "lsl", "EMG_LSL": f"name={name}", "EMG_LSL_AUX": f"name={name}-beside"}
        expect_served(tmp_path, settings, "lsl", 6, 148.148)
