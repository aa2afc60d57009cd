"""Which source a server has: at the start, awaited, and changed while it runs, in one worker and in two."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from app.config import ROOT, EmgMode, Settings
from app.emg.description import SourceDescription
from app.errors import BusyError, ConfigError, DataError, NotReadyError, SourceError
from app.inference import artefact
from app.inference.manifest import Manifest
from app.serving.counters.source_choice import SourceChoice, newest, newest_number, publish
from app.serving.counters.worker_group import WorkerGroup, board_for, new_run
from app.serving.sources import own_source
from app.serving.sources.opening import Opened
from app.serving.sources.own_source import OwnSource
from tests.emg.recording_makers import write_npz
from tests.serving.station import until

SERIAL = {"EMG_MODE": "realtime", "EMG_PORT": "/dev/ttyACM0"}
SIX = SourceDescription(channels=6, sampling_rate=1259.259, units="uV")
ARMBAND = SourceDescription(channels=8, sampling_rate=200.0, units="counts")
NO_MODEL = Settings(model="none")


class Device:
    """Answers once it is `there`, and counts how often it was asked."""

    def __init__(self, description: SourceDescription = SIX, there: bool = True) -> None:
        self.description, self.there, self.asked = description, there, 0
        self.asking, self.answers = threading.Event(), threading.Event()
        self.answers.set()

    def __call__(self, _settings: Settings) -> SourceDescription:
        self.asked += 1
        self.asking.set()
        self.answers.wait(5)
        if not self.there:
            raise SourceError("no such port")
        return self.description


class Worker:
    """One worker's own source, and what it has adopted."""

    def __init__(
        self, group: WorkerGroup, device: Device, settings: Settings = NO_MODEL, **more: Any
    ) -> None:
        self.own = OwnSource(settings, more.get("expected"), group, more.get("others", ()), device)
        self.opened = self.own.open()
        self.adopted: list[Opened] = []
        self.own.adopt = lambda _settings, opened: self.adopted.append(opened)

    @property
    def names(self) -> list[str]:
        return [opened.source.name for opened in self.adopted]


def two(slots: int = 4) -> list[WorkerGroup]:
    memory, run = board_for(2), new_run()
    return [WorkerGroup(run, memory, slot, workers=2) for slot in range(slots)]


@pytest.fixture(scope="module")
def shipped() -> dict[str, Manifest]:
    return {one.name: one for one in artefact.manifests(ROOT / "instance" / "models")}


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own_source, "RETRY_S", 0.01)


def test_the_other_worker_follows_a_change_without_asking_the_device_again() -> None:
    """It asked again, and a serial port, which the first holds, has one reader: it stayed with the old source."""
    groups, one, other = two(), Device(), Device(there=False)
    first, second = Worker(groups[0], one), Worker(groups[1], other)
    first.own.switch(SERIAL)
    assert first.names == ["serial"]
    second.own.tick()
    until(lambda: second.names == ["serial"])
    assert (second.adopted[0].source.channels, second.adopted[0].source.sampling_rate) == (6, 1259.259)
    assert (one.asked, other.asked) == (1, 0)
    second.own.tick()
    first.own.tick()
    assert (first.names, second.names) == (["serial"], ["serial"])


def test_a_worker_that_starts_later_reads_the_source_that_was_chosen() -> None:
    groups, device = two(), Device()
    Worker(groups[0], device).own.switch(SERIAL)
    later = Worker(groups[1], Device(there=False))
    assert later.opened is not None
    assert (later.opened.source.name, later.opened.source.channels) == ("serial", 6)
    assert later.own.settings.emg_mode is EmgMode.REALTIME
    later.own.tick()
    assert later.names == []


def test_after_a_reload_with_other_settings_a_choice_holds_no_more() -> None:
    groups = two()
    Worker(groups[0], Device()).own.switch(SERIAL)
    same = Worker(groups[2], Device())
    other = Worker(groups[3], Device(), Settings(model="none", max_streams=7))
    assert same.opened is not None
    assert other.opened is not None
    assert (same.opened.source.name, other.opened.source.name) == ("serial", "simulator")


def test_a_worker_that_starts_takes_back_no_change_made_meanwhile() -> None:
    """It published what it had found at its start, over what somebody had chosen since."""
    groups = two()
    first = Worker(groups[0], Device())
    first.own.switch(SERIAL)
    slow = Device()
    slow.answers.clear()
    said = {**SERIAL, "EMG_PORT": "/dev/ttyACM1"}
    publish(groups[0], SourceChoice(base=first.own.base, said=said))  # not what it is: the next one asks
    starting = threading.Thread(target=lambda: Worker(groups[1], slow), daemon=True)
    starting.start()
    slow.asking.wait(5)
    first.own.switch({"EMG_MODE": "dummy"})
    slow.answers.set()
    starting.join()
    _, choice = newest(groups[0], first.own.base)
    assert choice is not None
    assert choice.said == {"EMG_MODE": "dummy"}


def test_of_two_changes_at_once_in_two_workers_one_is_refused() -> None:
    groups, slow = two(), Device()
    first, second = Worker(groups[0], slow), Worker(groups[1], Device())
    slow.answers.clear()
    switching = threading.Thread(target=lambda: first.own.switch(SERIAL), daemon=True)
    switching.start()
    slow.asking.wait(5)
    for worker in (first, second):
        with pytest.raises(BusyError, match="under way"):
            worker.own.switch({"EMG_MODE": "dummy"})
    slow.answers.set()
    switching.join()
    assert (first.names, second.names) == (["serial"], [])
    second.own.switch({"EMG_MODE": "dummy", "EMG_CH": "3"})  # and then it may
    assert second.names == ["simulator"]


def test_what_another_worker_is_just_writing_is_no_way_back() -> None:
    """Its number is 0 meanwhile, and the newest of the others is an older choice."""
    groups = two()
    first, second = Worker(groups[0], Device()), Worker(groups[1], Device())
    second.own.switch(SERIAL)
    first.own.tick()
    until(lambda: first.names == ["serial"])
    groups[1].own.doubles("choice")[0] = 0.0
    first.own.tick()
    assert not first.own._following
    assert first.names == ["serial"]


def test_a_source_that_is_read_already_goes_on() -> None:
    """A port of ours was asked what it is, and answered that another program has it: us."""
    device = Device()
    worker = Worker(WorkerGroup.alone(), device)
    worker.own.switch(SERIAL)
    device.there = False
    worker.own.switch(SERIAL)
    assert worker.names == ["serial"]
    worker.own.switch(SERIAL, again=True)  # it had come to its end
    assert worker.names == ["serial", "serial"]


def test_other_channels_of_the_same_device_are_chosen_without_asking_it(shipped: dict[str, Manifest]) -> None:
    device = Device(replace(ARMBAND, channels=16))
    armband = shipped["myo-8ch-200hz"]
    worker = Worker(WorkerGroup.alone(), device, Settings(model=armband.name), expected=armband)
    worker.own.switch({**SERIAL, "EMG_CHANNELS": "1-8"})
    device.there = False
    worker.own.switch({**SERIAL, "EMG_CHANNELS": "9-16"})
    worker.own.switch({**SERIAL, "EMG_MODEL": "none"})
    montages = [opened.path.montage for opened in worker.adopted]
    assert [montage and montage.columns[0] for montage in montages] == [0, 8, None]
    with pytest.raises(NotReadyError, match="no such port"):
        worker.own.switch({**SERIAL, "EMG_PORT": "/dev/ttyACM1"})


def test_back_to_the_source_of_the_start() -> None:
    worker = Worker(WorkerGroup.alone(), Device())
    worker.own.switch(SERIAL)
    worker.own.switch({})
    assert worker.names == ["serial", "simulator"]
    assert worker.own.settings == NO_MODEL


def test_the_model_stays_unless_none_is_said(shipped: dict[str, Manifest]) -> None:
    simulated = shipped["synthetic-16ch-2khz"]
    worker = Worker(WorkerGroup.alone(), Device(), Settings(), expected=simulated)
    worker.own.switch({"EMG_MODE": "dummy", "EMG_MODEL": "none"})
    worker.own.switch({"EMG_MODE": "dummy"})
    assert [opened.manifest for opened in worker.adopted] == [None, simulated]


def test_a_switch_goes_by_the_model_that_the_engine_runs(shipped: dict[str, Manifest]) -> None:
    """It went by the usual one: 16 channels at 2000 Hz for a worker that runs the armband's model."""
    settings = Settings(emg_mode=EmgMode.REALTIME, port="/dev/ttyACM0")
    usual = shipped["synthetic-16ch-2khz"]
    others = list(shipped.values())
    worker = Worker(WorkerGroup.alone(), Device(ARMBAND), settings, expected=usual, others=others)
    assert worker.opened is not None
    assert worker.opened.manifest is shipped["myo-8ch-200hz"]
    worker.own.switch({"EMG_MODE": "dummy"})
    assert worker.adopted[0].manifest is shipped["myo-8ch-200hz"]
    assert worker.adopted[0].source.channels == 8


def test_a_worker_that_starts_later_runs_the_model_of_the_others(shipped: dict[str, Manifest]) -> None:
    """It chose anew, by the source of now, and had another model than those that ran when that was chosen."""
    groups, others = two(), list(shipped.values())
    usual = shipped["synthetic-16ch-2khz"]
    first = Worker(groups[0], Device(ARMBAND), Settings(), expected=usual, others=others)
    first.own.switch(SERIAL)
    assert first.adopted[0].manifest is None  # the engine has the other one
    later = Worker(groups[1], Device(), Settings(), expected=usual, others=others)
    assert later.opened is not None
    assert (later.opened.source.channels, later.opened.manifest) == (8, None)
    assert later.own.expected is usual


@pytest.mark.parametrize(
    ("said", "there", "error", "words"),
    [
        (SERIAL, False, NotReadyError, "no such port"),
        ({"EMG_MODE": "realtime", "EMG_PORT": "/etc/passwd"}, True, ConfigError, "no serial port"),
        ({"EMG_MODE": "realtime", "EMG_PORT": "/dev/../etc/passwd"}, True, ConfigError, "no serial port"),
        ({"EMG_MODE": "realtime"}, True, ConfigError, "EMG_PORT is empty"),
        ({"EMG_FAULTS": "gap@1:1"}, True, ConfigError, "EMG_FAULTS is no setting of a source"),
        ({"EMG_MODE": "push"}, True, ConfigError, "chosen at the start"),
        ({"EMG_MODE": "ninapro", "EMG_RECORDING": "/etc/passwd"}, True, ConfigError, "cannot be chosen here"),
        ({"EMG_MODE": "ninapro"}, True, ConfigError, "EMG_RECORDING is empty"),
        (
            {"EMG_MODE": "brainflow", "EMG_BOARD": "playback", "EMG_BOARD_PARAMS": "file=/etc/passwd"},
            True,
            ConfigError,
            "files are named where the server is started",
        ),
        ({"EMG_MODEL": "/etc"}, True, ConfigError, "cannot be chosen here"),
        ({**SERIAL, "EMG_BAUD": "fast"}, True, ConfigError, "EMG_BAUD='fast' is not allowed"),
        ({"EMG_MODE": "dummy", "EMG_CH": "1000000000"}, True, ConfigError, "from 1 to 1024"),
        ({"EMG_MODE": "dummy", "EMG_FS": "1e9"}, True, ConfigError, "at most 100000"),
        ({**SERIAL, "EMG_BAUD": ""}, True, ConfigError, "printable text of 1 to 200"),
        ({**SERIAL, "EMG_CHANNELS": "1-9"}, True, DataError, "9"),
    ],
)
def test_what_is_refused_leaves_the_source_as_it_is(
    said: dict[str, str], there: bool, error: type[Exception], words: str, shipped: dict[str, Manifest]
) -> None:
    usual = shipped["synthetic-16ch-2khz"]
    settings = Settings(model=usual.name)
    worker = Worker(WorkerGroup.alone(), Device(there=there), settings, expected=usual)
    number = newest_number(worker.own._worker_group)
    with pytest.raises(error, match=words):
        worker.own.switch(said)
    assert worker.adopted == []
    assert worker.own.settings is settings
    assert newest_number(worker.own._worker_group) == number
    worker.own.switch({"EMG_MODE": "dummy", "EMG_MODEL": "none"})  # nothing is held
    assert worker.names == ["simulator"]


def test_a_server_to_which_clients_push_has_no_source_to_change() -> None:
    worker = Worker(WorkerGroup.alone(), Device(), Settings(emg_mode=EmgMode.PUSH))
    assert worker.opened is None
    with pytest.raises(BusyError, match="EMG_MODE=push"):
        worker.own.switch({"EMG_MODE": "dummy"})


AWAITING = Settings(model="none", emg_mode=EmgMode.REALTIME, port="/dev/ttyACM0")


@pytest.fixture
def awaiting() -> Any:
    workers: list[Worker] = []

    def start(group: WorkerGroup, device: Device) -> Worker:
        worker = Worker(group, device, AWAITING)
        workers.append(worker)
        assert worker.opened is None
        assert worker.own.awaited == "no such port"
        worker.own.start()
        return worker

    yield start
    for worker in workers:
        worker.own.close()


StartAwaiting = Callable[[WorkerGroup, Device], Worker]


def test_a_device_that_comes_later_is_read_then(awaiting: StartAwaiting) -> None:
    device = Device(there=False)
    worker = awaiting(WorkerGroup.alone(), device)
    state = worker.own.state
    assert state is not None
    assert (state.name, state.state, state.error) == ("realtime", "disconnected", "no such port")
    device.there = True
    until(lambda: worker.names == ["serial"])
    assert worker.own.state is None
    assert worker.adopted[0].source.sampling_rate == 1259.259


def test_of_two_workers_the_second_learns_from_the_first_what_came(awaiting: StartAwaiting) -> None:
    groups, one, never = two(), Device(there=False), Device(there=False)
    first, second = awaiting(groups[0], one), awaiting(groups[1], never)
    one.there = True
    until(lambda: first.names == second.names == ["serial"])
    assert second.adopted[0].source.channels == 6
    assert not never.there


def test_another_source_may_be_chosen_while_one_is_awaited(awaiting: StartAwaiting) -> None:
    """A port that says nothing is asked for 5 s of every 6: meanwhile it was `another change is under way`."""
    device = Device(there=False)
    worker = awaiting(WorkerGroup.alone(), device)
    device.answers.clear()
    device.asking.clear()
    device.asking.wait(5)
    worker.own.switch({"EMG_MODE": "dummy"})
    assert worker.names == ["simulator"]
    assert worker.own.state is None
    device.there = True
    device.answers.set()
    until(lambda: not any(thread.name == "awaited source" for thread in threading.enumerate()))
    assert worker.names == ["simulator"]  # what was awaited is wanted no more


def test_a_recording_may_be_chosen_again_that_the_server_was_started_with(tmp_path: Path) -> None:
    recording = write_npz(tmp_path / "a.npz")
    settings = Settings(model="none", emg_mode=EmgMode.NINAPRO, recording=recording)
    worker = Worker(WorkerGroup.alone(), Device(), settings)
    worker.own.switch({"EMG_MODE": "dummy"})
    worker.own.switch({"EMG_MODE": "ninapro", "EMG_RECORDING": str(recording)})
    assert worker.adopted[1].source.channels == 4
