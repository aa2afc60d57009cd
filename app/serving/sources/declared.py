"""A source as a client describes it before it sends samples."""

from __future__ import annotations

import math
from dataclasses import dataclass

from app.emg.pushed_source import PushSource
from app.emg.source import Source
from app.errors import BusyError, DataError
from app.inference.manifest import Manifest


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
        fits = self.channels == manifest.channels and math.isclose(self.sampling_rate, manifest.sampling_rate)
        if not fits:
            raise DataError(
                f"the source {self.name} has {self.channels} channels at {self.sampling_rate:g} Hz; the model "
                f"{manifest.name} takes {manifest.channels} channels at {manifest.sampling_rate:g} Hz"
            )
        units = self.units or manifest.units
        return PushSource(self.name, self.channels, self.sampling_rate, units, idle_s=idle_s)

    def expect_same(self, source: Source) -> None:
        """See that a source of this name that is open already is this one.

        Raises:
            BusyError: it is another.
        """
        for what in ("channels", "sampling_rate", "units"):
            mine, its = getattr(self, what), getattr(source, what)
            if mine is not None and mine != its:
                raise BusyError(
                    f"a source {self.name} is open with {what} {its}, not {mine}: "
                    f"delete it first, or take another name"
                )
