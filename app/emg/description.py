"""What a device says that it delivers, before anything is read from it and whatever model there is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from app.counted import counted
from app.emg.auxiliary import AuxStream
from app.emg.source import Source, aux_streams

UNKNOWN_UNITS = "unknown"  # where the device does not say


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceDescription:
    """Channels, rate and units of a source, in the device's own words."""

    channels: int
    sampling_rate: float  # Hz, nominal; need not be whole
    units: str = UNKNOWN_UNITS
    channel_names: tuple[str, ...] = ()  # empty where the device has none
    aux_streams: tuple[AuxStream, ...] = ()  # what comes beside EMG

    def __str__(self) -> str:
        return f"{counted(self.channels, 'channel')} at {self.sampling_rate:.9g} Hz in {self.units}"

    def as_json(self) -> dict[str, Any]:
        """Return it as values that JSON has."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> SourceDescription:
        """Return what `as_json` was made of."""
        aux = tuple(
            AuxStream(**{**one, "channel_names": tuple(one["channel_names"])})
            for one in values["aux_streams"]
        )
        return cls(**{**values, "channel_names": tuple(values["channel_names"]), "aux_streams": aux})


def describe_source(source: Source) -> SourceDescription:
    """Return what a source says of itself."""
    return SourceDescription(
        channels=source.channels,
        sampling_rate=source.sampling_rate,
        units=source.units,
        channel_names=tuple(getattr(source, "channel_names", ())),
        aux_streams=aux_streams(source),
    )
