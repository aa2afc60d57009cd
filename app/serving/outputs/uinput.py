"""Keyboards and gamepads that this machine believes in, by evdev and the kernel's uinput."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from app.errors import ConfigError, MyostreamError


class Device(Protocol):
    """An input device. Written codes count once they are synchronised."""

    def write(self, kind: int, code: int, value: int, /) -> None: ...
    def syn(self) -> None: ...
    def close(self) -> None: ...


class UinputError(MyostreamError):
    """The kernel lets us make no device; the message says what to do."""


def load_evdev(setting: str) -> Any:
    """Return the package evdev.

    Raises:
        ConfigError: it is not there, or this is no Linux.
    """
    try:
        import evdev
    except ImportError:
        raise ConfigError(f"{setting}=1 needs Linux and evdev: install requirements-outputs.txt") from None
    return evdev


def open_device(
    evdev: Any, name: str, keys: Sequence[int], axes: Mapping[int, tuple[int, int]] | None = None
) -> Device:
    """Return a new device with these keys, and axes with their lowest and highest value; 0 is an axis's rest.

    Raises:
        UinputError: the kernel does not let us.
    """
    able: dict[int, Any] = {evdev.ecodes.EV_KEY: list(keys)}
    if axes:
        able[evdev.ecodes.EV_ABS] = [
            (code, evdev.AbsInfo(value=0, min=low, max=high, fuzz=0, flat=0, resolution=0))
            for code, (low, high) in axes.items()
        ]
    try:
        device: Device = evdev.UInput(able, name=name, vendor=0x1209, product=0x0001, version=1)
    except (OSError, evdev.UInputError) as error:
        raise UinputError(
            f"/dev/uinput lets us make no device ({error}): load the module (modprobe uinput), and let the server's "
            "user write there (docs/outputs.md)"
        ) from None
    return device
