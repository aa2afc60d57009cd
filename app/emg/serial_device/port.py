"""Serial ports: which there are, one opened for ourselves alone, and its bytes. The home of pyserial."""

from __future__ import annotations

import errno
import os
import re
import select
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from app.errors import ConfigError, SourceError

GATHER_S = 0.004  # bytes may collect so long: a bare UART would wake us for every eight of them
READ_BYTES = 65536
_USB_ID = re.compile(r"(?P<vid>[0-9a-f]{4}):(?P<pid>[0-9a-f]{4})(?::(?P<serial>.+))?", re.IGNORECASE)
_GONE = (errno.ENOENT, errno.ENXIO, errno.ENODEV, errno.ENOTDIR)
_FORBIDDEN = (errno.EACCES, errno.EPERM)
_BUSY = (errno.EAGAIN, errno.EBUSY)


@dataclass(frozen=True, slots=True, kw_only=True)
class PortInfo:
    """A serial port of this machine."""

    device: str  # such as /dev/ttyUSB0
    description: str = ""
    vendor_product: str | None = None  # such as 2341:0043; None: not on USB
    serial_number: str | None = None

    @property
    def usb_id(self) -> str | None:
        """What EMG_USB would name it."""
        if self.vendor_product is None:
            return None
        return f"{self.vendor_product}:{self.serial_number}" if self.serial_number else self.vendor_product

    def __str__(self) -> str:
        about = ", ".join(part for part in (self.usb_id, self.description) if part)
        return f"{self.device} ({about})" if about else self.device


def list_ports() -> list[PortInfo]:
    """Return the serial ports that this machine has now."""
    from serial.tools import list_ports as pyserial

    return sorted((_info(port) for port in pyserial.comports()), key=lambda port: port.device)


def _info(port: Any) -> PortInfo:
    described = "" if port.description in {None, "n/a"} else str(port.description)
    vendor_product = None if port.vid is None else f"{port.vid:04x}:{port.pid:04x}"
    return PortInfo(
        device=str(port.device),
        description=described,
        vendor_product=vendor_product,
        serial_number=port.serial_number or None,
    )


def parse_usb(usb_id: str) -> re.Match[str]:
    """Return the groups `vid`, `pid` and `serial` (which may be None).

    Raises:
        ConfigError: that is no USB id.
    """
    found = _USB_ID.fullmatch(usb_id)
    if found is None:
        raise ConfigError(f"EMG_USB={usb_id!r} is not allowed: vid:pid or vid:pid:serial, such as 2341:0043")
    return found


def find_usb(usb_id: str, ports: Sequence[PortInfo], preferred: str | None = None) -> str:
    """Return the name that the device `vid:pid` or `vid:pid:serial` has now; of two equal ones the preferred name.

    Raises:
        ConfigError: that is no USB id.
        SourceError: there is none, or there are two and neither is the preferred one.
    """
    wanted = parse_usb(usb_id)
    vendor_product = f"{wanted['vid']}:{wanted['pid']}".lower()
    found = [
        port.device
        for port in ports
        if port.vendor_product == vendor_product and wanted["serial"] in (None, port.serial_number)
    ]
    if not found:
        raise SourceError(f"there is no USB device {usb_id}; {_what_there_is(ports)}")
    if len(found) > 1 and preferred not in found:
        one = next(port for port in ports if port.device == found[0])
        raise SourceError(
            f"{' and '.join(found)} are both {vendor_product}: name one by EMG_PORT, "
            f"or by its serial number, such as EMG_USB={one.usb_id}"
        )
    return preferred if preferred in found else found[0]


def _what_there_is(ports: Sequence[PortInfo]) -> str:
    if not ports:
        return "this machine has no serial port now: is the device plugged in?"
    return f"this machine has {', '.join(map(str, ports))}"


class SerialPort:
    """One port, open for this process alone, in raw mode. Its bytes are read with `poll` and `os.read`.

    Under gevent `poll` lets the other greenlets run, and on plain threads it blocks this one only.
    """

    def __init__(
        self, device: str, baud: int, list_ports: Callable[[], Sequence[PortInfo]] = list_ports
    ) -> None:
        """Open the port.

        Raises:
            SourceError: it cannot be opened; one line with the cure.
        """
        import serial

        self.device = device
        try:
            self._serial = serial.Serial(device, baud, timeout=0, exclusive=True)
        except ValueError as error:
            raise SourceError(f"EMG_BAUD={baud}: {device} cannot be set to it ({error})") from None
        except OSError as error:  # SerialException is one
            _refuse(device, error, list_ports())
        self._fd: int = self._serial.fileno()
        self._poll = select.poll()  # select() takes no descriptor above 1023, and a server has many
        self._poll.register(self._fd, select.POLLIN)
        self._last_read = 0.0

    def read(self, timeout_s: float) -> bytes:
        """Return what has come, at least a few ms of it; b"" when nothing comes within the time.

        Raises:
            SourceError: the device is gone.
        """
        try:
            if not self._poll.poll(timeout_s * 1e3):
                return b""
            early = self._last_read + GATHER_S - time.monotonic()
            if early > 0:
                time.sleep(early)
            data = os.read(self._fd, READ_BYTES)
        except BlockingIOError:
            return b""
        except OSError as error:  # EIO: hung up
            raise SourceError(f"{self.device} was unplugged ({error.strerror})") from None
        self._last_read = time.monotonic()
        if not data:  # readable, and nothing to read: hung up
            raise SourceError(f"{self.device} was unplugged")
        return data

    def write(self, data: bytes) -> int:
        """How many of the bytes the port took without waiting.

        Raises:
            SourceError: the device is gone.
        """
        try:
            return os.write(self._fd, data)
        except BlockingIOError:
            return 0
        except OSError as error:
            raise SourceError(f"{self.device} was unplugged ({error.strerror})") from None

    def close(self) -> None:
        self._serial.close()


def _refuse(device: str, error: OSError, ports: Sequence[PortInfo]) -> NoReturn:
    """Say in one line why a port cannot be opened, and what would help."""
    if error.errno in _GONE:
        reason = f"there is no port {device}; {_what_there_is(ports)}"
    elif error.errno in _FORBIDDEN:
        group = _group(device)
        reason = (
            f"{device} may not be opened by this user: it belongs to the group {group}; "
            f"run `sudo usermod -aG {group} $USER`, then log out and in"
        )
    elif error.errno in _BUSY:
        reason = (
            f"{device} is in use by another program (a second server, a serial monitor?): "
            f"close that first; `fuser -v {device}` shows it"
        )
    elif not Path(device).is_char_device() or error.errno is None:  # termios said no
        reason = f"{device} is not a serial port; {_what_there_is(ports)}"
    else:
        reason = f"{device} cannot be opened: {error}"
    raise SourceError(reason) from None


def _group(device: str) -> str:
    import grp

    try:
        return grp.getgrgid(Path(device).stat().st_gid).gr_name
    except (OSError, KeyError):
        return "dialout"
