"""What a network stream says of itself, and which of its channels the model is given."""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass

from app.errors import ConfigError

log = logging.getLogger(__name__)

RATE_TOLERANCE = 0.005  # between the rate a stream declares and the model's
# How labs spell them: https://github.com/sccn/xdf/wiki/EEG-Meta-Data says "microvolts"
MICROVOLTS = {
    **dict.fromkeys(("microvolts", "microvolt", "uv", "\u00b5v", "\u03bcv"), 1.0),
    **dict.fromkeys(("millivolts", "millivolt", "mv"), 1e3),
    **dict.fromkeys(("volts", "volt", "v"), 1e6),
}


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
    factor: float

    def __str__(self) -> str:
        names = ", ".join(self.labels) or ", ".join(str(column + 1) for column in self.columns)
        return f"{len(self.columns)} of {self.of} channels ({names}), times {self.factor:g}"


def select(
    stream: StreamDescription, channels: int, rate: float, units: str, scale: float | None = None
) -> Selection:
    """Return the EMG channels of `stream` for a model that takes `channels` at `rate` Hz in `units`.

    All channels where there are as many as the model takes; else those of type EMG.

    Raises:
        ConfigError: it does not fit; names both.
    """
    if stream.text or stream.rate <= 0:
        what = "text" if stream.text else "samples at irregular times"
        raise ConfigError(f"the LSL stream {stream.name} carries {what}; a signal has a fixed sampling rate")
    columns = list(range(stream.channels))
    emg = [column for column, kind in enumerate(stream.types) if kind.strip().lower() == "emg"]
    if len(columns) != channels and emg:
        columns = emg
    if len(columns) != channels or not math.isclose(stream.rate, rate, rel_tol=RATE_TOLERANCE):
        of_type = f" ({len(emg)} of type EMG)" if emg and len(emg) != stream.channels else ""
        raise ConfigError(
            f"the LSL stream {stream.name} has {stream.channels} channels{of_type} at {stream.rate:g} Hz; the model "
            f"takes {channels} at {rate:g} Hz: choose an EMG_MODEL that fits, or another stream"
        )
    labels = tuple(stream.labels[column] for column in columns) if any(stream.labels) else ()
    said = {stream.units[column] for column in columns} if stream.units else set()
    return Selection(
        columns=columns, of=stream.channels, labels=labels, factor=_factor(stream.name, said, units, scale)
    )


def _factor(name: str, said: set[str], units: str, scale: float | None) -> float:
    """From the stream's units to the model's; `scale`, where the operator knows better."""
    if scale is not None:
        return scale
    one = next(iter(said)).strip() if len(said) == 1 else ""
    if one.lower() == units.lower():
        return 1.0
    if one.lower() in MICROVOLTS and units.lower() in MICROVOLTS:
        return MICROVOLTS[one.lower()] / MICROVOLTS[units.lower()]
    says = f"says {one}" if one else "does not say its units" if not any(said) else "mixes units"
    log.warning("the LSL stream %s %s; it is taken as %s, times EMG_SCALE=1", name, says, units)
    return 1.0
