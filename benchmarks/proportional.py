"""Proportional control on simulated muscles, whose activations are known: strength, and several joints at once.

python -m benchmarks.proportional --strength
"""

from __future__ import annotations

import argparse

import numpy as np

from app.emg.signal.filters import design, filter_all
from app.emg.simulated.follower import Follower
from app.inference.decision import channel_powers, intensity_of
from app.inference.strength import StrengthMeter, effort_of

LEVELS = (0.0, 0.05, 0.1, 0.2, 0.35, 0.5, 0.7, 0.85, 1.0)
HELD_S, DEGREES = 10.0, 3
FILTERS = ({"kind": "highpass", "order": 2, "low_hz": 5.0},)


def powers(person: Follower, movement: int, level: float, rate: float) -> np.ndarray:
    """Return mean squares (windows of 200 ms, channels) of a movement that is held at a level."""
    cursor = np.zeros((round((HELD_S + 1) * rate), DEGREES))
    cursor[:, movement // 2] = level * (1 if movement % 2 else -1)
    signal = filter_all(design(FILTERS, rate, None), person.do(cursor).emg)[round(rate) :]
    return np.stack([channel_powers(one) for one in np.split(signal, round(HELD_S / 0.2))])


def strength(people: int, channels: int, rate: float) -> None:
    found = {level: np.zeros((0, 3)) for level in LEVELS}
    for seed in range(people):
        person = Follower(channels, rate, DEGREES, seed)
        rest = powers(person, 0, 0, rate).astype(float)
        quiet = float(np.sqrt(rest).mean())
        for movement in range(2 * DEGREES):
            full = powers(person, movement, 1, rate).astype(float)
            effort = effort_of(rest, full)
            assert effort is not None
            meter = StrengthMeter(("rest", "it"), "rest", {"it": effort})
            for level in LEVELS:
                rows = powers(person, movement, level, rate)
                said = np.array([meter.strengths(one, 0.0)[1] for one in rows])
                plain = [intensity_of(one, quiet, float(np.sqrt(full).mean())) for one in rows]
                row = [[said.mean(), said.std(), np.mean(plain)]]
                found[level] = np.concatenate([found[level], row])
    print("| effort | strength, mean | spread of windows | by RMS above rest |\n| --- | --- | --- | --- |")
    for level, rows in found.items():
        print("| " + " | ".join(f"{value:.2f}" for value in (level, *rows.mean(0))) + " |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--strength", action="store_true", help="of one movement at a time")
    parser.add_argument("--people", type=int, default=8)
    parser.add_argument("--channels", type=int, default=8)
    parser.add_argument("--rate", type=float, default=200.0)
    options = parser.parse_args()
    if options.strength:
        strength(options.people, options.channels, options.rate)


if __name__ == "__main__":
    main()
