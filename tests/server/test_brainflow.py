"""EMG_MODE=brainflow for real: BrainFlow's synthetic board, a model made for it, gunicorn."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from urllib.request import urlopen

import pytest

from app.emg.brainflow.sdk import load_brainflow
from tests.emg.extras import require_extra
from tests.inference.artefacts import make_artefact
from tests.server.live import LATE_S, START_S, connecting, expect_accounted_for, gunicorn, until
from tests.server.test_start import expect_one_line, start

require_extra(load_brainflow)
pytestmark = pytest.mark.server

GUNICORN = ["gunicorn", "-c", "gunicorn.conf.py", "wsgi:app"]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    """As many channels as the synthetic board has, at its rate."""
    path = tmp_path_factory.mktemp("models") / "board"
    make_artefact(path, name="board", channels=16, length=50, rate=250, units="uV")
    return str(path)


def settings(model: str, board: str = "synthetic") -> dict[str, str]:
    return {
        "EMG_MODE": "brainflow",
        "EMG_BOARD": board,
        "EMG_MODEL": model,
        "EMG_BACKENDS": "pytorch",
        "EMG_MAINS": "off",
    }


def test_the_synthetic_board_streams_and_is_given_back(tmp_path: Path, model: str) -> None:
    with gunicorn(tmp_path, **settings(model)) as live, connecting(live.port) as connect:
        frames = connect(fps=25).frames(100)
        expect_accounted_for(frames, 250 // 25)
        with urlopen(f"{live.url}/emg/sources", timeout=LATE_S) as answer:
            (source,) = json.load(answer)["sources"]
        assert (source["name"], source["state"], source["channels"]) == ("brainflow", "running", 16)
        assert (source["gaps"], source["lost_samples"]) == (0, 0)
        assert live.stop() == 0
        assert "Traceback" not in live.log


def test_a_reload_keeps_the_board(tmp_path: Path, model: str) -> None:
    """The new worker starts beside the old one, and both would have to open it."""
    with gunicorn(tmp_path, **settings(model)) as live, connecting(live.port) as connect:
        connect(fps=25).frames(5)
        (old,) = live.workers()
        live.process.send_signal(signal.SIGHUP)
        until(lambda: live.workers() and old not in live.workers() and live.ready(), START_S)
        assert len(connect(fps=25).frames(25)) == 25
        assert "Traceback" not in live.log


@pytest.mark.parametrize(
    ("board", "words"),
    [
        ("synthetc", ["EMG_BOARD=synthetc", "did you mean synthetic?"]),
        ("cyton", ["EMG_BOARD=cyton: it needs serial_port, such as EMG_PORT=/dev/ttyUSB0"]),
        ("explore_8_chan", ["the source has 8 channels", "reads 16"]),
    ],
)
def test_a_board_that_cannot_be_used_stops_the_start_with_one_line(
    model: str, board: str, words: list[str]
) -> None:
    expect_one_line(*start(GUNICORN, settings(model, board)), words)


def test_a_model_that_reads_more_than_the_board_holds_says_so() -> None:
    chosen = {"EMG_MODE": "brainflow", "EMG_BOARD": "synthetic", "EMG_MODEL": "synthetic-16ch-2khz"}
    words = ["a source of 250 Hz holds nothing above 125 Hz", "reads 20-450 Hz", "no model here fits"]
    expect_one_line(*start(GUNICORN, chosen), words)
