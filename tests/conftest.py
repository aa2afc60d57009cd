"""Fixtures that every part of the tests may use."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

# two workers of pytest-xdist on two cores: with more threads each they only wait for one another
os.environ.setdefault("OMP_NUM_THREADS", "1")

import hypothesis
import pytest

from tests.fakes import FakeClock

if TYPE_CHECKING:
    from tests.server.live import Live

# the same examples every time, and no verdict on how busy the machine is
hypothesis.settings.register_profile("steady", derandomize=True, deadline=None)
hypothesis.settings.load_profile("steady")

RECORDINGS = Path(__file__).resolve().parents[2] / "shared" / "data" / "emg" / "myo-readings"


@pytest.fixture
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting leaks in from the shell that runs the tests, nor out of a test that reads a `.env`."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("EMG_", "WEB_CONCURRENCY"))}
    monkeypatch.setattr(os, "environ", kept)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def recordings() -> Path:
    """The folder of real recordings; the test is skipped where it is absent."""
    if not RECORDINGS.is_dir():
        pytest.skip(f"the shared recordings are not at {RECORDINGS}")
    return RECORDINGS


@pytest.fixture(scope="session")
def only_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """The gunicorn behind `server` of tests/server/conftest.py; its start takes seconds."""
    from tests.server.live import gunicorn

    with gunicorn(tmp_path_factory.mktemp("server")) as live:
        yield live
