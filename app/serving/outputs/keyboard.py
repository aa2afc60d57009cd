"""Gestures as keys: held while the gesture lasts, or struck once."""

from __future__ import annotations

import string
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.errors import ConfigError
from app.inference.gestures.events import GestureEvent
from app.serving.counters.output_row import OutputRow
from app.serving.outputs.actions.action import Asked
from app.serving.outputs.mailbox import Letter
from app.serving.outputs.uinput import Device, load_evdev, open_device

FORM = (
    'keyboard KEY, keyboard hold KEY or keyboard tap KEY, such as "keyboard space" or "keyboard tap ctrl+c"'
)
SAME = {
    "ctrl": "leftctrl",
    "shift": "leftshift",
    "alt": "leftalt",
    "meta": "leftmeta",
    "escape": "esc",
    "return": "enter",
}
_EDITING = "space enter esc tab backspace delete insert home end pageup pagedown up down left right"
_MODIFIERS = "leftctrl rightctrl leftshift rightshift leftalt rightalt leftmeta rightmeta capslock"
_SIGNS = "minus equal leftbrace rightbrace semicolon apostrophe grave backslash comma dot slash"
_KEYPAD = "kpplus kpminus kpasterisk kpslash kpenter kpdot"
_MEDIA = "volumeup volumedown mute playpause nextsong previoussong"
NAMES = (
    *string.ascii_lowercase,
    *string.digits,
    *(f"f{number}" for number in range(1, 25)),
    *(f"kp{digit}" for digit in range(10)),
    *" ".join((_EDITING, _MODIFIERS, _SIGNS, _KEYPAD, _MEDIA)).split(),
)  # those of linux/input-event-codes.h, without KEY_
DEFAULT = tuple(
    f"f{number}" for number in range(13, 25)
)  # no keyboard has them, and programs can be told of them


@dataclass(frozen=True, slots=True)
class KeyStroke:
    """Keys together, held until the gesture ends or struck once."""

    keys: tuple[str, ...]
    held: bool

    def fill(self, _fields: Mapping[str, Any]) -> KeyStroke:
        return self


def parse_keys(asked: Asked) -> KeyStroke:
    """Return what `[hold|tap] key+key` says; without either word it is held while the gesture lasts.

    Raises:
        ConfigError: it is none, or is to be held where nothing will end it.
    """
    how, keys = how_and_what(asked, FORM)
    names = tuple(SAME.get(one, one) for one in keys.lower().split("+"))
    for name in names:
        if name not in NAMES:
            raise ConfigError(f"{name!r} is no key; allowed: {', '.join((*NAMES, *SAME))}")
    return KeyStroke(names, held=how == "hold")


def how_and_what(asked: Asked, form: str) -> tuple[str, str]:
    """Return `hold` or `tap`, and what is held or struck.

    Raises:
        ConfigError: there is nothing, too much, or it is to be held from a release on.
    """
    words = asked.text.split()
    how = words.pop(0) if words and words[0] in ("hold", "tap") else ""
    if len(words) != 1 or asked.pattern.of_values:
        raise ConfigError(f"{asked.text!r} is not of the form {form}")
    if not how:
        how = "tap" if asked.pattern.phase == "release" else "hold"
    if how == "hold" and asked.pattern.phase != "onset":
        raise ConfigError(f"only an onset can hold something: for {asked.pattern.phase} write tap")
    return how, words[0]


def of_event(event: GestureEvent) -> KeyStroke | None:
    """Return the default form: F13 for the class numbered 1, F14 for 2, to F24, then again; held while it lasts."""
    if event.phase != "onset":
        return None
    return KeyStroke((DEFAULT[(event.index - 1) % len(DEFAULT)],), held=True)


class Keyboard:
    """Has a keyboard in the kernel, and on it the keys of the gesture that is held. Fits Carrier."""

    trouble: str | None = None

    def __init__(self, row: OutputRow) -> None:
        evdev = load_evdev("EMG_KEYBOARD")
        self._codes = {name: int(evdev.ecodes.ecodes[f"KEY_{name.upper()}"]) for name in NAMES}
        self._kind, self._row = int(evdev.ecodes.EV_KEY), row
        self._device: Device | None = open_device(evdev, "Myostream keyboard", list(self._codes.values()))
        self._down: tuple[str, ...] = ()

    def put(self, letter: Letter[KeyStroke | None]) -> None:
        stroke = letter.message
        if stroke is None:
            return
        fresh = [key for key in stroke.keys if key not in self._down]
        self._press(fresh, 1)
        if stroke.held:
            self._down = (*self._down, *fresh)
        else:
            self._press(fresh[::-1], 0)
        self._row.delivered()

    def over(self) -> None:
        """Let go what the gesture held."""
        down, self._down = self._down, ()
        self._press(down[::-1], 0)

    def close(self) -> None:
        """Let all keys go, and take the keyboard away. Safe to call twice."""
        self.over()
        device, self._device = self._device, None
        if device is not None:  # whose keys the kernel lets go, too
            device.close()

    def _press(self, keys: tuple[str, ...] | list[str], value: int) -> None:
        if keys and self._device is not None:
            for key in keys:
                self._device.write(self._kind, self._codes[key], value)
            self._device.syn()
