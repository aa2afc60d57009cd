"""Which TensorRT is installed: `tensorrt` 10.x or 11.x, or `tensorrt_rtx`. One API with a few differences.

| | tensorrt 10.x | tensorrt 11.x | tensorrt_rtx |
| --- | --- | --- | --- |
| precision | by flags, or by the graph's types on request | by the graph's types | by the graph's types |
| a plan is for | the GPU it was built on | the same | the compute capabilities it was built for |
| building needs a GPU | yes | yes | no |
| CUDA graphs | captured by us | captured by us | by the runtime |

Everything is asked of the objects (`hasattr`) rather than of version numbers, where that is possible.
"""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from app.errors import BackendUnavailableError

NAME = "tensorrt"  # of the backend, whatever the flavour
FLAVOURS = ("tensorrt", "tensorrt_rtx")
SHORT = {"tensorrt": "trt", "tensorrt_rtx": "rtx"}  # in file names
_PLACE = re.compile(r"\bIn \S+ at \S+:\d+|\[\S+\.cpp\S*\]")  # in TensorRT's source
INSTALL = "Install `tensorrt` or `tensorrt_rtx` with `pip install -r requirements-gpu.txt`"


@dataclass(frozen=True, slots=True)
class Flavour:
    """An imported package and where its messages go."""

    name: str  # one of FLAVOURS
    trt: Any  # the module
    messages: Messages

    @property
    def version(self) -> str:
        return str(self.trt.__version__)

    @property
    def rtx(self) -> bool:
        return self.name == "tensorrt_rtx"

    @property
    def precision_flags(self) -> bool:
        """Whether the builder can lower the precision of a graph by itself (10.x)."""
        return hasattr(self.trt.BuilderFlag, "FP16")

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


class Messages:
    """TensorRT's own explanations: its calls return None or False, and say why only to a logger."""

    def __init__(self, trt: Any) -> None:
        self._errors: deque[str] = deque(maxlen=8)
        self.logger = _logger(trt, self._errors)

    def clear(self) -> None:
        self._errors.clear()

    def last(self) -> str:
        """Return the last errors in one line, the newest last, without the places in TensorRT's source."""
        lines = [" ".join(_PLACE.sub("", error).split()) for error in self._errors]
        kept = list(dict.fromkeys(line for line in lines if line))[-2:]
        return "; ".join(kept)[:300].rstrip(". ") or "it gave no reason"


def _logger(trt: Any, errors: deque[str]) -> Any:
    severity = trt.ILogger.Severity

    class Logger(trt.ILogger):  # type: ignore[misc]  # TensorRT has no types
        def __init__(self) -> None:
            trt.ILogger.__init__(self)

        def log(self, level: Any, message: str) -> None:
            if level in (severity.ERROR, severity.INTERNAL_ERROR):
                errors.append(message)

    return Logger()


def load(name: str) -> Flavour:
    """Import a flavour.

    Raises:
        BackendUnavailableError: it is not installed, or does not load.
    """
    if not _is_installed(name):
        raise BackendUnavailableError(NAME, f"{name} is not installed", INSTALL)
    try:
        trt = import_module(name)
    except (ImportError, OSError, RuntimeError) as error:  # the libraries it links are missing
        reason = f"{name} does not load: {str(error).splitlines()[0]}"
        raise BackendUnavailableError(NAME, reason, INSTALL) from None
    return Flavour(name, trt, Messages(trt))


def _is_installed(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except ValueError:  # imported, and without a spec
        return False


def for_building(gpu: bool) -> Flavour:
    """Return the flavour that builds here: `tensorrt` where there is a GPU, `tensorrt_rtx` with or without.

    Raises:
        BackendUnavailableError: neither can.
    """
    installed = [name for name in FLAVOURS if _is_installed(name)]
    if not installed:
        raise BackendUnavailableError(NAME, "no TensorRT is installed", INSTALL)
    usable = [name for name in installed if gpu or name == "tensorrt_rtx"]
    if not usable:
        reason = "tensorrt builds on the GPU that will run the plan, and this machine has none"
        cure = "Run the command there, or install tensorrt_rtx, which builds without a GPU"
        raise BackendUnavailableError(NAME, reason, cure)
    return load(usable[0])
