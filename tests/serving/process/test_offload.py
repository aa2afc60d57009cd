"""Blocking work stands beside the streams, with and without gevent."""

from __future__ import annotations

import subprocess
import sys
import threading

import pytest

from app.config import ROOT
from app.serving.process.offload import BlockingWorker

BLOCKED = """
from gevent import monkey
monkey.patch_all()
import threading, time
from app.serving.process.offload import BlockingWorker

worker, ticks, over = BlockingWorker(), [], threading.Event()

def tick():
    while not over.wait(0.01):
        ticks.append(time.perf_counter())

threading.Thread(target=tick).start()
time.sleep(0.1)
block = monkey.get_original("time", "sleep")  # as fsync does: it holds its thread, and knows no gevent
print(worker.do(lambda: block(0.5) or "done"))
over.set()
gaps = [b - a for a, b in zip(ticks, ticks[1:])]
print(max(gaps))
worker.close()
worker.close()
"""


def test_a_disk_that_takes_half_a_second_holds_no_greenlet() -> None:
    run = subprocess.run(
        [sys.executable, "-c", BLOCKED], cwd=ROOT, capture_output=True, text=True, check=True
    )
    answer, longest = run.stdout.split()
    assert answer == "done"
    assert float(longest) < 0.25  # 10 ms, and what a busy machine adds


def test_the_result_is_that_of_the_job_and_so_is_the_error() -> None:
    worker = BlockingWorker()
    assert worker.do(threading.get_ident) != threading.get_ident()
    with pytest.raises(OSError, match="full"):
        worker.do(_fails)
    assert worker.do(lambda: 3) == 3
    worker.close()


def _fails() -> None:
    raise OSError("full")


def test_at_the_end_of_the_process_work_is_still_done() -> None:
    """`flask run` ends its runtime at exit, when the interpreter has stopped all pools of threads."""
    code = """
import atexit
from app.serving.process.offload import BlockingWorker
worker = BlockingWorker()
worker.do(lambda: None)
atexit.register(lambda: print(worker.do(lambda: "written")))
"""
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert (run.stdout, run.stderr) == ("written\n", "")
