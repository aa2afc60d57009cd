"""`.env`, looked at before it is believed: a line that silently does not count can leave a server open."""

from __future__ import annotations

import io
from pathlib import Path

from dotenv import dotenv_values

from app.errors import ConfigError

MARK = "\ufeff"


def names_in(path: Path) -> list[str]:
    """Return the names that a `.env` sets; empty where there is none.

    Raises:
        ConfigError: it cannot be read, is not UTF-8, or has a name that nobody can see to be wrong: one with a
            byte-order mark (Windows' editors write it, and python-dotenv takes it for a part of the first name),
            a no-break space or the like.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from None
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigError(
            f"{path}, line {line}: is not UTF-8; save the file as UTF-8 without a mark"
        ) from None
    names = list(dotenv_values(stream=io.StringIO(text.removeprefix(MARK)), interpolate=False))
    if text.startswith(MARK) and names:
        names[0] = MARK + names[0]  # as python-dotenv before 1.2 reads it
    for name in names:
        if not (name.isascii() and name.isprintable()):
            raise ConfigError(
                f"{path}: the name {name!a} holds characters that cannot be seen or that no setting has; "
                "write it again by hand, and save the file as UTF-8 without a byte-order mark"
            )
    return names
