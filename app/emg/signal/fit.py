"""Whether a model can read a source, and through which montage; in one line what is wrong where it cannot."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.counted import counted
from app.emg.description import SourceDescription
from app.emg.signal.channel_choice import parse_channels, written
from app.emg.signal.montage import Montage
from app.emg.signal.rates import TOLERANCE, same_rate
from app.emg.signal.resampler import PASS, Resampler
from app.emg.units import factor, unknown
from app.errors import DataError


@dataclass(frozen=True, slots=True)
class ModelNeed:
    """What a model reads; `low_hz` to `high_hz` is what of the signal gets through its filters (`band_of`)."""

    name: str
    channels: int
    sampling_rate: float  # Hz
    units: str
    low_hz: float
    high_hz: float


@dataclass(frozen=True, slots=True)
class Fit:
    """A model that could read a source, and how."""

    name: str
    how: str  # "as it is", or what its montage does; begins with EMG_CHANNELS where that must be said


def band_of(filters: Sequence[Mapping[str, Any]], sampling_rate: float) -> tuple[float, float]:
    """Return from which frequency to which a model reads, in Hz, by the filters in its manifest.

    0 where no filter holds back what is slow; PASS of the rate where none holds back what is fast, and at most that:
    what lies between there and half of the rate no resampling could bring without letting aliases in.
    """
    lows = [float(spec["low_hz"]) for spec in filters if spec.get("kind") in {"highpass", "bandpass"}]
    highs = [float(spec["high_hz"]) for spec in filters if spec.get("kind") in {"lowpass", "bandpass"}]
    return max(lows, default=0.0), min([*highs, PASS * sampling_rate])


def fit(
    source: SourceDescription,
    need: ModelNeed,
    channels: str | None = None,
    *,
    scale: float | None = None,
    max_fill: int = 0,
) -> Montage:
    """Return a fresh montage through which the model reads the source.

    `channels` is what EMG_CHANNELS says. `scale` makes the source's numbers ones in the model's units, where the
    operator knows better than the units the source states. `max_fill` is that of the ring behind the montage.

    Raises:
        DataError: the model cannot read it; says why, and what would be right.
    """
    columns = _columns(source, need, channels)
    times = _scale(source, need) if scale is None else scale
    return Montage(
        source.channels,
        columns,
        scale=times,
        resampler=_resampler(source, need),
        low_hz=need.low_hz,
        max_fill=max_fill,
    )


def fits(
    source: SourceDescription,
    needs: Iterable[ModelNeed],
    channels: str | None = None,
    *,
    scale: float | None = None,
) -> list[Fit]:
    """Return which models could read the source, and how.

    Those too that lack nothing but a choice of channels, when there is none yet: the first ones are proposed.
    """
    found = []
    for need in needs:
        first = written(tuple(range(need.channels)))
        wanted = channels is None and source.channels > need.channels
        try:
            montage = fit(source, need, first if wanted else channels, scale=scale)
        except DataError:
            continue
        how = (
            f"{montage}; say EMG_CHANNELS={first}, or which other {need.channels}" if wanted else str(montage)
        )
        found.append(Fit(need.name, how))
    return found


def no_fit(source: SourceDescription, channels: str | None = None) -> str:
    """Return what is said where no model fits."""
    number = source.channels if channels is None else len(parse_channels(channels, source.channels))
    has = f"{counted(number, 'channel')} at {source.sampling_rate:g} Hz"
    return f"no model fits {has}: record and train one, or choose channels with EMG_CHANNELS"


def _columns(source: SourceDescription, need: ModelNeed, channels: str | None) -> tuple[int, ...]:
    if channels is not None:
        columns = parse_channels(channels, source.channels)
        if len(columns) != need.channels:
            raise DataError(
                f"EMG_CHANNELS={channels} chooses {counted(len(columns), 'channel')}; the model {need.name} reads "
                f"{need.channels}"
            )
        return columns
    has = f"the source has {counted(source.channels, 'channel')} and the model {need.name} reads {need.channels}"
    if source.channels > need.channels:
        proposed = written(tuple(range(need.channels)))
        raise DataError(f"{has}: choose channels with EMG_CHANNELS={proposed}")
    if source.channels < need.channels:
        raise DataError(f"{has}: record and train one of {counted(source.channels, 'channel')}")
    return tuple(range(source.channels))


def _scale(source: SourceDescription, need: ModelNeed) -> float:
    if unknown(source.units):
        return 1.0
    scale = factor(source.units, need.units)
    if scale is None:
        raise DataError(
            f"the source is in {source.units} and the model {need.name} reads {need.units}: say with EMG_SCALE by "
            f"what its numbers are to be multiplied"
        )
    return scale


def _resampler(source: SourceDescription, need: ModelNeed) -> Resampler | None:
    rate = source.sampling_rate
    if same_rate(rate, need.sampling_rate):
        return None
    reads = f"the model {need.name} reads {need.low_hz:g}-{need.high_hz:g} Hz"
    if need.high_hz >= rate / 2:
        raise DataError(f"a source of {rate:g} Hz holds nothing above {rate / 2:g} Hz; {reads}")
    if need.high_hz > PASS * rate * (1 + TOLERANCE):
        raise DataError(
            f"a source of {rate:g} Hz carries no more than {PASS * rate:g} Hz to another rate; {reads}"
        )
    if need.low_hz >= need.high_hz:
        raise DataError(
            f"the model {need.name} reads what lies above {need.low_hz:g} Hz, and nothing of that can be carried "
            f"from {rate:g} to {need.sampling_rate:g} Hz"
        )
    return Resampler(rate, need.sampling_rate, need.channels, need.high_hz)
