"""Loads PyTorch's library beside what serves."""

from __future__ import annotations

import ctypes
import os
import sys
from importlib.util import find_spec
from pathlib import Path


def prepare() -> bool:
    """Import torch, and return whether a backend may be opened on this thread, too: without a GPU.

    For a native thread of its own. Where torch is missing, opening it says so.
    """
    try:
        _load()
        import torch
    except ImportError:
        return True
    return not torch.cuda.is_available()


def _load() -> None:
    """Have the system load the library without the GIL, which an import holds meanwhile, for 0.3 s.

    What cannot be loaded this way is loaded by the import.
    """
    found = None if "torch" in sys.modules else find_spec("torch")
    if sys.platform != "linux" or found is None or found.origin is None:
        return
    dlopen = ctypes.CDLL(None).dlopen  # called as any foreign function; CDLL(path) would keep the GIL
    dlopen.argtypes, dlopen.restype = (ctypes.c_char_p, ctypes.c_int), ctypes.c_void_p
    dlopen(os.fsencode(Path(found.origin).parent / "lib" / "libtorch_python.so"), os.RTLD_NOW)
