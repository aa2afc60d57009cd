"""`make soak`: everything at once for a while, and then nothing may be left of it.

python -m benchmarks.soak --seconds 120

Two servers of their own, one with its simulator and one with pushed sources, bear streams that come and go, requests
with windows, recordings, pushes and bad requests. Before and after, with no client left, the worker's memory,
threads, greenlets and descriptors are counted; where one has grown by more than 5 % the exit code is 1. What is
counted before is counted after a round of the same, which fills caches and pools.
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks.soak_load import Tally, dummy_load, push_load
from tests.server.live import Live, until
from tests.server.own_project import project, serving

MODES = {"dummy": dummy_load, "push": push_load}
GROWTH, FEW = 0.05, 2  # the greater of the two, which for memory is MiB
SETTLE_S = 10.0  # keep-alive connections, half-open clients and idle groups have ended then

# Put behind the gunicorn.conf.py of the servers under test: what is alive is counted from within.
COUNTER = """

_before_soak = post_worker_init


def post_worker_init(worker):
    import ctypes
    import gc
    import pathlib
    import signal

    import greenlet

    def count(*_):
        gc.collect()
        ctypes.CDLL(None).malloc_trim(0)  # what is free but still glibc's is no leak
        gc.unfreeze()  # what is frozen is in no list
        found = sum(isinstance(o, greenlet.greenlet) and not o.dead for o in gc.get_objects())
        gc.freeze()
        pathlib.Path("greenlets").write_text(str(found))

    _before_soak(worker)
    signal.signal(signal.SIGRTMIN, count)
"""


@dataclass(frozen=True, slots=True)
class Held:
    """By one worker."""

    memory_mib: float  # resident; what of it is its own alone depends on which other processes run
    threads: int
    greenlets: int
    descriptors: int


@dataclass(frozen=True, slots=True)
class Subject:
    """A server, and where its counter writes."""

    mode: str
    live: Live
    folder: Path

    def held(self) -> Held:
        """Counted from outside and, for greenlets, from within."""
        (pid,) = self.live.workers()
        counted = self.folder / "greenlets"
        counted.unlink(missing_ok=True)
        psutil.Process(pid).send_signal(signal.SIGRTMIN)
        until(lambda: counted.exists() and counted.read_text(), 30)
        process = psutil.Process(pid)
        return Held(
            process.memory_info().rss / 2**20,
            process.num_threads(),
            int(counted.read_text()),
            process.num_fds(),
        )


def main(seconds: float) -> int:
    with subjects() as all_of_them:
        bear(all_of_them, max(15.0, seconds / 4))
        before = settled(all_of_them)
        tally = bear(all_of_them, seconds)
        after = settled(all_of_them)
        replaced = [s.mode for s in all_of_them if s.live.log.count("Booting worker") != 1]
        broken = [s.mode for s in all_of_them if "Traceback" in s.live.log]
    grown = report(all_of_them, before, after)
    print("\n" + tally.words())
    for text, found in (("grew", grown), ("lost a worker", replaced), ("logged a traceback", broken)):
        if found:
            print(f"{', '.join(found)} {text}")
    if tally.errors:
        print("\n".join(f"{count} x {error}" for error, count in tally.errors.most_common(10)))
    return 1 if grown or replaced or broken or tally.errors else 0


@contextmanager
def subjects() -> Iterator[list[Subject]]:
    with ExitStack() as running:
        found = []
        for mode in MODES:
            place = Path(running.enter_context(tempfile.TemporaryDirectory(prefix=f"soak-{mode}-")))
            folder = project(place)
            conf = folder / "gunicorn.conf.py"
            conf.write_text(conf.read_text() + COUNTER)
            live = running.enter_context(serving(folder, EMG_MODE=mode))
            found.append(Subject(mode, live, folder))
        yield found


def bear(all_of_them: list[Subject], seconds: float) -> Tally:
    """Let the load run for so long."""
    ends, tally = time.monotonic() + seconds, Tally()
    actors: list[Callable[[], None]] = []
    for subject in all_of_them:
        actors += MODES[subject.mode](subject.live, ends, tally)
    threads = [threading.Thread(target=actor) for actor in actors]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return tally


def settled(all_of_them: list[Subject]) -> list[Held]:
    """What each holds once all clients have left."""
    for subject in all_of_them:
        until(lambda live=subject.live: live.stats()["active_streams"] == 0, 60)
    time.sleep(SETTLE_S)
    return [subject.held() for subject in all_of_them]


def report(all_of_them: list[Subject], before: list[Held], after: list[Held]) -> list[str]:
    """Prints a table; the names of what has grown."""
    print("| server | | before | after | change |\n| --- | --- | ---: | ---: | ---: |")
    grown = []
    for subject, first, last in zip(all_of_them, before, after, strict=True):
        for name in ("memory_mib", "threads", "greenlets", "descriptors"):
            a, b = getattr(first, name), getattr(last, name)
            print(f"| {subject.mode} | {name} | {a:.4g} | {b:.4g} | {100 * (b - a) / max(a, 1):+.1f} % |")
            if b - a > max(GROWTH * a, FEW):
                grown.append(f"{name} of {subject.mode}")
    return grown


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=120.0)
    sys.exit(main(parser.parse_args().seconds))
