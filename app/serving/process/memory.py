"""Memory that a crowd needed goes back to the system once the crowd has left.

CPython frees objects at once, but glibc keeps what lies below its highest block, and objects in cycles wait for a
collection that may not come for hours on a quiet server.
"""

from __future__ import annotations

import ctypes
import gc
import sys


def give_back() -> bool:
    """Collect cycles and return free pages; whether there were some. Takes milliseconds: call it when idle."""
    gc.collect()
    return trim()


def trim() -> bool:
    """Return the pages that are free already; whether there were some."""
    if sys.platform != "linux":
        return False
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc's own (malloc_trim(3)); musl has none
    return bool(trim(0)) if trim is not None else False
