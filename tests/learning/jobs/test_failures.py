"""Why a training failed, as its process tells it: in a sentence, and by a code that a page says in its language."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.emg.recording.folder import LOG
from app.learning.jobs.process import report
from app.learning.jobs.training import train
from tests.learning.jobs.test_training import order
from tests.serving.jobs.taught import record

NOISE = np.random.default_rng(0).normal(size=(2000, 4)).astype(np.float32)
BLANK = {"label": None, "repetition": None, "gesture_names": None}


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Path:
    there, aside = tmp_path_factory.mktemp("instance"), tmp_path_factory.mktemp("aside")
    record(there, "anna", aside)
    record(there, "wide", aside, channels=5)
    record(there, "fast", aside, rate=400.0)
    record(there, "slow", aside, rate=10.0)
    record(there, "many", aside, channels=65)
    record(
        there,
        "idle",
        aside,
        names=("rest",),
        repetitions=1,
        label=np.zeros(2000, np.int8),
        emg=NOISE,
        repetition=None,
    )
    record(there, "blank", aside, **BLANK)
    record(there, "brief", aside, **BLANK, held_s=0.5, repetitions=1)
    record(there, "still", aside, **BLANK, weak=(1, 2, 3))
    record(there, "broken", aside)
    log = there / "recordings" / "broken" / LOG
    log.write_bytes(log.read_bytes()[:2])
    return there


@pytest.fixture(scope="module")
def own(instance: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A model of the person of `anna`."""
    made: str = train(order(instance, tmp_path_factory.mktemp("own"), "anna"), lambda _: None)["folder"]
    return made


@pytest.mark.parametrize(
    ("recordings", "code", "values"),
    [
        (["anna", "wide"], "other_device", {"recordings": ["anna", "wide"]}),
        (["slow"], "too_slow", {"rate_hz": 10.0, "least_hz": 20.0}),
        (["many"], "too_many_channels", {"channels": 65, "most": 64}),
        (["idle"], "nothing_else", {"gesture": "rest"}),
        (["anna", "blank"], "no_labels", {"recording": "blank"}),
        (["nobody"], "recording_gone", {"recording": "nobody"}),
        (["broken"], "damaged", {"recording": "broken"}),
    ],
)
def test_recordings_that_teach_nothing_say_why(
    instance: Path, tmp_path: Path, recordings: list[str], code: str, values: dict[str, Any]
) -> None:
    said = report(order(instance, tmp_path, *recordings))
    assert said["failure"] == {"code": code, "values": values}, said
    assert len(said["error"]) > 10
    assert str(tmp_path) not in said["error"]
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("recording", "code", "values"),
    [("still", "still", {}), ("brief", "too_brief", {"seconds": 9.5, "least": 10.0})],
)
def test_free_movement_that_shows_nothing_says_why(
    instance: Path, tmp_path: Path, own: str, recording: str, code: str, values: dict[str, Any]
) -> None:
    said = report(order(instance, tmp_path, recording, base=own, unlabelled=True))
    assert said["failure"] == {"code": code, "values": values}, said


def test_what_nobody_had_foreseen_has_a_code_too(instance: Path, tmp_path: Path) -> None:
    said = report(order(instance, tmp_path, "anna", classes=None))  # as a program that is wrong would send it
    assert said["failure"] == {"code": "unexpected", "values": {}}
