"""Gestures as buttons of a gamepad, and strength as its axes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.errors import ConfigError
from app.inference.gestures.events import GestureEvent
from app.serving.counters.output_row import OutputRow
from app.serving.outputs.actions.action import Asked
from app.serving.outputs.actions.template import Template
from app.serving.outputs.keyboard import how_and_what
from app.serving.outputs.mailbox import Letter
from app.serving.outputs.uinput import Device, load_evdev, open_device

FORM = 'gamepad BUTTON, gamepad tap BUTTON or gamepad AXIS VALUE, such as "gamepad south" or "gamepad rz {strength}"'
BUTTONS = {
    name: f"BTN_{name.upper()}"
    for name in ["south", "east", "west", "north", "tl", "tr", "select", "start", "mode", "thumbl", "thumbr"]
} | {f"dpad_{name}": f"BTN_DPAD_{name.upper()}" for name in ["up", "down", "left", "right"]}
STICKS, TRIGGERS = ("x", "y", "rx", "ry"), ("z", "rz")  # -1 to 1, and 0 to 1
FULL_STICK, FULL_TRIGGER = 32767, 255
DEFAULT = ("south", "east", "west", "north", "tl", "tr", "select", "start", "thumbl", "thumbr")
STRENGTH = "rz"


@dataclass(frozen=True, slots=True)
class PadMove:
    """Buttons and axes; `held`: until the gesture ends, else the button is struck once."""

    button: str | None = None
    axis: str | None = None
    value: float = 0.0  # of the axis
    held: bool = True


@dataclass(frozen=True, slots=True)
class PadAction:
    """A move whose value may have a place in it."""

    move: PadMove
    value: Template | None = None

    def fill(self, fields: Mapping[str, Any]) -> tuple[PadMove, ...]:
        if self.value is None:
            return (self.move,)
        value = float(self.value.fill(fields).removeprefix("--"))  # -{angle} of one that is below zero
        return (PadMove(axis=self.move.axis, value=value, held=self.move.held),)


def parse_pad(asked: Asked) -> PadAction:
    """Return what `[hold|tap] button` or `axis value` says.

    Raises:
        ConfigError: it is none.
    """
    words = asked.text.split(maxsplit=1)  # a value's name may have blanks
    axes = (*STICKS, *TRIGGERS)
    if words and words[0] in axes:
        if len(words) != 2:
            raise ConfigError(f"{asked.text!r} is not of the form {FORM}")
        value = Template.parse(words[1], asked.places)
        if not value.places:
            _expect_number(words[1])
        elif value.text not in (f"{{{value.places[0]}}}", f"-{{{value.places[0]}}}"):
            raise ConfigError(
                f"{words[1]!r} is no value of an axis; allowed: a number, {{strength}} or -{{strength}}"
            )
        return PadAction(PadMove(axis=words[0], held=asked.pattern.phase != "release"), value)
    how, button = how_and_what(asked, FORM)
    if button not in BUTTONS:
        raise ConfigError(f"{button!r} is no button and no axis; allowed: {', '.join((*BUTTONS, *axes))}")
    return PadAction(PadMove(button=button, held=how == "hold"))


def of_event(event: GestureEvent) -> tuple[PadMove, ...]:
    """Return the default form: a button for each class, held while it lasts, and its strength on the right trigger."""
    if event.phase == "release":
        return ()
    pull = PadMove(axis=STRENGTH, value=event.strength)
    if event.phase == "hold":
        return (pull,)
    return (PadMove(button=DEFAULT[(event.index - 1) % len(DEFAULT)]), pull)


class Gamepad:
    """Has a gamepad in the kernel. What a gesture has pressed and moved goes back with its end. Fits Carrier."""

    trouble: str | None = None

    def __init__(self, row: OutputRow) -> None:
        evdev = load_evdev("EMG_GAMEPAD")
        codes, self._row = evdev.ecodes, row
        self._key, self._abs = int(codes.EV_KEY), int(codes.EV_ABS)
        self._buttons = {name: int(codes.ecodes[code]) for name, code in BUTTONS.items()}
        self._axes = {name: int(codes.ecodes[f"ABS_{name.upper()}"]) for name in (*STICKS, *TRIGGERS)}
        ranges = {
            code: (0, FULL_TRIGGER) if name in TRIGGERS else (-FULL_STICK - 1, FULL_STICK)
            for name, code in self._axes.items()
        }
        self._device: Device | None = open_device(
            evdev, "Myostream gamepad", list(self._buttons.values()), ranges
        )
        self._down: set[str] = set()
        self._moved: set[str] = set()

    def put(self, letter: Letter[tuple[PadMove, ...]]) -> None:
        for move in letter.message:
            if move.axis is not None:
                self._write(self._abs, self._axes[move.axis], _counts(move.axis, move.value))
                if move.held and letter.kind != "values":
                    self._moved.add(move.axis)
            elif move.button is not None and move.button not in self._down:
                self._write(self._key, self._buttons[move.button], 1)
                if move.held:
                    self._down.add(move.button)
                else:
                    self._write(self._key, self._buttons[move.button], 0)
        if letter.message:
            self._row.delivered()

    def over(self) -> None:
        """Let go what the gesture held."""
        down, self._down = self._down, set()
        moved, self._moved = self._moved, set()
        for button in sorted(down):
            self._write(self._key, self._buttons[button], 0)
        for axis in sorted(moved):
            self._write(self._abs, self._axes[axis], 0)

    def close(self) -> None:
        """Let all go, and take the gamepad away. Safe to call twice."""
        self.over()
        device, self._device = self._device, None
        if device is not None:
            device.close()

    def _write(self, kind: int, code: int, value: int) -> None:
        if self._device is not None:
            self._device.write(kind, code, value)
            self._device.syn()


def _counts(axis: str, value: float) -> int:
    if axis in TRIGGERS:
        return round(min(max(value, 0.0), 1.0) * FULL_TRIGGER)
    return round(min(max(value, -1.0), 1.0) * FULL_STICK)


def _expect_number(text: str) -> None:
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not -1 <= value <= 1:
        raise ConfigError(f"{text!r} is no value of an axis; allowed: -1 to 1, {{strength}} or -{{strength}}")
