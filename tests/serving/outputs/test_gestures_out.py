"""From a group's gesture events to every way out: none is stuck, whatever happens to source, worker and server."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from app.inference.gestures.events import GestureEvent
from app.inference.manifest import Manifest
from app.serving.counters.shared_metrics import SharedMetrics
from app.serving.counters.worker_group import WorkerGroup
from app.serving.outputs.actions.file import ActionFile
from app.serving.outputs.event_sender import EventSender
from app.serving.outputs.forms import FORMS
from app.serving.outputs.sender import SenderGuard
from app.serving.outputs.service import WAITING, Outputs
from tests.serving.outputs.gestures import Kept
from tests.serving.outputs.test_service import OWN, Receiver, ThirtyHertz, feed, joined, two_workers
from tests.serving.station import make_gesture, until


class Heard(Kept):
    """Whoever is told of gestures one way: `onset`, `hold`, `release because`."""

    @property
    def told(self) -> list[str]:
        return self.messages


def form(event: GestureEvent) -> str:
    return event.phase if event.reason is None else f"{event.phase} {event.reason}"


class Worker:
    """The outputs of a worker with ways out that are all told the same."""

    def __init__(
        self,
        feeds: SimpleNamespace,
        path: Path,
        group: WorkerGroup,
        stopping: Callable[[], bool] = bool,
        **heard: Heard,
    ) -> None:
        self.metrics = metrics = SharedMetrics(group)
        actions = ActionFile(path, FORMS)
        guards = [
            SenderGuard(
                name,
                self._opener(name, one, actions),
                group.try_lock,
                metrics.output(name),
                counts_frames=False,
            )
            for name, one in heard.items()
        ]
        self.outputs = Outputs(
            guards, feeds, lambda: "fake", OWN.manifest, actions=actions, stopping=stopping
        )
        self.outputs.start()

    def _opener(self, name: str, heard: Heard, actions: ActionFile) -> Callable[[Manifest], EventSender[str]]:
        def opened(manifest: Manifest) -> EventSender[str]:
            row = self.metrics.output(name)
            sender = EventSender(name, manifest, lambda: actions.table, heard, row, form)
            sender.release_orphans(self.metrics.output_rows(name))
            return sender

        return opened


@pytest.fixture
def station() -> ThirtyHertz:
    made = ThirtyHertz()
    made.gestures[0] = ()  # makers share what is not empty
    return made


@pytest.fixture
def feeds(station: ThirtyHertz) -> SimpleNamespace:
    return SimpleNamespace(default=feed(station))


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture
def stopping() -> threading.Event:
    return threading.Event()


@pytest.fixture
def worker(
    feeds: SimpleNamespace, heard: Heard, tmp_path: Path, stopping: threading.Event
) -> Iterator[Worker]:
    made = Worker(feeds, tmp_path / "actions.toml", WorkerGroup.alone(), stopping.is_set, osc=heard)
    yield made
    made.outputs.close()


def begin(station: ThirtyHertz, heard: Heard) -> None:
    """Have a gesture held."""
    station.gestures[10] = (make_gesture("onset", 1),)
    joined(station).window()
    until(lambda: heard.told == ["onset"])


def test_a_gesture_begins_is_held_and_ends(worker: Worker, station: ThirtyHertz, heard: Heard) -> None:
    begin(station, heard)
    station.gestures[20] = (make_gesture("hold", 1),)
    station.gestures[30] = (make_gesture("release", 1), make_gesture("onset", 2))
    station.window()
    until(lambda: heard.told == ["onset", "hold"])  # before the next: who is late skips windows
    station.window()
    until(lambda: heard.told == ["onset", "hold", "release rest", "onset"])


@pytest.mark.parametrize("state", ["stalled", "disconnected", "ended"])
def test_a_source_that_falls_silent_ends_it(
    worker: Worker, station: ThirtyHertz, heard: Heard, state: str
) -> None:
    begin(station, heard)
    station.source.state = state
    until(lambda: len(heard.told) == 2)
    assert heard.told[1] in ("release stalled", "release completed")


def test_a_window_with_too_much_lost_ends_it(worker: Worker, station: ThirtyHertz, heard: Heard) -> None:
    begin(station, heard)
    station.spoilt.update(range(1000))
    station.window()
    until(lambda: heard.told == ["onset", "release gap"])


def test_frames_that_fail_end_it(worker: Worker, station: ThirtyHertz, heard: Heard) -> None:
    begin(station, heard)
    station.fails.update(range(1000))
    station.window()
    until(lambda: len(heard.told) == 2)
    assert heard.told[1].startswith("release")


def test_another_source_ends_it(
    worker: Worker, station: ThirtyHertz, heard: Heard, feeds: SimpleNamespace
) -> None:
    begin(station, heard)
    feeds.default = feed(ThirtyHertz())
    until(lambda: heard.told == ["onset", "release stalled"])


def test_no_source_any_more_ends_it(
    worker: Worker, station: ThirtyHertz, heard: Heard, feeds: SimpleNamespace
) -> None:
    begin(station, heard)
    feeds.default = None
    until(lambda: heard.told == ["onset", "release stalled"])


def test_a_server_that_is_told_to_stop_ends_it_at_once_and_begins_none(
    worker: Worker, station: ThirtyHertz, heard: Heard, stopping: threading.Event
) -> None:
    """Other parts of it still end their work."""
    begin(station, heard)
    stopping.set()
    until(lambda: heard.told == ["onset", "release shutdown"])
    station.gestures[20] = (make_gesture("release", 1), make_gesture("onset", 2))
    station.window()
    until(lambda: station.frames[-1:] == [20])
    worker.outputs.close()
    assert heard.told == ["onset", "release shutdown"]


def test_closing_ends_it(worker: Worker, station: ThirtyHertz, heard: Heard) -> None:
    begin(station, heard)
    worker.outputs.close()
    assert heard.told == ["onset", "release shutdown"]
    assert heard.closed == 1


def test_what_a_killed_worker_held_another_releases(
    feeds: SimpleNamespace, station: ThirtyHertz, tmp_path: Path
) -> None:
    """Its lock is free from then on, and what it held stands in the memory that both share."""
    groups = two_workers()
    first, second = Heard(), Heard()

    worker = Worker(feeds, tmp_path / "none", groups[0], osc=first)
    begin(station, first)
    other = Worker(feeds, tmp_path / "none", groups[1], osc=second)
    (guard,) = worker.outputs.ways
    guard._sender = None
    guard._lock.close()
    until(lambda: second.told[:1] == ["release shutdown"])
    worker.outputs.close()
    other.outputs.close()
    # while its source still has the gesture, it begins anew for whom it is told now
    assert second.told[1:] in ([], ["onset", "release stalled"], ["onset", "release shutdown"])


def test_each_way_out_is_told_though_another_raises(
    feeds: SimpleNamespace, station: ThirtyHertz, tmp_path: Path
) -> None:
    class Broken(Heard):
        def put(self, letter: object) -> None:
            raise OSError("no device")

    good, bad = Heard(), Broken()
    worker = Worker(feeds, tmp_path / "none", WorkerGroup.alone(), mqtt=bad, osc=good)
    begin(station, good)
    until(lambda: worker.metrics.outputs()["mqtt"].state == "failed")
    assert worker.outputs.states(worker.metrics.outputs())["mqtt"].reason == "OSError: no device"
    station.gestures[20] = (make_gesture("release", 1),)
    station.window()
    until(lambda: good.told == ["onset", "release rest"])
    worker.outputs.close()


def test_a_table_written_while_it_runs_is_used_and_a_bad_one_is_said(
    worker: Worker, station: ThirtyHertz, heard: Heard, tmp_path: Path
) -> None:
    begin(station, heard)
    path = tmp_path / "actions.toml"
    path.write_text('"fist.release" = "osc /grip 0"')
    until(lambda: worker.outputs.actions is not None and worker.outputs.actions.rows == 1)
    station.gestures[20] = (make_gesture("release", 1),)
    station.window()
    until(lambda: len(heard.letters) == 2)
    assert heard.messages[1].address == "/grip"

    path.write_text('"fist.release" = "osx /grip 0"')
    until(lambda: worker.outputs.actions is not None and worker.outputs.actions.error)
    assert worker.outputs.actions is not None
    assert worker.outputs.actions.rows == 1


def test_rows_of_gestures_that_the_model_has_not_are_said(
    worker: Worker, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """They are used all the same: another model may come that has them."""
    (tmp_path / "actions.toml").write_text('"fist.onset" = "osc /a"\n"fst.onset" = "osc /b"')
    until(lambda: worker.outputs.actions is not None and worker.outputs.actions.rows == 2)
    until(lambda: "'fst' is no gesture of the model" in caplog.text)
    assert "such rows send nothing" in caplog.text


def test_a_gesture_waits_where_frames_are_dropped(feeds: SimpleNamespace, station: ThirtyHertz) -> None:
    """The thread of the outputs may be held up; frames are many, and a release is one."""
    free = threading.Event()

    class Slow(Receiver):
        def frame(self, frame: object) -> None:
            free.wait(10.0)

    slow = Slow()
    metrics = SharedMetrics(group := WorkerGroup.alone())
    guard = SenderGuard("udp", lambda _: slow, group.try_lock, metrics.output("udp"))
    outputs = Outputs([guard], feeds, lambda: "fake", OWN.manifest, actions=ActionFile(Path("/none"), FORMS))
    outputs.start()
    joined(station)
    station.gestures[20] = (make_gesture("onset", 1), make_gesture("release", 1))
    for count in range(1, 3 * WAITING):
        station.window()
        until(lambda: len(station.frames) >= count)  # noqa: B023
    free.set()
    until(lambda: [said for said in slow.got if said in ("onset", "release")] == ["onset", "release"])
    outputs.close()


def test_only_where_a_way_out_sends_gestures_are_they_asked_for(
    feeds: SimpleNamespace, station: ThirtyHertz, worker: Worker
) -> None:
    """Lines of UDP alone go on sharing the frames of those who ask for nothing."""
    until(lambda: station.broadcast.running)
    (options,) = station.broadcast.running
    assert options.events
