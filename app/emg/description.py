"""What a device says that it delivers, before anything is read from it and whatever model there is."""

from __future__ import annotations

from dataclasses import dataclass

from app.emg.auxiliary import AuxStream

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
        channels = "1 channel" if self.channels == 1 else f"{self.channels} channels"
        return f"{channels} at {self.sampling_rate:.9g} Hz in {self.units}"
