"""A source as a client describes it before it sends samples."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from app.emg.pushed_source import PushSource
from app.emg.signal.rates import same_rate
from app.emg.units import KNOWN, factor
from app.errors import BusyError, DataError
from app.inference.manifest import Manifest

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """What a client says of its source."""

    name: str
    channels: int
    sampling_rate: float  # Hz
    units: str | None  # None: the model's

    def open(self, manifest: Manifest, idle_s: float) -> PushSource:
        """Return the source, for that model.

        Raises:
            DataError: the model takes another signal.
        """
        fits = self.channels == manifest.channels and same_rate(self.sampling_rate, manifest.sampling_rate)
        if not fits:
            raise DataError(
                f"the source {self.name} has {self.channels} channels at {self.sampling_rate:g} Hz; the model "
                f"{manifest.name} takes {manifest.channels} channels at {manifest.sampling_rate:g} Hz"
            )
        scale = factor(self.units or manifest.units, manifest.units)
        if scale is None:
            raise DataError(
                f"units {self.units!r} cannot be made into {manifest.units}, the units of the model {manifest.name}; "
                f"{', '.join(KNOWN)} can be made into one another; without units, values are taken as {manifest.units}"
            )
        if scale != 1:
            log.info("source %s: %s, times %g as %s", self.name, self.units, scale, manifest.units)
        return PushSource(
            self.name, self.channels, self.sampling_rate, manifest.units, idle_s=idle_s, factor=scale
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
        for what in ("channels", "sampling_rate"):
            mine, its = getattr(self, what), getattr(source, what)
            if mine is not None and mine != its:
                raise BusyError(
                    f"a source {self.name} is open with {what} {its}, not {mine}: "
                    f"delete it first, or take another name"
                )
