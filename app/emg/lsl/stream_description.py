"""What a network stream says of itself, and which of its channels the model is given."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field

from app.counted import counted
from app.emg.auxiliary import AuxStream
from app.emg.description import UNKNOWN_UNITS, SourceDescription
from app.emg.signal.rates import same_rate
from app.emg.units import KNOWN, factor, standard
from app.errors import ConfigError

log = logging.getLogger(__name__)

# MNE-LSL 1.14 writes powers of ten of a volt, as MNE has them in its unit_mul: FIFF_UNITM_MU is -6
POWERS_OF_TEN = {"0": "V", "-3": "mV", "-6": "uV", "-9": "nV"}


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamDescription:
    """The stream's own words; labels, types and units are empty where it says none."""

    name: str
    channels: int
    rate: float  # Hz, nominal; 0: irregular
    text: bool = False  # strings instead of numbers
    labels: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    units: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """The channels that are taken, and what makes them the model's units."""

    columns: list[int]
    of: int  # channels in the stream
    labels: tuple[str, ...]
    factors: tuple[float, ...]  # of each of these channels
    beside: dict[str, list[int]] = field(default_factory=dict)  # other columns by their type

    def __str__(self) -> str:
        names = ", ".join(self.labels) or ", ".join(str(column + 1) for column in self.columns)
        times = ", ".join(f"{factor:g}" for factor in dict.fromkeys(self.factors))
        return f"{len(self.columns)} of {self.of} channels ({names}), times {times}"


def described(stream: StreamDescription, scale: float | None = None) -> SourceDescription:
    """Return the EMG channels of `stream`: those of type EMG, or all where none is said to be; `scale` makes uV of it.

    Units are the stream's own where all channels have the same, and uV where they are different voltages.

    Raises:
        ConfigError: it carries no signal.
    """
    _expect_signal(stream)
    columns = _of_type_emg(stream) or list(range(stream.channels))
    labels = tuple(stream.labels[column] for column in columns) if any(stream.labels) else ()
    return SourceDescription(
        channels=len(columns),
        sampling_rate=stream.rate,
        units=_own_units([_said(stream, column) for column in columns]) if scale is None else "uV",
        channel_names=labels,
        aux_streams=tuple(_aux(stream, kind, columns) for kind, columns in beside(stream).items()),
    )


def described_beside(stream: StreamDescription) -> AuxStream:
    """Return what a stream is that comes beside the EMG's.

    Raises:
        ConfigError: it carries no signal.
    """
    _expect_signal(stream)
    return _aux(stream, stream.name, list(range(stream.channels)))


def beside(stream: StreamDescription) -> dict[str, list[int]]:
    """Return the channels that are not EMG, by type, of a stream that says which are."""
    found: dict[str, list[int]] = {}
    emg = _of_type_emg(stream)
    for column, kind in enumerate(stream.types):
        if emg and column not in emg:
            found.setdefault(kind.strip().lower() or "other", []).append(column)
    return found


def _aux(stream: StreamDescription, name: str, columns: list[int]) -> AuxStream:
    labels = [stream.labels[column] if stream.labels else "" for column in columns]
    units = {stream.units[column].strip() if stream.units else "" for column in columns}
    return AuxStream(
        name=name,
        channel_names=tuple(label or f"{name}{number}" for number, label in enumerate(labels, 1)),
        units=(units.pop() or UNKNOWN_UNITS) if len(units) == 1 else UNKNOWN_UNITS,
        sampling_rate=stream.rate,
    )


def _own_units(said: list[str]) -> str:
    if len(set(said)) == 1:
        return said[0] or UNKNOWN_UNITS
    return "uV" if set(said) <= set(KNOWN) else UNKNOWN_UNITS


def _said(stream: StreamDescription, column: int) -> str:
    """Return the units of a channel in our spelling; empty where the stream does not say."""
    said = standard(stream.units[column]) if stream.units else ""
    return POWERS_OF_TEN.get(said, said)


def _of_type_emg(stream: StreamDescription) -> list[int]:
    return [column for column, kind in enumerate(stream.types) if kind.strip().lower() == "emg"]


def _expect_signal(stream: StreamDescription) -> None:
    if stream.text or stream.rate <= 0:
        what = "text" if stream.text else "samples at irregular times"
        raise ConfigError(f"the LSL stream {stream.name} carries {what}; a signal has a fixed sampling rate")


def select(
    stream: StreamDescription, channels: int, rate: float, units: str, scale: float | None = None
) -> Selection:
    """Return the EMG channels of `stream` for a model that takes `channels` at `rate` Hz in `units`.

    All channels where there are as many as the model takes; else those of type EMG.

    Raises:
        ConfigError: it does not fit; names both.
    """
    _expect_signal(stream)
    columns, emg = list(range(stream.channels)), _of_type_emg(stream)
    if len(columns) != channels and emg:
        columns = emg
    if len(columns) != channels or not same_rate(stream.rate, rate):
        of_type = f" ({len(emg)} of type EMG)" if emg and len(emg) != stream.channels else ""
        raise ConfigError(
            f"the LSL stream {stream.name} has {counted(stream.channels, 'channel')}{of_type} at {stream.rate:g} Hz; "
            f"the model takes {channels} at {rate:g} Hz: choose an EMG_MODEL that fits, or another stream"
        )
    labels = tuple(stream.labels[column] for column in columns) if any(stream.labels) else ()
    said = [_said(stream, column) for column in columns]
    return Selection(
        columns=columns,
        of=stream.channels,
        labels=labels,
        factors=_factors(stream.name, said, units, scale, channels),
        beside=beside(stream) if len(columns) < stream.channels else {},
    )


def _factors(name: str, said: list[str], units: str, scale: float | None, channels: int) -> tuple[float, ...]:
    """From each channel's units to the model's; `scale`, where the operator knows better."""
    if scale is not None:
        return (scale,) * channels
    if units == UNKNOWN_UNITS:
        return (1.0,) * channels  # as they are; nobody said what they are
    found = [factor(one, units) for one in said if one]
    known = tuple(one for one in found if one is not None)
    if len(known) == channels:
        return known
    strange = ", ".join(sorted({one for one in said if one and factor(one, units) is None}))
    says = f"says {strange}" if strange else "does not say the units of every channel"
    log.warning("the LSL stream %s %s; it is taken as %s, times EMG_SCALE=1", name, says, units)
    return (1.0,) * channels
