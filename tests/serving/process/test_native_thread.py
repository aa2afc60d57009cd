"""Whoever asks the engine's thread is held for the time he gave it, on gevent and on plain threads."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from app.config import ROOT

CROWD = """
import json, sys
if sys.argv[1] == "gevent":
    from gevent import monkey
    monkey.patch_all()
import threading, time
from app.serving.process.native_thread import native_thread, native_sleep

thread, answers, began = native_thread(), [], time.monotonic()

def ask():
    answers.append((thread.run(lambda: native_sleep(1.5), timeout_s=0.2), time.monotonic() - began))

crowd = [threading.Thread(target=ask) for _ in range(6)]
for one in crowd:
    one.start()
for one in crowd:
    one.join()
later = []
done = thread.run(lambda: later.append(1), timeout_s=30)
print(json.dumps([type(thread).__name__, answers, done, later]))
thread.close()
"""


@pytest.mark.parametrize(("kind", "name"), [("gevent", "GeventThread"), ("plain", "PlainThread")])
def test_a_crowd_is_answered_in_its_time_while_a_call_hangs(kind: str, name: str) -> None:
    """gevent's pool of one lets two callers in; from the third on its `spawn` itself waited, without limit."""
    run = subprocess.run(
        [sys.executable, "-c", CROWD, kind], cwd=ROOT, capture_output=True, text=True, check=True
    )
    thread, answers, done, later = json.loads(run.stdout)
    assert thread == name
    assert [in_time for in_time, _ in answers] == [False] * 6
    assert max(seconds for _, seconds in answers) < 1.2  # of the hanging call's 1.5 s
    assert (done, later) == (True, [1])  # and the thread goes on when the call is over


ASIDE = """
import json, sys
if sys.argv[1] == "gevent":
    from gevent import monkey
    monkey.patch_all()
import time
import psutil
from app.serving.process.native_thread import native_sleep, run_aside

def threads():
    return psutil.Process().num_threads()

run_aside(lambda: None)
before, answers = threads(), [run_aside(lambda: None) for _ in range(10)]
late = [run_aside(lambda: native_sleep(0.5), timeout_s=0.05) for _ in range(3)]
until = time.monotonic() + 20
while threads() > before and time.monotonic() < until:
    time.sleep(0.05)
print(json.dumps([answers, late, threads() - before]))
"""


@pytest.mark.parametrize("kind", ["gevent", "plain"])
def test_a_thread_aside_ends_with_its_job(kind: str) -> None:
    """One stayed for each board that was opened: a server whose source was changed often filled with threads."""
    run = subprocess.run(
        [sys.executable, "-c", ASIDE, kind], cwd=ROOT, capture_output=True, text=True, check=True
    )
    answers, late, more = json.loads(run.stdout)
    assert (set(answers), set(late)) == ({True}, {False})
    assert more <= 0
