"""From windows to gestures: whose samples they count, where the muscle began, and what lets go of one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from app.emg.signal.filters import design
from app.emg.signal.montage import Montage
from app.emg.signal.resampler import Resampler
from app.emg.signal.ring import Ring
from app.emg.signal.signal_path import SignalPath
from app.emg.simulated.faults import Flat, Gap
from app.emg.source import Chunk
from app.inference.gestures.events import GestureEvent, GestureRules, GestureRuleSet
from app.serving.engine.engine import Engine
from app.serving.streams.events import StreamOptions
from app.serving.streams.gestures.teller import GestureTeller
from tests.inference.artefacts import make_manifest
from tests.serving.station import make_frame
from tests.serving.streams.test_frames import Scene, engine, made  # noqa: F401  a fixture

CHANNELS, RATE, LENGTH = 4, 2000, 200
AT_ONCE = GestureRuleSet(
    rules=GestureRules(enter=0.0, leave=0.0, shortest_s=0.0, evidence_s=0.0, refractory_s=0.0, hold_s=0.0)
)
EACH = GestureRules(enter=0.8, leave=0.4, smooth_s=0.0, rise=0.0, shortest_s=0.1)  # each frame by itself
QUIET, LOUD = 1.0, 20.0


def path_of(source_rate: float) -> SignalPath:
    """Without a filter; of another rate through a montage."""
    ring = Ring(4 * RATE, CHANNELS)
    if source_rate == RATE:
        return SignalPath(ring, design((), RATE, None))
    resampler = Resampler(source_rate, RATE, CHANNELS, 450.0)
    montage = Montage(CHANNELS, tuple(range(CHANNELS)), resampler=resampler)
    return SignalPath(ring, design((), RATE, None), montage, RATE)


def told(source_rate: float, began: int, fps: float) -> list[GestureEvent]:
    """Events of a source whose muscles begin at that sample of it, and end a second later."""
    path = path_of(source_rate)
    manifest = make_manifest(channels=CHANNELS, length=LENGTH, rate=RATE)
    options = StreamOptions(fps=fps, backend="", events=True, gesture_rules=GestureRuleSet(rules=EACH))
    teller, events = GestureTeller(options, manifest, path), list[GestureEvent]()
    random = np.random.default_rng(0)
    levels = np.full(round(4 * source_rate), QUIET)
    levels[began : began + round(source_rate)] = LOUD
    signal = (random.normal(size=(len(levels), CHANNELS)) * levels[:, np.newaxis]).astype(np.float32)
    hop, step, made_to = round(RATE / fps), round(source_rate / 100), 0
    for at in range(0, len(signal), step):
        path.process(Chunk(index=at, samples=signal[at : at + step]))
        while made_to + hop <= path.ring.newest:
            made_to += hop
            window = path.ring.window(made_to, min(made_to, LENGTH))
            assert window is not None
            fist = float(
                np.mean(np.abs(window) > 3 * QUIET) > 0.3
            )  # half of the window shows it, as to a model
            seen = replace(
                make_frame(made_to).window, probabilities=[1 - fist, fist, 0.0], strengths=[0.0, 0.7, 0.0]
            )
            events += teller.frame(made_to, seen, 0.0)
    return events


@pytest.mark.parametrize("fps", [10.0, 30.0, 100.0])
@pytest.mark.parametrize("source_rate", [2000.0, 1000.0, 2048.0])
def test_samples_and_times_are_the_source_s_own(source_rate: float, fps: float) -> None:
    began, hop = round(1.5 * source_rate), source_rate / fps
    onset, *_, release = told(source_rate, began, fps)
    assert (onset.phase, release.phase, release.reason) == ("onset", "release", "rest")
    shown = began + 0.05 * source_rate  # about half of a window later
    assert abs(onset.sample_index - (shown + EACH.shortest_s * source_rate)) <= hop + 0.03 * source_rate
    assert abs(onset.began_at - began) <= 0.03 * source_rate
    assert abs(release.sample_index - (began + 1.05 * source_rate)) <= hop + 0.03 * source_rate
    assert release.held_s == pytest.approx(
        (release.sample_index - onset.sample_index) / source_rate, rel=1e-3
    )
    assert onset.strength == 0.7


def phases(events: tuple[GestureEvent, ...]) -> list[tuple[str, str | None]]:
    return [(event.phase, event.reason) for event in events]


@pytest.fixture
def scene(request: pytest.FixtureRequest, engine: Engine) -> Scene:  # noqa: F811
    """Somebody who makes a gesture all the time, with a fault."""
    return Scene(engine, request.param, events=True, gesture_rules=AT_ONCE)


@pytest.mark.parametrize("scene", [[]], indirect=True)
def test_a_frame_brings_what_it_tells_of_gestures(scene: Scene) -> None:
    assert phases(made(scene.frame(20)).gestures) == [("onset", None)]
    assert phases(made(scene.frame(30)).gestures) == []
    assert phases((*scene.maker.let_go("shutdown"),)) == [("release", "shutdown")]
    assert scene.maker.let_go("shutdown") == []


@pytest.mark.parametrize("scene", [[Gap(105, 60)]], indirect=True)
def test_after_a_gap_the_gesture_of_before_is_over(scene: Scene) -> None:
    assert phases(made(scene.frame(100)).gestures) == [("onset", None)]
    assert phases(made(scene.frame(190)).gestures) == [("release", "gap"), ("onset", None)]


@pytest.mark.parametrize("scene", [[Flat(100, 0), Flat(100, 1)]], indirect=True)
def test_with_too_many_dead_channels_it_is_over_and_none_begins(scene: Scene) -> None:
    assert phases(made(scene.frame(100)).gestures) == [("onset", None)]
    assert phases(made(scene.frame(120)).gestures) == [("release", "quality")]
    assert phases(made(scene.frame(130)).gestures) == []


def test_without_events_there_is_no_machine(engine: Engine) -> None:  # noqa: F811
    silent = Scene(engine)
    assert made(silent.frame(20)).gestures == ()
    assert silent.maker.let_go("shutdown") == ()
