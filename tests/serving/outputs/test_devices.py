"""A keyboard and a gamepad that gestures press, also in the real kernel where that lets us."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import pytest

from app.errors import ConfigError
from app.serving.outputs import gamepad, keyboard
from app.serving.outputs.gamepad import Gamepad
from app.serving.outputs.keyboard import Keyboard
from app.serving.outputs.mailbox import Letter
from app.serving.outputs.uinput import UinputError, load_evdev, open_device
from tests.serving.outputs.gestures import event, new_row, sender_of, table
from tests.serving.station import until

evdev = pytest.importorskip("evdev", reason="needs Linux and requirements-outputs.txt")
CODES = evdev.ecodes


class Written:
    """A device that keeps what was written, in names."""

    def __init__(self) -> None:
        self.all: list[tuple[str, int]] = []
        self.closed = 0

    def write(self, kind: int, code: int, value: int) -> None:
        name = CODES.bytype[kind][code]
        self.all.append((name if isinstance(name, str) else name[0], value))

    def syn(self) -> None:
        pass

    def close(self) -> None:
        self.closed += 1


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> Written:
    device = Written()
    for home in (keyboard, gamepad):
        monkeypatch.setattr(home, "open_device", lambda *_: device)
    return device


def test_a_gesture_holds_a_key_of_its_own_by_default(written: Written) -> None:
    row = new_row()
    sender = sender_of("keyboard", Keyboard(row), keyboard.of_event, row=row)
    sender.gesture(event())
    sender.gesture(event("hold"))
    assert written.all == [("KEY_F13", 1)]
    sender.gesture(event("release"))
    assert written.all == [("KEY_F13", 1), ("KEY_F13", 0)]
    assert row.messages == 1


def test_keys_of_the_table_are_held_and_struck(written: Written) -> None:
    rows = table(
        '"fist.onset" = ["keyboard shift+w", "keyboard tap ctrl+c"]\n"fist.release" = "keyboard esc"'
    )
    sender = sender_of("keyboard", Keyboard(new_row()), keyboard.of_event, rows)
    sender.gesture(event())
    assert written.all == [
        ("KEY_LEFTSHIFT", 1),
        ("KEY_W", 1),
        ("KEY_LEFTCTRL", 1),
        ("KEY_C", 1),
        ("KEY_C", 0),
        ("KEY_LEFTCTRL", 0),
    ]
    written.all.clear()
    sender.gesture(event("release"))
    assert written.all == [("KEY_W", 0), ("KEY_LEFTSHIFT", 0), ("KEY_ESC", 1), ("KEY_ESC", 0)]


@pytest.mark.parametrize("end", ["release", "rest", "other", "close"])
def test_no_key_stays_down_whatever_ends_the_gesture(written: Written, end: str) -> None:
    sender = sender_of(
        "keyboard", Keyboard(new_row()), keyboard.of_event, table('"fist.onset" = "keyboard space"')
    )
    sender.gesture(event())
    if end == "release":
        sender.gesture(event("release"))
    elif end == "rest":
        sender.rest("stalled")
    elif end == "other":
        sender.gesture(event(id=8, gesture="open hand", index=2))
    else:
        sender.close()
    assert written.all == [("KEY_SPACE", 1), ("KEY_SPACE", 0)]


def test_closing_twice_is_once(written: Written) -> None:
    sender = sender_of("keyboard", Keyboard(new_row()), keyboard.of_event)
    sender.close()
    sender.close()
    assert written.closed == 1


def test_a_gesture_is_a_button_and_its_strength_the_trigger_by_default(written: Written) -> None:
    sender = sender_of("gamepad", Gamepad(new_row()), gamepad.of_event)
    sender.gesture(event(strength=0.5))
    sender.gesture(event("hold", strength=1.0))
    sender.gesture(event("release"))
    assert written.all == [
        ("BTN_A", 1) if ("BTN_A", 1) in written.all else ("BTN_SOUTH", 1),
        ("ABS_RZ", 128),
        ("ABS_RZ", 255),
        written.all[3],
        ("ABS_RZ", 0),
    ]
    assert written.all[3] == (written.all[0][0], 0)


def test_axes_of_the_table_follow_the_strength_and_go_back(written: Written) -> None:
    rows = table('"*.onset" = "gamepad x -{strength}"\n"*.hold" = "gamepad x -{strength}"')
    sender = sender_of("gamepad", Gamepad(new_row()), gamepad.of_event, rows)
    sender.gesture(event(strength=0.5))
    sender.gesture(event("hold", strength=1.0))
    sender.rest("quality")
    assert written.all == [("ABS_X", -16384), ("ABS_X", -32767), ("ABS_X", 0)]


def test_an_axis_turned_round_goes_both_ways_and_a_values_name_may_have_blanks(written: Written) -> None:
    rows = table('"values" = ["gamepad x -{wrist-flexion}", "gamepad y {Index MCP}"]')
    x, y = rows.for_values("gamepad")
    pad = Gamepad(new_row())
    for value in (0.5, -0.5, -1e-05):
        for row in (x, y):
            pad.put(Letter(row.action.fill({"wrist-flexion": value, "Index MCP": value}), "values", 0, 0))
    pad.close()
    assert written.all == [
        ("ABS_X", -16384),
        ("ABS_Y", 16384),
        ("ABS_X", 16384),
        ("ABS_Y", -16384),
        ("ABS_X", 0),
        ("ABS_Y", 0),
    ]


def test_every_name_is_one_of_the_kernels() -> None:
    assert set(keyboard.SAME.values()) <= set(keyboard.NAMES)
    for name in keyboard.NAMES:
        assert f"KEY_{name.upper()}" in CODES.ecodes
    for code in gamepad.BUTTONS.values():
        assert code in CODES.ecodes
    for axis in (*gamepad.STICKS, *gamepad.TRIGGERS):
        assert f"ABS_{axis.upper()}" in CODES.ecodes


def test_without_evdev_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "evdev", None)
    with pytest.raises(
        ConfigError, match=r"EMG_KEYBOARD=1 needs Linux and evdev: install requirements-outputs.txt"
    ):
        load_evdev("EMG_KEYBOARD")


def test_a_kernel_that_does_not_let_us_is_said_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: Any, **__: Any) -> None:
        raise evdev.UInputError('"/dev/uinput" cannot be opened for writing')

    monkeypatch.setattr(evdev, "UInput", refused)
    with pytest.raises(UinputError, match=r"modprobe uinput"):
        open_device(evdev, "nothing", [CODES.KEY_A])


@pytest.fixture
def kernel() -> None:
    try:
        with Path("/dev/uinput").open("r+b"):
            pass
    except OSError as error:
        pytest.skip(f"this kernel lets us make no input device: /dev/uinput: {error.strerror}")


def read_back(name: str) -> Any:
    """The device as programs see it."""
    found: list[Any] = []

    def there() -> bool:
        found[:] = [one for one in map(evdev.InputDevice, evdev.list_devices()) if one.name == name]
        return bool(found)

    until(there)
    return found[0]


def events_of(device: Any, count: int) -> list[tuple[int, int, int]]:
    got: list[tuple[int, int, int]] = []

    def enough() -> bool:
        with contextlib.suppress(BlockingIOError):
            got.extend((one.type, one.code, one.value) for one in device.read() if one.type != CODES.EV_SYN)
        return len(got) >= count

    until(enough)
    return got


@pytest.mark.usefixtures("kernel")
def test_a_real_keyboard_types() -> None:
    sender = sender_of(
        "keyboard", Keyboard(new_row()), keyboard.of_event, table('"fist.onset" = "keyboard a"')
    )
    device = read_back("Myostream keyboard")
    sender.gesture(event())
    sender.rest("stalled")
    assert events_of(device, 2) == [(CODES.EV_KEY, CODES.KEY_A, 1), (CODES.EV_KEY, CODES.KEY_A, 0)]
    sender.close()


@pytest.mark.usefixtures("kernel")
def test_a_real_gamepad_moves() -> None:
    sender = sender_of("gamepad", Gamepad(new_row()), gamepad.of_event)
    device = read_back("Myostream gamepad")
    sender.gesture(event(strength=1.0))
    assert events_of(device, 2) == [
        (CODES.EV_KEY, CODES.BTN_SOUTH, 1),
        (CODES.EV_ABS, CODES.ABS_RZ, 255),
    ]
    sender.close()
