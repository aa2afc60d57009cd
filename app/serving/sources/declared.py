"""A source as a client describes it before it sends samples."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from app.config import Settings
from app.emg.auxiliary import AuxStream
from app.emg.description import UNKNOWN_UNITS, SourceDescription
from app.emg.pushed_source import PushSource
from app.emg.units import KNOWN, factor
from app.errors import BusyError, DataError
from app.inference.manifest import Manifest
from app.serving.sources.fitting import choose

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """What a client says of its source."""

    name: str
    channels: int
    sampling_rate: float  # Hz
    units: str | None  # None: the model's, or unknown without one
    model: str | None = None  # None: the one chosen for it, else the server's own where that fits
    profile: str | None = None  # of the person
    aux: tuple[AuxStream, ...] | None = None  # beside the EMG; None: nothing, or what was declared before

    def open(self, settings: Settings, expected: Manifest | None) -> PushSource:
        """Return the source; in the model's units, where a model reads it.

        Raises:
            DataError: the operator's model cannot read it.
        """
        units = self.units or (UNKNOWN_UNITS if expected is None else expected.units)
        scale = 1.0 if expected is None else factor(units, expected.units)
        if expected is not None and scale is None and settings.model is not None:
            raise DataError(
                f"units {self.units!r} cannot be made into {expected.units}, the units of the model {expected.name}; "
                f"{', '.join(KNOWN)} can be made into one another; without units, values are taken as {expected.units}"
            )
        reader = None
        if scale is not None:
            reader = choose(
                settings,
                SourceDescription(channels=self.channels, sampling_rate=self.sampling_rate, units=units),
                expected,
            )
        if reader is None or scale is None:
            return self._source(settings, self.units or UNKNOWN_UNITS, 1.0)
        if scale != 1:
            log.info("source %s: %s, times %g as %s", self.name, self.units, scale, reader.units)
        return self._source(settings, reader.units, scale)

    def _source(self, settings: Settings, units: str, scale: float) -> PushSource:
        return PushSource(
            self.name,
            self.channels,
            self.sampling_rate,
            units,
            idle_s=settings.source_idle_s,
            factor=scale,
            aux_streams=self.aux or (),
        )

    def expect_same(self, source: PushSource) -> None:
        """See that a source of this name that is open already is this one.

        Raises:
            BusyError: it is another.
        """
        if self.units is not None and factor(self.units, source.units) != source.factor:
            raise BusyError(
                f"a source {self.name} is open in other units than {self.units} (times {source.factor:g}, they are "
                f"{source.units}): delete it first, or take another name"
            )
        if self.aux is not None and self.aux != source.aux_streams:
            there = ", ".join(stream.name for stream in source.aux_streams) or "nothing"
            raise BusyError(
                f"a source {self.name} is open with {there} beside the EMG, declared otherwise than now: "
                "delete it first, or take another name"
            )
        for what in ("channels", "sampling_rate"):
            mine, its = getattr(self, what), getattr(source, what)
            if mine is not None and mine != its:
                raise BusyError(
                    f"a source {self.name} is open with {what} {its}, not {mine}: "
                    f"delete it first, or take another name"
                )
