"""MyoGestic's own generator over LSL: `<desc/>` is empty, and about once a second a chunk is stamped late.

It needs Python 3.12: MYOGESTIC_PYTHON names one in which `pip install myogestic==2.6.2` was run.
"""

from __future__ import annotations

import os
import subprocess
import time

import pytest

from app.emg.lsl.finder import Query, describe
from app.emg.lsl.library import load_pylsl
from app.emg.lsl.source import LslSource
from app.errors import SourceError
from tests.emg.extras import require_extra
from tests.emg.lsl_streams import own

require_extra(load_pylsl)

SECONDS = 12.0


def test_its_generator_has_no_gap() -> None:
    """One gap of 13 samples in 25 s was counted that was none."""
    python = os.environ.get("MYOGESTIC_PYTHON")
    if not python:
        pytest.skip("MYOGESTIC_PYTHON names no Python 3.12 with myogestic")
    name = own("myogestic")
    command = [
        python,
        "-m",
        "myogestic.tools.emg_generator",
        "--name",
        name,
        "--channels",
        "32",
        "--fs",
        "256",
    ]
    generator = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        described = describe(Query("name", name), 60.0)
        assert (described.channels, described.sampling_rate, described.units) == (32, 256.0, "unknown")
        source = LslSource(Query("name", name), described)
        until, count, following = time.monotonic() + 30.0, 0, None
        while count < SECONDS * 256:
            assert time.monotonic() < until
            try:
                chunk = source.read()
            except SourceError:  # it was not found yet
                continue
            assert chunk is not None
            assert following in (None, chunk.index)
            following, count = chunk.index + len(chunk.samples), count + len(chunk.samples)
        source.close()
    finally:
        generator.kill()
        generator.wait()
