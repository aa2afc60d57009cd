"""Gestures as events: where the muscle began beside where it truly did, what they cost, and how late they are.

python -m benchmarks.events --began      on simulated muscles, whose activations are known
python -m benchmarks.events --cost       of a frame, an onset and an event in the worker
python -m benchmarks.events --delay      by a client of a real server, beside the frame that decided it
python -m benchmarks.events --stall      from the last sample that is pushed to the release, by a client
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from app.api.sse import events as sse
from app.config import ROOT
from app.emg.signal.filters import SosFilter, design
from app.emg.signal.onset import LOOK_BACK_S, onset_in
from app.emg.signal.ring import Ring
from app.emg.signal.signal_path import SignalPath
from app.emg.simulated.muscle_model import Contraction, MuscleModel
from app.emg.simulated.simulator import Simulator
from app.emg.source import Chunk
from app.inference import artefact
from app.inference.gestures.events import GestureRules, GestureRuleSet
from app.inference.gestures.machine import GestureMachine
from app.serving.streams.events import StreamOptions
from app.serving.streams.gestures.teller import GestureTeller
from tests.server.live import Client, gunicorn
from tests.serving.station import make_frame

MODEL, FPS = "synthetic-16ch-2khz", 30
SHOWN_S = 0.1  # after half of a contraction a model shows it
SECONDS, PEOPLE = 120, 4
GESTURES = [1, 2, 3, 4, 5, 6]


def signal_of(channels: int, rate: float, seed: int) -> tuple[np.ndarray, list[Contraction]]:
    """Return a filtered signal (n, channels) and the gestures in it."""
    muscles, blocks, found = MuscleModel(channels, rate, GESTURES, 0, seed), [], {}
    for _ in range(round(SECONDS * rate / muscles.block)):
        blocks.append(muscles.next_block()[0])
        found |= {one.start: one for one in muscles._active if one.label > 0}
    band = {"kind": "bandpass", "order": 4, "low_hz": 20, "high_hz": min(450, 0.475 * rate)}
    return SosFilter(design((band,), rate, None), channels)(np.concatenate(blocks)), list(found.values())


def began() -> None:
    print("channels, Hz | gestures | ms after a tenth of the activation: p10, median, p90 | us")
    for channels, rate in ((16, 2000.0), (8, 200.0)):
        late, seconds = [], 0.0
        for seed in range(1, PEOPLE + 1):
            signal, gestures = signal_of(channels, rate, seed)
            look = round((SHOWN_S + LOOK_BACK_S) * rate)
            for one in gestures:
                shown = round(one.start + SHOWN_S * rate)
                if shown > len(signal):
                    continue
                at = time.perf_counter()
                row = onset_in(signal[shown - look : shown], rate)
                seconds += time.perf_counter() - at
                times = np.arange(one.start - one.rise, one.start + one.rise)
                tenth = times[np.argmax(one.envelope(times) > 0.1)]
                late.append(1e3 * (shown - look + row - tenth) / rate)
        low, middle, high = np.quantile(late, [0.1, 0.5, 0.9])
        us = 1e6 * seconds / len(late)
        print(f"{channels}, {rate:g} | {len(late)} | {low:.0f}, {middle:.0f}, {high:.0f} | {us:.0f}")


def scene() -> Iterator[tuple[int, GestureTeller, SignalPath]]:
    """Yield the end of each window of the shipped model on the simulator, with what tells its gestures."""
    manifest = artefact.find(MODEL, (ROOT / "instance" / "models",)).manifest
    source = Simulator(manifest.channels, manifest.sampling_rate, manifest.classes, seed=0, speed=None)
    path = SignalPath(Ring(8000, manifest.channels), design(manifest.filters, manifest.sampling_rate, None))
    teller = GestureTeller(StreamOptions(fps=FPS, backend="", events=True), manifest, path)
    hop = round(manifest.sampling_rate / FPS)
    for k in range(SECONDS * FPS):
        samples, labels = source.generate(hop)
        path.process(Chunk(index=k * hop, samples=samples, labels=labels))
        yield (k + 1) * hop, teller, path


def cost() -> None:
    """With the simulator's own labels for predictions: what events do is the same."""
    quiet, onsets, told = [], [], []
    for end, teller, path in scene():
        label = max(path.ring.label_at(end - 1) or 0, 0)
        shares = [1.0 if k == label else 0.0 for k in range(7)]
        seen = replace(make_frame(end).window, probabilities=shares, strengths=shares)
        at = time.perf_counter()
        events = teller.frame(end, seen, 0.0)
        taken = 1e6 * (time.perf_counter() - at)
        (onsets if any(event.phase == "onset" for event in events) else quiet).append(taken)
        told += events
    at = time.perf_counter()
    for event in told:
        sse.encode(event)
    encoded = 1e6 * (time.perf_counter() - at) / len(told)
    print(f"{len(told)} events in {SECONDS} s of signal at {FPS} fps, {len(told) / SECONDS:.2f} a second")
    print(f"a frame {np.median(quiet):.1f} us, an onset {np.median(onsets):.0f} us, a body {encoded:.1f} us")
    print(f"of a core: {(FPS * np.median(quiet) + len(onsets) / SECONDS * np.median(onsets)) / 1e4:.3f} %")
    machine, shares = (
        GestureMachine(("rest", "fist"), "rest", 2000.0, GestureRules()),
        ([1.0, 0.0], [0.0, 1.0]),
    )
    at = time.perf_counter()
    made = sum(len(machine.frame(20 * k, shares[k // 100 % 2])) for k in range(100_000))
    print(f"the machine alone: {1e6 * (time.perf_counter() - at) / 100_000:.2f} us a frame ({made} events)")


def delay(seconds: float) -> None:
    rules = GestureRuleSet(rules=GestureRules(hold_s=0.1)).fields
    with tempfile.TemporaryDirectory() as folder, gunicorn(Path(folder)) as live:
        client = Client(live.port, fps=FPS, events=True, gesture_rules=rules, duration_seconds=seconds)
        frames: dict[int, float] = {}
        late, age = [], []
        for event in client.events():
            now = time.perf_counter()
            if "prediction" in event:
                frames[event["sample_index"]] = now
                age.append(event["age_ms"])
            elif "phase" in event and event["sample_index"] in frames:
                late.append(1e3 * (now - frames[event["sample_index"]]))
        client.close()
    low, middle, high = np.quantile(late, [0.5, 0.99, 1.0])
    print(f"{len(late)} events of {len(frames)} frames at {FPS} fps (a hop is {1e3 / FPS:.0f} ms)")
    print(f"after their frame: p50 {low:.2f}, p99 {middle:.2f}, most {high:.2f} ms")
    print(f"age of the frames: p50 {np.median(age):.2f} ms")


def stall(tries: int) -> None:
    sys.path.append(str(ROOT / "clients" / "python" / "src"))
    from tests.server.test_gesture_events import WAYS, Hand  # noqa: PLC0415  it needs the client

    rules = {"enter": 0.5, "leave": 0}  # nothing else ends it
    with tempfile.TemporaryDirectory() as folder, gunicorn(Path(folder), EMG_MODE="push") as live:
        for way in ("sse", "live socket"):
            late = []
            for number in range(tries):
                hand = Hand(live, f"{way[0]}{number}")
                listener = WAYS[way](live, hand.name, gesture_rules=rules)
                hand.close_fist()
                listener.told("onset")
                last_at = hand.pause()
                late.append(round(1e3 * (listener.at(listener.told("release")) - last_at)))
                listener.client.close()
                hand.end()
            print(f"{way}: released {sorted(late)} ms after the last sample")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name in ("began", "cost", "delay", "stall"):
        parser.add_argument(f"--{name}", action="store_true")
    parser.add_argument("--seconds", type=float, default=20.0, help="of --delay")
    asked = parser.parse_args()
    if asked.began:
        began()
    if asked.cost:
        cost()
    if asked.delay:
        delay(asked.seconds)
    if asked.stall:
        stall(6)


if __name__ == "__main__":
    main()
