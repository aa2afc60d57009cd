"""Which events a row of the table is for."""

from __future__ import annotations

from dataclasses import dataclass

from app.errors import ConfigError
from app.inference.gestures.events import GestureEvent, Variant

ANY = "*"
PHASES = ("onset", "hold", "release")
VARIANTS: tuple[Variant, ...] = ("single", "double", "long")
VALUES = "values"  # the frames of a model that gives values
FORM = 'GESTURE.PHASE or GESTURE.VARIANT.PHASE, such as "fist.onset", "fist.double.onset", "*.release", or "values"'


@dataclass(frozen=True, slots=True)
class Pattern:
    """Such as `fist.onset`, `*.release`, `fist.double.onset`; or `values`. `*` stands for any gesture or phase."""

    gesture: str
    phase: str
    variant: str = ANY

    @classmethod
    def parse(cls, text: str) -> Pattern:
        """Return what the key of a row says. A gesture's name may have dots itself: it is read from behind.

        Raises:
            ConfigError: it is none; the message says what is allowed.
        """
        if text == VALUES:
            return cls("", VALUES)
        gesture, dot, phase = text.rpartition(".")
        if not dot or not gesture or phase not in (*PHASES, ANY):
            said = f"{phase!r} is no phase: onset, hold, release or *" if dot else "a phase is missing"
            raise ConfigError(f"{said}; a row is for {FORM}")
        name, dot, variant = gesture.rpartition(".")
        if dot and name and variant in VARIANTS:
            return cls(name, phase, variant)
        return cls(gesture, phase)

    @property
    def of_values(self) -> bool:
        return self.phase == VALUES

    def takes(self, event: GestureEvent) -> bool:
        """Whether it is for that event."""
        return (
            self.gesture in (ANY, event.gesture)
            and self.phase in (ANY, event.phase)
            and self.variant in (ANY, event.variant)
        )
