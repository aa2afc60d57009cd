"""A source that loses samples for ever, as a radio link at the edge of its range does."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from tests.server.live import LATE_S, Client, Live, gunicorn, until

pytestmark = pytest.mark.server

FIRST = 8000  # samples; the losses begin 4 s after the start


def losing(lost: int, every: int) -> str:
    """Return what EMG_FAULTS says for it, for the next 20 s."""
    return ",".join(f"gap@{at}:{lost}" for at in range(FIRST, FIRST + 40_000, every))


def told(port: int, events: int) -> list[dict[str, object]]:
    client = Client(port, fps=30)
    found = [event for event, _ in zip(client.events(), range(events), strict=False)]
    client.close()
    return found


def lossy(live: Live) -> None:
    def gaps() -> int:
        with urlopen(f"{live.url}/emg/sources", timeout=LATE_S) as answer:
            return int(json.load(answer)["sources"][0]["gaps"])

    until(lambda: gaps() > 5)


@pytest.mark.parametrize(("lost", "every"), [(40, 180), (21, 210)])
def test_windows_of_which_a_fifth_is_lost_are_better_than_none(tmp_path: Path, lost: int, every: int) -> None:
    with gunicorn(tmp_path, EMG_FAULTS=losing(lost, every)) as live:
        lossy(live)
        events = told(live.port, 60)
        assert live.ready()
    frames = [event for event in events if "prediction" in event]
    assert len(frames) >= 55, events
    assert {frame.get("missing_samples", 0) for frame in frames} - {0}
    assert all(frame.get("missing_samples", 0) <= 40 for frame in frames)


def test_a_source_that_spoils_every_window_is_stalled_and_not_ready(tmp_path: Path) -> None:
    """A third of each window was lost: frames stopped, and the last decision stayed for ever."""
    with gunicorn(tmp_path, EMG_FAULTS=losing(60, 180)) as live:
        client = Client(live.port, fps=30)
        for event in client.events():
            if "status" in event:
                break
        client.close()
        assert (event["status"], event["decision_label"], event["source_state"]) == (
            "stalled",
            "rest",
            "stalled",
        )
        with pytest.raises(HTTPError) as caught:
            urlopen(f"{live.url}/health/ready", timeout=LATE_S)
        with caught.value as answer:
            assert "is stalled" in answer.read().decode()
        with pytest.raises(HTTPError) as caught:
            urlopen(f"{live.url}/infer", b"", timeout=LATE_S)
        with caught.value as answer:
            assert answer.code == 503
        until(live.ready)  # the losses are over
