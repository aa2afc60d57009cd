"""Gestures as LSL markers, as a receiver gets them: each with the time of what it tells."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from app.emg.lsl.gesture_outlet import GestureOutlet
from app.emg.lsl.library import load_pylsl
from app.serving.outputs.lsl_gestures import GestureMarkers, of_event
from tests.emg.extras import require_extra
from tests.emg.lsl_streams import own
from tests.serving.outputs.gestures import event, new_row, sender_of, table

LATE_S = 10.0
RATE_HZ = 2000.0


@pytest.fixture
def pylsl() -> Any:
    require_extra(load_pylsl)
    return load_pylsl()


@pytest.fixture
def outlet(pylsl: Any) -> GestureOutlet:
    return GestureOutlet(own("gestures"))


@pytest.fixture
def inlet(pylsl: Any, outlet: GestureOutlet) -> Iterator[Any]:
    asked = f"name='MyostreamGestures' and starts-with(source_id, '{own('gestures')}')"
    (info,) = pylsl.resolve_bypred(asked, 1, LATE_S)
    assert info.type() == "Events", "who resolves Markers gets decisions, as before"
    inlet = pylsl.StreamInlet(info)
    inlet.open_stream(LATE_S)
    yield inlet
    inlet.close_stream()


def test_an_onset_has_the_time_at_which_the_muscle_began_and_a_release_its_own(
    pylsl: Any, outlet: GestureOutlet, inlet: Any
) -> None:
    row, now = new_row(), time.time()
    sender = sender_of("lsl", GestureMarkers(outlet, lambda: RATE_HZ, row), of_event, row=row)
    sender.gesture(event(timestamp=now))  # decided at sample 2400, began at 2000: 0.2 s earlier
    sender.gesture(event("release", timestamp=now))

    (onset, began), (release, ended) = inlet.pull_sample(LATE_S), inlet.pull_sample(LATE_S)
    assert (onset, release) == (["fist.onset"], ["fist.release"])
    assert ended - began == pytest.approx(0.2, abs=0.02)
    assert abs((pylsl.local_clock() - (time.time() - now)) - ended) < 0.1
    assert row.messages == 2
    sender.close()


def test_a_marker_of_the_table(outlet: GestureOutlet, inlet: Any) -> None:
    rows = table('"*.onset" = "lsl S{class} {gesture}"\n"*.release" = "lsl"')
    sender = sender_of("lsl", GestureMarkers(outlet, lambda: None, new_row()), of_event, rows)
    sender.gesture(event())
    sender.gesture(event("release"))
    assert [inlet.pull_sample(LATE_S)[0] for _ in range(2)] == [["S1 fist"], ["fist.release"]]
    sender.close()
