"""What goes wrong with electrodes, cables and drivers, on request: wraps any source for tests and demos."""

from __future__ import annotations

import re
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from app.emg.auxiliary import AuxChunk
from app.emg.replay import Replay
from app.emg.signal.segments import runs
from app.emg.simulated.pacing import Sleep
from app.emg.simulated_person import SimulatedPerson
from app.emg.source import Chunk, Samples, Source, aux_streams, channel_names
from app.errors import ConfigError

RAIL_UV = 5000.0  # a +-5 mV input range, the usual one of surface-EMG front ends
FOREVER = 2**62
_NAP_S = 0.05  # a stalled source still notices within this time that it was closed


@dataclass(frozen=True, slots=True)
class Gap:
    """The samples [at, at + samples) are lost; the index goes on counting."""

    at: int
    samples: int


@dataclass(frozen=True, slots=True)
class Flat:
    """A channel (counted from 0) reads 0 in [at, until): an electrode off the skin, its input shorted."""

    at: int
    channel: int
    until: int = FOREVER


@dataclass(frozen=True, slots=True)
class Railed:
    """A channel sticks at the end of its range in [at, until)."""

    at: int
    channel: int
    level: float = RAIL_UV
    until: int = FOREVER


@dataclass(frozen=True, slots=True)
class Hum:
    """A mains sine on every channel in [at, until), its phase tied to the sample index."""

    at: int
    frequency_hz: float
    amplitude: float
    until: int = FOREVER


@dataclass(frozen=True, slots=True)
class Stall:
    """Nothing comes for `seconds` once sample `at` is reached; no sample is lost."""

    at: int
    seconds: float


Fault = Gap | Flat | Railed | Hum | Stall

_FORM = re.compile(r"(?P<kind>[a-z]+)@(?P<at>\d+)(?:-(?P<until>\d+))?:(?P<what>.+)")
_CHANNEL = re.compile(r"ch(\d+)(?:=(-?[\d.]+))?")
_PAIR = re.compile(r"([\d.]+)=([\d.]+)")


def parse(text: str) -> tuple[Fault, ...]:
    """Faults from a line such as `gap@2000:50,flat@4000:ch3,rail@5000-6000:ch0=-5000,hum@0:50=20`.

    Each is kind@sample, or kind@first-after for a fault that ends: `gap` takes a number of samples, `flat`
    a channel (from 0), `rail` a channel and its level, `hum` Hz and amplitude, `stall` seconds.

    Raises:
        ConfigError: names the part that cannot be read.
    """
    return tuple(_parse_one(part.strip()) for part in text.split(",") if part.strip())


def _parse_one(text: str) -> Fault:
    form = _FORM.fullmatch(text)
    make = _MAKERS.get(form["kind"]) if form else None
    if form is None or make is None:
        raise ConfigError(f"fault {text!r}: must be kind@sample:value, kind one of {', '.join(_MAKERS)}")
    at, until = int(form["at"]), int(form["until"] or FOREVER)
    try:
        if until <= at:
            raise ValueError("ends before it begins")
        return make(at, until, form["what"])
    except (ValueError, TypeError) as error:
        example = _EXAMPLES[form["kind"]]
        raise ConfigError(f"fault {text!r}: write it like {example} ({error})") from None


def _match(pattern: re.Pattern[str], text: str) -> tuple[str | None, ...]:
    match = pattern.fullmatch(text)
    if match is None:
        raise ValueError(f"cannot read {text!r}")
    return match.groups()


def _positive(text: str | None) -> float:
    number = float(text or "nan")
    if not 0 < number < float("inf"):
        raise ValueError(f"{text} is not above 0")
    return number


def _expect_endless(until: int) -> None:
    if until != FOREVER:
        raise ValueError("takes no range")


def _gap(at: int, until: int, what: str) -> Fault:
    _expect_endless(until)
    return Gap(at, int(_positive(what)))


def _flat(at: int, until: int, what: str) -> Fault:
    channel, level = _match(_CHANNEL, what)
    if level is not None:
        raise ValueError("takes no level")
    return Flat(at, int(channel or 0), until)


def _rail(at: int, until: int, what: str) -> Fault:
    channel, level = _match(_CHANNEL, what)
    return Railed(at, int(channel or 0), RAIL_UV if level is None else float(level), until)


def _hum(at: int, until: int, what: str) -> Fault:
    frequency, amplitude = _match(_PAIR, what)
    return Hum(at, _positive(frequency), _positive(amplitude), until)


def _stall(at: int, until: int, what: str) -> Fault:
    _expect_endless(until)
    return Stall(at, _positive(what))


_MAKERS: dict[str, Callable[[int, int, str], Fault]] = {
    "gap": _gap,
    "flat": _flat,
    "rail": _rail,
    "hum": _hum,
    "stall": _stall,
}
_EXAMPLES = {
    "gap": "gap@2000:50",
    "flat": "flat@4000:ch3",
    "rail": "rail@5000-6000:ch0=-5000",
    "hum": "hum@0:50=20",
    "stall": "stall@8000:2.5",
}


class FaultInjector:
    """A source with `faults` put in. The samples that no fault touches are the wrapped source's own."""

    def __init__(self, source: Source, faults: Sequence[Fault], sleep: Sleep = time.sleep) -> None:
        for fault in faults:
            if isinstance(fault, Flat | Railed) and fault.channel >= source.channels:
                kind = "flat" if isinstance(fault, Flat) else "rail"
                raise ConfigError(
                    f"fault {kind}@{fault.at}:ch{fault.channel}: the source has channels 0 to {source.channels - 1}"
                )
        self._source, self._sleep = source, sleep
        self._gaps = [fault for fault in faults if isinstance(fault, Gap)]
        self._stalls = deque(sorted((f for f in faults if isinstance(f, Stall)), key=lambda stall: stall.at))
        dead = [fault for fault in faults if isinstance(fault, Flat | Railed)]
        self._changes = [*(f for f in faults if isinstance(f, Hum)), *dead]  # a dead channel hears no hum
        self._ready: deque[Chunk] = deque()
        # owed by samples that a gap has swallowed
        self._restart = False
        self._aux: tuple[AuxChunk, ...] = ()
        self._closed = False
        self.name, self.units = source.name, source.units
        self.channels, self.sampling_rate = source.channels, source.sampling_rate
        self.gesture_names = source.gesture_names
        self.aux_streams, self.channel_names = aux_streams(source), channel_names(source)
        if hasattr(source, "speed"):  # a recording's, which has pieces; a device that begins anew has failed
            self.speed: float | None = source.speed
        self.replay: Replay | None = getattr(source, "replay", None)
        self.person: SimulatedPerson | None = getattr(source, "person", None)

    @property
    def numbered(self) -> bool:
        return bool(getattr(self._source, "numbered", True))

    @property
    def sums(self) -> dict[str, int]:
        """The wrapped source's own counters."""
        return dict(getattr(self._source, "sums", {}))

    @property
    def notes(self) -> Sequence[str]:
        """What the wrapped source assumes of its device."""
        return tuple(getattr(self._source, "notes", ()))

    def read(self) -> Chunk | None:
        """Return the next samples that came through."""
        while not self._ready:
            chunk = self._source.read()
            if chunk is None:
                return None
            self._stall(chunk)
            if self._closed:
                return None
            self._ready.extend(self._survivors(chunk))
        chunk = self._ready.popleft()
        samples = self._changed(chunk)
        return replace(chunk, samples=samples)

    def close(self) -> None:
        self._closed = True
        self._source.close()

    def _stall(self, chunk: Chunk) -> None:
        while self._stalls and self._stalls[0].at < chunk.index + len(chunk.samples):
            left = self._stalls.popleft().seconds
            while left > 0 and not self._closed:
                self._sleep(min(left, _NAP_S))
                left -= _NAP_S

    def _survivors(self, chunk: Chunk) -> list[Chunk]:
        """Return the runs of samples that no gap swallows, each a chunk of its own."""
        index = chunk.index + np.arange(len(chunk.samples))
        kept = np.ones(len(index), np.bool_)
        for gap in self._gaps:
            kept &= (index < gap.at) | (index >= gap.at + gap.samples)
        self._restart |= chunk.restart
        self._aux += chunk.aux
        index, whole = index[kept], chunk.samples[kept]
        truths = None if chunk.labels is None else chunk.labels[kept]
        chunks = []
        for run in runs(index):
            labels = None if truths is None else truths[run]
            chunks.append(
                Chunk(
                    index=int(index[run.start]),
                    samples=whole[run],
                    labels=labels,
                    restart=self._restart,
                    aux=self._aux,
                )
            )
            self._restart, self._aux = False, ()
        return chunks

    def _changed(self, chunk: Chunk) -> Samples:
        samples: Samples = chunk.samples.copy()
        index = chunk.index + np.arange(len(samples))
        for fault in self._changes:
            hit = (index >= fault.at) & (index < fault.until)
            if isinstance(fault, Hum):
                phase = 2 * np.pi * fault.frequency_hz / self.sampling_rate * index[hit]
                samples[hit] += (fault.amplitude * np.sin(phase)).astype(np.float32)[:, np.newaxis]
            else:
                samples[hit, fault.channel] = fault.level if isinstance(fault, Railed) else 0.0
        return samples
