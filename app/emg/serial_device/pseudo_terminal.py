"""A serial port without hardware: a pseudo-terminal, found under a path that stays the same."""

from __future__ import annotations

import os
import select
import tty
from pathlib import Path

from app.errors import ConfigError

DEVICES = Path("/dev/pts")


class PseudoTerminal:
    """The device's end of a pseudo-terminal; `link` becomes a symbolic link to the end that a server opens.

    Raises:
        ConfigError: there is something else at `link`, or no link can be made there.
    """

    def __init__(self, link: Path) -> None:
        self.link = link
        self._fd, other = os.openpty()
        tty.setraw(other)
        self.device = os.ttyname(other)  # such as /dev/pts/7
        os.close(other)  # so that it can be seen whether anyone else has opened it
        os.set_blocking(self._fd, False)
        self._hung_up = select.poll()
        self._hung_up.register(self._fd, 0)
        try:
            self._make_link()
        except OSError as error:
            os.close(self._fd)
            raise ConfigError(f"{link} cannot become a link to {self.device}: {error.strerror}") from None

    @property
    def listened_to(self) -> bool:
        """Whether anyone has opened the other end."""
        return not self._hung_up.poll(0)

    def write(self, data: bytes) -> int:
        """How many of the bytes were taken; what is sent while nobody listens is gone."""
        if not self.listened_to:
            return len(data)
        try:
            return os.write(self._fd, data)
        except BlockingIOError:
            return 0

    def close(self) -> None:
        """Pull the plug: whoever reads the other end is told so."""
        if self.link.is_symlink() and str(self.link.readlink()) == self.device:
            self.link.unlink()
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _make_link(self) -> None:
        """Replace an old link to a pseudo-terminal at once, as a device's new name replaces its old one."""
        if self.link.is_symlink() and self.link.readlink().parent == DEVICES:
            self.link.unlink()
        self.link.symlink_to(self.device)
