"""Pushed samples at full speed: what the view of `/emg/sources/<name>/samples` does for a sound raw body.

Twenty sources of fifty chunks a second are a thousand requests; Flask takes most of what each costs (figures in
docs/benchmarks.md). Whatever is not plain and sound is left to the view, so that every error is said in one place.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

import orjson

from app.api.codec.live_samples import MAX_SAMPLE
from app.api.codec.raw_samples import DTYPES, read_raw
from app.emg.pushed_source import PushSource
from app.serving.pipelines.remote_source import RemoteSource
from app.serving.runtime import Runtime

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

_PATH = re.compile(r"/emg/sources/([A-Za-z0-9._-]{1,64})/samples")


def source_of(path: str) -> str | None:
    """Return the name of the source that is pushed to by that path; None where it is for something else."""
    found = _PATH.fullmatch(path)
    return found[1] if found else None


def receipt(name: str, body: bytes, environ: WSGIEnvironment, runtime: Runtime) -> bytes | None:
    """Return the answer to a sound push; None for every other.

    Raises:
        MyostreamError: what the view would say.
    """
    asked = _asked(environ["QUERY_STRING"])
    source = None if asked is None else _source(name, runtime)
    if asked is None or source is None:
        return None
    first, dtype, scale = asked
    return orjson.dumps(source.push(first, read_raw(body, source.channels, dtype, scale)))


def _source(name: str, runtime: Runtime) -> PushSource | RemoteSource | None:
    pipeline = runtime.pipelines.find(name)
    if pipeline is None:
        return None if runtime.sharing is None else runtime.sharing.owned.remote(name)
    return pipeline.source if isinstance(pipeline.source, PushSource) else None


def _asked(query: str) -> tuple[int, str, float] | None:
    values = dict(parse_qsl(query, keep_blank_values=True))
    first, dtype = values.pop("first_sample", ""), values.pop("dtype", "float32")
    try:
        scale = float(values.pop("scale", "1"))
    except ValueError:
        return None
    sound = (
        first.isascii() and first.isdigit() and len(first) < 17 and dtype in DTYPES and 0 < scale < math.inf
    )
    if values or not sound or int(first) > MAX_SAMPLE:
        return None
    return int(first), dtype, scale
