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
