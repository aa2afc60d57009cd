"""The package pylsl, with its library. Its only home."""

from __future__ import annotations

from typing import Any

from app.errors import ConfigError


def load_pylsl() -> Any:
    """Return the package pylsl.

    Raises:
        ConfigError: it or its library is not there.
    """
    try:
        import pylsl
    except (ImportError, OSError, RuntimeError) as error:  # RuntimeError: pylsl without liblsl
        reason = str(error).partition(". ")[0]
        raise ConfigError(f"LSL needs pylsl ({reason}): install requirements-devices.txt") from None
    return pylsl
