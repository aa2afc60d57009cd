"""Files of jobs: bounded, whole, and true also of workers that have died."""

from __future__ import annotations

import json
import os
import stat
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from app.errors import BusyError, DataError, TooFastError
from app.serving.jobs import store as stores
from app.serving.jobs.job import DONE, FAILED, QUEUED, RESTARTED, RUNNING, Job, decode, encode
from app.serving.jobs.store import MOST_KEPT, MOST_WAITING, JobStore, fail_jobs, mark_of
from tests.fakes import FakeClock


def made(job_id: str, owner: str = "one", **changes: Any) -> Job:
    job = Job(
        id=job_id,
        owner=owner,
        name=job_id.rpartition("-")[0],
        recordings=("anna",),
        base=None,
        person=None,
        use="no",
        source=None,
        created_at=1.0,
    )
    return replace(job, **changes)


@pytest.fixture
def store(tmp_path: Path, clock: FakeClock) -> JobStore:
    return JobStore(tmp_path, "one", clock)


def test_a_job_is_read_as_it_was_written_and_by_this_user_alone(store: JobStore) -> None:
    job = store.add("anna", made)
    assert job.id == "anna-1"
    assert store.find("anna-1") == job
    file = store.folder / "anna-1.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(store.folder.stat().st_mode) == 0o700
    store.put(replace(job, state=RUNNING, progress=0.5))
    found = store.find("anna-1")
    assert found is not None
    assert (found.state, found.progress) == (RUNNING, 0.5)


def test_as_many_wait_as_may_and_no_more(store: JobStore) -> None:
    for k in range(MOST_WAITING + 1):
        store.add(f"m{k}", made)
    with pytest.raises(TooFastError, match="as many as may") as refused:
        store.add("more", made)
    assert refused.value.retry_s > 0
    store.put(made("m0-1", state=DONE))
    assert store.add("more", made).id == "more-1"


def test_two_jobs_do_not_make_the_same_model(store: JobStore) -> None:
    store.add("anna", made)
    with pytest.raises(BusyError, match="makes a model anna already"):
        store.add("anna", made)
    store.put(made("anna-1", state=FAILED))
    assert store.add("anna", made).id == "anna-2"


def die(store: JobStore) -> None:
    """As the kernel has it for a process that is killed."""
    assert store._lock is not None
    os.close(store._lock)
    store._lock = None


def test_a_job_of_a_server_that_has_died_has_failed(
    tmp_path: Path, store: JobStore, clock: FakeClock
) -> None:
    """Its lock is gone with it, whatever its file says; what it was making is deleted."""
    job = store.add("anna", made)
    store.put(replace(job, state=RUNNING, stage="judging"))
    store.work("anna-1").mkdir()
    other = JobStore(tmp_path, "two", clock, run="the next start")
    assert other.find("anna-1") == replace(job, state=RUNNING, stage="judging")
    die(store)
    found = other.find("anna-1")
    assert found is not None
    assert (found.state, found.error, found.stage) == (FAILED, RESTARTED, None)
    assert not store.work("anna-1").exists()
    assert [path.name for path in store.folder.iterdir()] == ["anna-1.json"]
    assert JobStore(tmp_path, "three", clock).find("anna-1") == found


def test_a_job_of_a_worker_that_has_died_is_taken_up_by_one_other(
    tmp_path: Path, store: JobStore, clock: FakeClock
) -> None:
    first = store.add("anna", made)
    second = store.add("bea", lambda job_id: made(job_id, created_at=2.0))
    for job in (first, second):
        store.put(replace(job, state=RUNNING, stage="judging", started_at=3.0, progress=0.5))
    store.work("anna-1").mkdir()
    two, three = (JobStore(tmp_path, owner, clock) for owner in ("two", "three"))
    assert (two.left(), two.take_up("anna-1")) == ([], None)
    die(store)
    two.ask_to_cancel("anna-1")
    assert two.left() == ["anna-1", "bea-1"]

    found = two.take_up("anna-1")

    assert found is not None
    assert (found.owner, found.state, found.stage, found.started_at) == ("two", QUEUED, None, None)
    assert (found.progress, found.taken_up) == (0.5, 1)
    assert not two.work("anna-1").exists()
    assert two.is_to_cancel("anna-1")
    assert (three.take_up("anna-1"), three.left()) == (None, ["bea-1"])
    die(two)
    again = three.take_up("anna-1")
    assert again is not None
    assert again.taken_up == 2


def test_what_is_left_when_the_server_has_ended_has_failed(
    tmp_path: Path, store: JobStore, clock: FakeClock
) -> None:
    store.run = mark_of("a run")
    job = store.add("anna", lambda job_id: made(job_id, run=store.run))
    store.put(replace(job, owner="", result={"model": "anna"}))
    store.add(
        "bea", lambda job_id: made(job_id, run=store.run)
    )  # of a worker that is killed, but not dead yet
    other = store.add("cleo", lambda job_id: made(job_id, run="another server with this instance"))

    fail_jobs(tmp_path, "a run")

    for name in ("anna-1", "bea-1"):
        found = store.find(name)
        assert found is not None
        assert (found.state, found.error) == (FAILED, RESTARTED)
    assert store.find("cleo-1") == other


def test_a_job_that_an_older_version_wrote_is_read(store: JobStore) -> None:
    store.add("anna", lambda job_id: made(job_id, state=DONE))
    path = store.folder / "anna-1.json"
    said = json.loads(path.read_text())
    for name in ("unlabelled", "values", "classes", "run", "taken_up"):
        del said[name]
    path.write_text(json.dumps(said))
    assert store.find("anna-1") == made("anna-1", state=DONE)


def test_the_oldest_that_are_over_are_forgotten(store: JobStore, monkeypatch: pytest.MonkeyPatch) -> None:
    for k in range(MOST_KEPT + 3):
        job = store.add(f"m{k}", lambda job_id, k=k: made(job_id, created_at=float(k)))
        store.put(replace(job, state=DONE))
    there = store.all()
    assert len(there) == MOST_KEPT + 1 - 1
    assert there[0].name == f"m{MOST_KEPT + 2}"
    assert store.find("m0-1") is None


@pytest.mark.parametrize("text", [b"", b"[]", b"{}", b"\xff", b'{"id": 3}', encode(made("x-1"))[:-1]])
def test_what_is_no_job_is_none(store: JobStore, text: bytes) -> None:
    store.folder.mkdir()
    (store.folder / "x-1.json").write_bytes(text)
    with pytest.raises(DataError):
        decode(text)
    assert store.find("x-1") is None
    assert store.all() == []


def test_a_file_under_another_name_and_a_link_are_no_jobs(store: JobStore, tmp_path: Path) -> None:
    store.folder.mkdir()
    (store.folder / "x-1.json").write_bytes(encode(made("y-1", state=DONE)))
    (tmp_path / "elsewhere").write_bytes(encode(made("z-1", state=DONE)))
    (store.folder / "z-1.json").symlink_to(tmp_path / "elsewhere")
    assert (store.find("x-1"), store.find("z-1")) == (None, None)


def test_a_disk_that_takes_nothing_leaves_what_was_there(
    store: JobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = store.add("anna", made)

    def full(_: Job) -> bytes:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(stores, "encode", full)
    with pytest.raises(OSError, match="No space"):
        store.put(replace(job, state=DONE))
    found = store.find("anna-1")
    assert found is not None
    assert found.state == QUEUED
    assert [path.name for path in store.folder.iterdir() if path.name.endswith(".new")] == []
