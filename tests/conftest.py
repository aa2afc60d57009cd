"""Fixtures that every part of the tests may use."""

from __future__ import annotations

import gc
import os
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

# as many processes of pytest-xdist as cores, or more: with more threads each they only wait for one another
os.environ.setdefault("OMP_NUM_THREADS", "1")

import hypothesis
import pytest

from app.serving.jobs import child
from tests.fakes import FakeClock

if TYPE_CHECKING:
    from tests.server.live import Live

# a shell has what it starts in the background ignore Ctrl-C, and so would all that the tests start in turn
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# A training gives way to all else, and beside busy programs has a hundredth of a core: one that a test waits for gives
# way a little. Servers that tests start have theirs as it is.
child.NICENESS = 1

# the same examples every time, and no verdict on how busy the machine is
hypothesis.settings.register_profile("steady", derandomize=True, deadline=None)
hypothesis.settings.load_profile("steady")

# Minutes each, and each test has a server of its own: they are dealt out test by test, and first.
LONG_FILES = (
    "tests/test_first_hour.py",
    "tests/server/test_losses.py",
    "tests/server/test_lsl.py",
    "tests/server/test_models.py",
    "tests/server/test_reload.py",
    "tests/server/test_serial.py",
)

# What a test takes, by its markers: a file of some long ones that comes last keeps one process busy, and no other.
SECONDS = {"": 0.05, "server": 3.0, "browser": 3.0, "slow": 15.0}

RECORDINGS = Path(__file__).resolve().parents[2] / "shared" / "data" / "emg" / "myo-readings"


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Have no garbage looked for among six thousand tests, which stay to the end: not now, nor while they run."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.hookimpl(trylast=True)  # what is deselected is gone by then
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """In a process of pytest-xdist, have the long files first, and then those that will take longest."""
    if hasattr(config, "workerinput"):
        seconds = Counter[Path]()
        for item in items:
            seconds[item.path] += max(
                taken for mark, taken in SECONDS.items() if not mark or item.get_closest_marker(mark)
            )
        items.sort(key=lambda item: (not item.nodeid.startswith(LONG_FILES), -seconds[item.path]))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Return what deals out files, as `--dist loadfile` does, but the long ones test by test."""
    from xdist.scheduler import LoadFileScheduling

    class ByFile(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return nodeid if nodeid.startswith(LONG_FILES) else str(super()._split_scope(nodeid))

    config.option.loadscopereorder = False  # single tests would come last
    return ByFile(config, log)


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
