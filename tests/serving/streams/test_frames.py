"""Frames and the source's state when electrodes, cables and drivers fail, on a clock that the test moves."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from app.config import Settings
from app.emg.signal.filters import design
from app.emg.signal.ring import MAX_FILLED, Ring
from app.emg.signal.signal_path import SignalPath
from app.emg.simulated.faults import Fault, FaultInjector, Flat, Gap, Stall
from app.emg.source import Chunk
from app.errors import SourceError
from app.inference.manifest import Manifest
from app.inference.strength import Effort
from app.serving.counters.stream_stats import StreamStats
from app.serving.engine.backends import BackendOpener
from app.serving.engine.engine import Engine
from app.serving.engine.model_input import ModelInput
from app.serving.runtime import Runtime
from app.serving.sources.acquisition import STALL_S, Acquisition
from app.serving.streams.events import Frame, StreamOptions
from app.serving.streams.frame_context import FrameContext
from app.serving.streams.frames import FrameMaker
from app.serving.streams.hop_signal import SIGNAL_POINTS
from app.serving.streams.window_classifier import WindowClassifier
from tests.emg.fakes import ScriptedSource
from tests.fakes import FakeBackend, FakeClock, StepwiseSource
from tests.inference.artefacts import make_manifest

LENGTH, CHANNELS, RATE, FILL = 20, 4, 200, 4
MANIFEST = make_manifest(
    channels=CHANNELS,
    length=LENGTH,
    rate=RATE,
    mean=np.zeros(CHANNELS, np.float32),
    std=np.ones(CHANNELS, np.float32),
)


@pytest.fixture
def engine() -> Iterator[Engine]:
    shape = ModelInput(length=LENGTH, channels=CHANNELS, mean=MANIFEST.mean, std=MANIFEST.std)
    engine = Engine(shape, {"fake": BackendOpener(FakeBackend, lazy=False)})
    engine.open()
    yield engine
    engine.close()


class Scene:
    """Noise with faults, read into a ring chunk by chunk, and a maker of frames."""

    def __init__(
        self,
        engine: Engine,
        faults: Sequence[Fault] = (),
        clock: FakeClock | None = None,
        length: int = LENGTH,
        manifest: Manifest = MANIFEST,
        **options: Any,
    ) -> None:
        self.clock = clock or FakeClock()
        noise = np.random.default_rng(0).normal(0, 2, (1000, CHANNELS)).astype(np.float32)
        chunks = [Chunk(index=at, samples=noise[at : at + 10]) for at in range(0, 1000, 10)]
        self.source = FaultInjector(ScriptedSource(chunks, RATE), faults, sleep=self.clock.advance)
        self.path = SignalPath(Ring(1000, CHANNELS, FILL), design((), RATE, None))
        self.acquisition = Acquisition(self.source, self.path, self.clock, length=length)
        self.maker = FrameMaker(
            StreamOptions(fps=20, backend="fake", **options),
            FrameContext(
                path=self.path,
                problems=dict,
                stats=StreamStats(),
                cpu_percent=lambda: 0.0,
                clock=self.clock,
            ),
            WindowClassifier(engine, manifest, self.path.ring, ()),
            manifest,
        )

    def read_to(self, sample: int) -> None:
        while self.path.ring.newest < sample:
            self.clock.advance(0.05)
            self.acquisition._read_once()

    def frame(self, end: int) -> Frame | None:
        self.read_to(end)
        return self.maker.frame(end)


def made(frame: Frame | None) -> Frame:
    assert frame is not None
    return frame


def test_a_good_window_decides_and_tells_its_age(engine: Engine) -> None:
    scene = Scene(engine)
    scene.read_to(20)
    scene.clock.advance(0.003)
    frame = made(scene.frame(20))
    assert (frame.decision_label, frame.window.missing, frame.quality) == ("a", 0, None)
    assert frame.age_ms == pytest.approx(3)
    assert len(frame.window.probabilities) == 3


def test_a_decision_is_as_strong_as_the_gesture_beside_its_comfortable_effort(engine: Engine) -> None:
    """The noise is 2 on every channel; the rule of the second stream rejects all, and rest has no strength."""
    efforts = {
        name: Effort(weights=(0.25,) * CHANNELS, rest_rms=0.0, comfortable_rms=level)
        for name, level in (("a", 4.0), ("b", 2.0))
    }
    manifest = replace(MANIFEST, strength=efforts)

    frame = made(Scene(engine, manifest=manifest).frame(20))
    rejected = made(Scene(engine, manifest=manifest, votes=1, min_confidence=0.99).frame(20))

    assert (frame.decision_label, rejected.decision_label) == ("a", "rest")
    assert frame.strength == pytest.approx(0.5, abs=0.1)
    assert frame.window.strengths[0] == rejected.strength == 0
    assert frame.window.strengths[2] > 0.85
    assert rejected.window.strengths == frame.window.strengths


def test_a_window_that_is_not_there_yet_is_no_frame(engine: Engine) -> None:
    assert Scene(engine).maker.frame(20) is None


def test_a_short_gap_is_filled_and_counted_and_decisions_go_on(engine: Engine) -> None:
    scene = Scene(engine, [Gap(105, 3)])
    frames = [made(scene.frame(end)) for end in (100, 110, 120, 130)]
    assert [frame.window.missing for frame in frames] == [0, 3, 3, 0]
    assert [frame.decision_label for frame in frames] == ["a"] * 4
    assert scene.acquisition.look().gaps == 1


def test_a_window_of_which_more_than_a_fifth_is_filled_is_not_used(engine: Engine) -> None:
    assert FILL == MAX_FILLED * LENGTH
    scene = Scene(engine, [Gap(105, FILL), Gap(111, 1)])
    assert made(scene.frame(110)).window.missing == FILL
    assert scene.frame(112) is None
    assert made(scene.frame(127)).window.missing == 3


def test_no_window_spans_a_long_gap_and_the_votes_before_it_are_void(engine: Engine) -> None:
    scene = Scene(engine, [Gap(100, FILL + 1)], votes=5, min_confidence=0.5)
    assert made(scene.frame(100)).decision_label == "a"
    assert scene.frame(110) is None
    assert scene.frame(124) is None
    scene.maker._decider._min_confidence = 1.1  # from here on every vote is rejected
    assert made(scene.frame(125)).decision_label == "rest"
    assert (scene.acquisition.look().gaps, scene.acquisition.look().lost_samples) == (1, FILL + 1)


@pytest.mark.parametrize(("dead", "decision"), [([2], "a"), ([0, 3], "rest")], ids=["a quarter", "half"])
def test_dead_channels_are_named_and_more_than_a_quarter_means_rest(
    engine: Engine, dead: list[int], decision: str
) -> None:
    scene = Scene(engine, [Flat(100, channel) for channel in dead])
    assert made(scene.frame(100)).quality is None
    frame = made(scene.frame(140))
    assert (frame.quality, frame.decision_label) == ({"dead": dead}, decision)


def test_the_signal_of_the_hop_comes_on_request(engine: Engine) -> None:
    frame = made(Scene(engine, include_signal=True).frame(40))
    assert frame.signal is not None
    assert (len(frame.signal), len(frame.signal[0])) == (CHANNELS, RATE // 20)
    assert len(frame.signal[0]) <= SIGNAL_POINTS


def test_a_change_of_the_source_is_rest_and_clears_the_votes(engine: Engine) -> None:
    scene = Scene(engine, votes=5)
    assert made(scene.frame(100)).decision_label == "a"
    change = scene.maker.source_change("stalled", "stalled")
    assert (change.decision_label, change.source_state) == ("rest", "stalled")
    assert len(scene.maker._decider._votes) == 0


def test_samples_that_come_after_a_stall_and_continue_the_index_are_the_same_signal(engine: Engine) -> None:
    scene = Scene(engine, [Stall(100, 2 * STALL_S)])
    assert made(scene.frame(100))
    scene.read_to(110)
    assert scene.path.ring.segment_start == 0
    assert made(scene.frame(110)).sample_index == 110


def test_a_source_is_stalled_within_a_third_of_a_second_and_running_with_its_next_samples(
    engine: Engine,
) -> None:
    scene = Scene(engine)
    assert scene.acquisition.state == "starting"
    scene.read_to(10)
    scene.clock.advance(STALL_S - 0.01)
    assert scene.acquisition.state == "running"
    scene.clock.advance(0.02)
    assert scene.acquisition.state == "stalled"
    scene.read_to(20)
    assert scene.acquisition.state == "running"


def test_a_source_that_delivers_but_spoils_every_window_is_stalled_until_one_is_sound(engine: Engine) -> None:
    """16 samples come, 5 are lost: no window of 20 is ever whole."""
    scene = Scene(engine, [Gap(at, FILL + 1) for at in range(116, 800, 21)])
    scene.read_to(116)
    assert scene.acquisition.state == "running"
    assert scene.frame(117 + LENGTH) is None
    scene.read_to(500)
    assert scene.acquisition.state == "stalled"
    assert scene.acquisition.look().last_sample_age_ms == 0
    scene.read_to(830)
    assert scene.acquisition.state == "running"


def test_the_first_window_of_a_source_may_take_its_time(engine: Engine) -> None:
    scene = Scene(engine, length=100)
    for sample in range(10, 100, 10):
        scene.read_to(sample)
        assert scene.acquisition.state == "running"


@pytest.fixture
def waited() -> Callable[[Callable[[], object]], None]:
    def wait(holds: Callable[[], object]) -> None:
        ends = time.monotonic() + 10
        while not holds():
            assert time.monotonic() < ends, "it did not happen"
            time.sleep(0.005)

    return wait


def test_a_source_that_fails_says_why_until_it_delivers_again_and_ends_when_it_ends(
    waited: Callable[..., None],
) -> None:
    source, clock = StepwiseSource(), FakeClock()
    acquisition = Acquisition(source, SignalPath(Ring(100, 1), design((), RATE, None)), clock)
    acquisition.start()
    source.give(SourceError("unplugged"))
    waited(lambda: acquisition.state == "disconnected")
    assert acquisition.look().error == "unplugged"
    source.give(Chunk(index=0, samples=np.zeros((5, 1), np.float32)))
    waited(lambda: acquisition.state == "running")
    assert acquisition.look().error is None
    source.give(None)
    waited(lambda: acquisition.state == "ended")
    acquisition.close()


def test_a_source_that_is_silent_is_a_reason_not_to_be_ready(engine: Engine) -> None:
    scene = Scene(engine)
    artefact = SimpleNamespace(manifest=MANIFEST, sha256="0" * 64, path=Path("tiny"))
    runtime = Runtime(
        settings=Settings(mains_hz=None),
        artefact=artefact,  # type: ignore[arg-type]  # no folder behind it
        engine=engine,
        acquisition=scene.acquisition,
        encode=lambda event: b"",
    )
    assert runtime.health.not_ready() == ["the source scripted is starting"]
    scene.read_to(20)
    assert runtime.health.not_ready() == []
    scene.clock.advance(0.35)
    assert runtime.health.not_ready() == ["the source scripted is stalled"]
