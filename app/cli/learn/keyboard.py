"""Single keys of a terminal, as they are pressed."""

from __future__ import annotations

import os
import select
import sys
from typing import Any


class Keyboard:
    """Keys without Enter, where stdin is a terminal; none where it is not.

    Ctrl-C stays what it is, and the terminal is left as it was found.
    """

    def __init__(self) -> None:
        self.there = _is_terminal()
        self._before: Any = None

    def __enter__(self) -> Keyboard:
        if self.there:
            import termios
            import tty

            self._before = termios.tcgetattr(sys.stdin)
            tty.setcbreak(sys.stdin, termios.TCSADRAIN)
        return self

    def __exit__(self, *_: object) -> None:
        if self._before is not None:
            import termios

            termios.tcsetattr(sys.stdin, termios.TCSADRAIN, self._before)

    def pressed(self, seconds: float = 0.0) -> str:
        """Return the key that was pressed last, in lower case, or is within `seconds`; empty where none was.

        Arrows and their like are none.
        """
        if not self.there or not select.select([sys.stdin], [], [], seconds)[0]:
            return ""
        read = os.read(sys.stdin.fileno(), 64).decode("utf-8", "replace")
        if not read:  # the terminal is gone
            self.there = False
        return "" if read.startswith("\x1b") and len(read) > 1 else read[-1:].lower()


def _is_terminal() -> bool:
    try:
        return os.isatty(sys.stdin.fileno())
    except (OSError, ValueError, AttributeError):  # closed, or none at all
        return False
