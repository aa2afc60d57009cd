"""scipy.signal, imported where a signal is filtered: it takes 70 MB and half a second, which most commands need not."""

from __future__ import annotations

from typing import Any


def scipy_signal() -> Any:
    """Return the module; the first call imports it."""
    from scipy import signal

    return signal
