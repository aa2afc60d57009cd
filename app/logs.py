"""The log: one line per event, JSON where machines read it and plain text in a terminal.

The code says `logging.getLogger(__name__).info("...", ...)`, as the libraries do; structlog writes what comes of it.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Mapping
from contextvars import ContextVar
from types import MappingProxyType
from typing import TextIO

# Where rich is installed structlog loads it, for tracebacks that are not used here: 5 MB and 0.08 s of every process.
_loaded = "rich" in sys.modules
if not _loaded:
    sys.modules["rich"] = None  # type: ignore[assignment]  # what Python takes for "there is none"
import structlog  # noqa: E402  after that
from structlog.types import EventDict, Processor, WrappedLogger  # noqa: E402  after that

if not _loaded:
    del sys.modules["rich"]

_SECRETS = re.compile(
    r"(ticket=)[^&\s\"']+|(x-api-key['\"]?\s*[:=,]\s*['\"]?)[^\s'\",]+|(emg_)[\w-]{20,}", re.IGNORECASE
)

# One variable for all of it: structlog's has one for each name, and to set and clear them took 5 us of every request.
_BOUND: ContextVar[Mapping[str, str]] = ContextVar("bound", default=MappingProxyType({}))


def scrub(text: str) -> str:
    """Return the same without API keys and tickets, should a library write a whole URL or header."""
    return _SECRETS.sub(lambda found: f"{found[1] or found[2] or found[3]}***", text)


def configure(level: str, form: str, stream: TextIO | None = None) -> None:
    """Send every logger's lines to `stream` (stderr), gunicorn's too. `form`: auto, json or text.

    Safe to call again.
    """
    stream = stream or sys.stderr
    as_json = form == "json" or (form == "auto" and not stream.isatty())
    shared: list[Processor] = [
        _with_bound,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    last: Processor = structlog.processors.JSONRenderer()
    if not as_json:
        last = structlog.dev.ConsoleRenderer(
            colors=stream.isatty(), exception_formatter=structlog.dev.plain_traceback, pad_event_to=0
        )
    render: list[Processor] = [
        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
        structlog.processors.format_exc_info,
        _scrubbed,
        last,
    ]
    handler = logging.StreamHandler(stream)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=render))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    for name in ("gunicorn.error", "gunicorn.access"):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [], True
        logger.setLevel(level.upper())


def bind(**values: str) -> None:
    """Have these stand in every line that this request (its greenlet or thread) writes from here on."""
    _BOUND.set(values)


def bound() -> dict[str, str]:
    """Return what is bound here, for the thread that goes on with this request to bind again."""
    return dict(_BOUND.get())


def _with_bound(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    return {**_BOUND.get(), **event}


def _scrubbed(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    for key, value in event.items():
        if isinstance(value, str):
            event[key] = scrub(value)
    return event
