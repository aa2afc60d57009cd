"""Hysteresis over a real server's streams, and a model whose own rule holds for those who ask for none."""

from __future__ import annotations

import itertools
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

from app.config import ROOT
from app.inference.decision import Decider
from app.inference.decision_rule import DecisionRule
from tests.server.live import Json, Live, connecting, gunicorn

pytestmark = pytest.mark.server

SHIPPED = ROOT / "instance" / "models" / "synthetic-16ch-2khz"
RULE = DecisionRule(enter=0.9, leave=0.2, change=0.6)
FPS, RATE, FRAMES = 20, 2000, 120
ROUNDED = (
    1e-3  # probabilities are sent with four digits: what is so near to a threshold may be on either side
)


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """The shipped model with a rule of its own, and a threshold that nothing reaches in its own units."""
    folder = tmp_path_factory.mktemp("ruled")
    model = folder / "ruled"
    shutil.copytree(SHIPPED, model)
    said = json.loads((model / "manifest.json").read_text())
    said["decision"] = {"enter": RULE.enter, "leave": RULE.leave, "change": RULE.change}
    said["reject_below"] = -1e30
    (model / "manifest.json").write_text(json.dumps(said))
    with gunicorn(folder, EMG_MODEL=str(model)) as live:
        yield live


def expect_decided(frames: list[Json], rule: DecisionRule) -> None:
    """Every decision is what that rule makes of the probabilities that the frames themselves tell."""
    for before, after in itertools.pairwise(frames):
        assert after["sample_index"] - before["sample_index"] == RATE // FPS, "a frame was dropped"
    decider = Decider(rule, rest=0)
    for frame in frames:
        shares = frame["probabilities"]
        limits = [limit for limit in (rule.enter, rule.leave, rule.change) if limit is not None]
        near = any(abs(share - limit) < ROUNDED for share in shares for limit in limits)
        expected = decider.update(frame["prediction"], frame["confidence"], shares)
        assert near or frame["decision"] == expected, frame
        if frame["decision"] != expected:
            return  # from here on the two are different streams


def test_every_decision_is_what_the_rule_says(live: Live) -> None:
    """Three rules at once: the model's, the client's thresholds, and the contract's votes."""
    own = DecisionRule(enter=0.99, leave=0.3)
    with connecting(live.port) as connect:
        streams = {
            RULE: connect(fps=FPS),
            own: connect(method="GET", fps=FPS, enter=0.99, leave=0.3),
            DecisionRule(): connect(fps=FPS, votes=1),
        }
        groups = {group["enter"] for group in live.stats()["groups"]}
        found = {rule: stream.frames(FRAMES) for rule, stream in streams.items()}

    assert groups == {0.9, 0.99, None}
    for rule, frames in found.items():
        expect_decided(frames, rule)
    assert len({frame["decision"] for frame in found[RULE]}) > 1, "nothing was decided"


@pytest.mark.parametrize("route", ["/infer", "/infer/onnx"])
def test_what_no_class_is_like_is_told_by_all_routes(live: Live, route: str) -> None:
    window = [[0.0] * 16] * 200
    asked = Request(
        live.url + route,
        json.dumps({"emg": [window, window]}).encode(),
        {"Content-Type": "application/json"},
    )
    with urlopen(asked, timeout=30) as answer:
        assert json.load(answer)["unknown"] == [False, False]


def test_the_threshold_of_a_model_changes_what_is_known(tmp_path: Path) -> None:
    model = tmp_path / "strict"
    shutil.copytree(SHIPPED, model)
    said = json.loads((model / "manifest.json").read_text())
    (model / "manifest.json").write_text(json.dumps({**said, "reject_below": 1e6}))
    with gunicorn(tmp_path, EMG_MODEL=str(model)) as live, connecting(live.port) as connect:
        frames = connect(fps=FPS).frames(5)

    assert all(frame["unknown"] is True and frame["decision_label"] == "rest" for frame in frames)
