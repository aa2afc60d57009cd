"""A source without hardware: simulated muscles that know what they do."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np

from app.counted import counted
from app.emg.simulated.muscle_model import MuscleModel
from app.emg.simulated.pacing import Clock, Pacer, Sleep
from app.emg.simulated_person import SimulatedPerson
from app.emg.source import Chunk, Labels, Samples
from app.errors import ConfigError

CHUNK_S = 0.005
UNHURRIED_S = 0.05  # the same where nobody waits for samples: a chunk costs the same whatever its length
MVC_UV = 300.0  # RMS at maximal contraction; surface EMG reaches 0-1.5 mV RMS (De Luca 2002)


class Simulator:
    """Plays gestures of `gesture_names` in random order with rest between, and labels them.

    Gestures look the same under every seed (their muscles follow from their position in the list); the
    seed is the person and the day: electrode shift, gains, order, strengths and noise. The same seed gives
    the same samples, however they are read, unless `person` is asked for a gesture. `mvc_rms` is the RMS at
    maximal contraction in `units`.

    Raises:
        ConfigError: no channel, no positive rate, or the rest class is not among the names.
    """

    name = "simulator"

    def __init__(
        self,
        channels: int,
        sampling_rate: float,
        gesture_names: Sequence[str],
        rest: str = "rest",
        seed: int = 0,
        *,
        mvc_rms: float = MVC_UV,
        units: str = "uV",
        speed: float | None = 1.0,
        clock: Clock = time.perf_counter,
        sleep: Sleep = time.sleep,
    ) -> None:
        if channels < 1 or not 0 < sampling_rate < float("inf"):
            raise ConfigError(
                f"the simulator cannot make {counted(channels, 'channel')} at {sampling_rate} Hz"
            )
        self.gesture_names: Sequence[str] = tuple(gesture_names)
        if rest not in self.gesture_names:
            raise ConfigError(f"the rest class {rest!r} is not one of the classes {list(gesture_names)}")
        self.channels, self.sampling_rate, self.units = channels, sampling_rate, units
        self._rest = self.gesture_names.index(rest)
        self.person, self._heard = SimulatedPerson(self.gesture_names, self._rest), 0
        gestures = [k for k in range(len(self.gesture_names)) if k != self._rest]
        self._surrogate = MuscleModel(channels, sampling_rate, gestures, self._rest, seed)
        self._mvc = np.float32(mvc_rms)
        self._samples: Samples = np.zeros((0, channels), np.float32)  # made, not yet handed out
        self._labels: Labels = np.zeros(0, np.int16)
        self._pacer = Pacer(sampling_rate, speed, clock, sleep)
        self._chunk, self._longer = (max(1, round(s * sampling_rate)) for s in (CHUNK_S, UNHURRIED_S))
        self.hurried = True
        self._index = 0
        self._closed = False

    def read(self) -> Chunk | None:
        """Return the next 5 ms, when they are due, or 50 while it is not `hurried`; None once closed."""
        if self._closed:
            return None
        index, count = self._index, self._chunk if self.hurried else self._longer
        self._pacer.wait(index + count)
        samples, labels = self.generate(count)
        return Chunk(index=index, samples=samples, labels=labels)

    def generate(self, n_samples: int) -> tuple[Samples, Labels]:
        """Return the next samples (n, channels) and labels (n,) at once, without waiting for their time."""
        samples = np.empty((n_samples, self.channels), np.float32)
        labels = np.empty(n_samples, np.int16)
        done = 0
        while done < n_samples:
            if len(self._labels) == 0:
                self._hear()
                self._samples, self._labels = self._surrogate.next_block()
                self._samples *= self._mvc
            n = min(n_samples - done, len(self._labels))
            samples[done : done + n], self._samples = self._samples[:n], self._samples[n:]
            labels[done : done + n], self._labels = self._labels[:n], self._labels[n:]
            done += n
        self._index += n_samples
        return samples, labels

    def _hear(self) -> None:
        """Do what is asked now, if something else was asked before."""
        wish = self.person.control.newest()
        if wish.number > self._heard:
            self._heard = wish.number
            if wish.levels is None:
                self._surrogate.ask(wish.gesture, wish.seconds)
            else:
                self._surrogate.follow(wish.levels, wish.seconds)

    def close(self) -> None:
        self._closed = True
