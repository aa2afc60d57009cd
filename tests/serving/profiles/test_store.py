from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Any

import pytest

from app import private_files
from app.errors import BusyError, DataError, NotReadyError, ProfileNameError
from app.inference.decision_rule import DecisionRule
from app.serving.profiles import store as stores
from app.serving.profiles.profile import MAX_NOTES, Profile, ProfileFieldError
from app.serving.profiles.store import ProfileStore

ANNA = Profile(
    name="anna",
    person="Anna Müller",
    model="tiny",
    montage="8-1,9",
    rule=DecisionRule(votes=5, min_confidence=0.6, enter=0.7, leave=0.4),
    notes="left forearm\n\u200dنیم\u200cفاصله 😀\u00a0",
)


@pytest.fixture
def store(tmp_path: Path) -> ProfileStore:
    return ProfileStore(tmp_path / "instance")


def test_a_profile_is_kept_whole_and_for_this_user_alone(store: ProfileStore) -> None:
    assert store.names() == []
    assert [store.keep(ANNA), store.keep(ANNA), store.keep(Profile(name="ben"))] == [True, False, True]
    assert [one.profile for one in store.all()] == [ANNA, Profile(name="ben")]
    assert store.find("anna") == ANNA
    assert store.folder.stat().st_mode & 0o777 == 0o700
    assert {one.stat().st_mode & 0o777 for one in store.folder.iterdir()} == {0o600}


def test_the_largest_profile_is_read_again(store: ProfileStore) -> None:
    largest = Profile(name="n" * 64, person="😀" * 64, notes="😀" * MAX_NOTES, montage="1" + " " * 999)
    store.keep(largest)
    assert store.find(largest.name) == largest


def test_one_that_is_deleted_is_gone(store: ProfileStore) -> None:
    store.keep(ANNA)
    store.remove("anna")
    assert store.names() == []
    for name in ("anna", "../anna", ""):
        with pytest.raises(ProfileNameError, match="no profile"):
            store.remove(name)
        with pytest.raises(ProfileNameError, match="no profile"):
            store.find(name)


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("", "Expecting value"),
        ("[]", "it is no JSON object"),
        ('{"name": "anna"}', "'name' is no field of a profile; those are person, model, montage"),
        ('{"votes": 3}', "'votes' is no field"),
        ('{"person": 3}', "person must be a text"),
        ('{"person": "a\\nb"}', "person: must be one printable line"),
        ('{"model": "../x"}', "model: must be 1 to 64 letters"),
        ('{"montage": "1-x"}', "montage: montage=1-x: '1-x' is neither a channel nor a range"),
        ('{"montage": "1,1"}', "channel 1 is there twice"),
        ('{"decision": 3}', "decision must be an object"),
        ('{"decision": {"vote": 3}}', "decision has 'vote'; it takes votes"),
        ('{"decision": {"votes": 0}}', "votes must be a whole number from 1 to 1000"),
        ('{"decision": {"enter": 0.5, "leave": 0.6}}', "decision.leave must be below"),
        ('{"notes": "\\ud800"}', "notes: must be a text"),
        ('{"notes": "\\u0000"}', "notes: must be a text"),
        ('{"notes": null}', "notes must be a text"),
        (json.dumps({"notes": "x" * 100_000}), "it is longer than 65536 bytes"),
    ],
)
def test_a_damaged_one_is_told_apart_and_hides_no_other(store: ProfileStore, said: str, why: str) -> None:
    store.keep(Profile(name="ben"))
    private_files.write(store.folder / "anna.json", said.encode())

    (damaged, sound) = store.all()

    assert (damaged.name, damaged.profile, sound.profile) == ("anna", None, Profile(name="ben"))
    assert damaged.damage is not None
    assert why in damaged.damage
    with pytest.raises(NotReadyError, match="the profile anna is damaged: "):
        store.find("anna")
    assert store.keep(ANNA) is False
    assert store.find("anna") == ANNA


def test_what_is_no_plain_file_is_damaged_and_what_is_no_profile_is_passed_over(
    store: ProfileStore, tmp_path: Path
) -> None:
    store.folder.mkdir(parents=True)
    os.mkfifo(store.folder / "fifo.json")
    (store.folder / "folder.json").mkdir()
    (store.folder / "link.json").symlink_to(tmp_path)
    for name in (".anna.json.new", "anna.txt", "a b.json"):
        (store.folder / name).write_text("{}")
    assert [(one.name, one.profile) for one in store.all()] == [
        ("fifo", None),
        ("folder", None),
        ("link", None),
    ]


def test_there_are_as_many_as_may_be(store: ProfileStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stores, "MOST", 1)
    store.keep(ANNA)
    with pytest.raises(BusyError, match="there are 1 profiles, as many as may be"):
        store.keep(Profile(name="ben"))
    assert store.keep(ANNA) is False


def test_a_full_disk_keeps_what_was_there(store: ProfileStore, monkeypatch: pytest.MonkeyPatch) -> None:
    store.keep(ANNA)

    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(NotReadyError, match="the profile cannot be kept: No space left on device"):
            store.keep(Profile(name="anna"))
    assert store.find("anna") == ANNA
    assert [one.name for one in store.folder.iterdir()] == ["anna.json"]


def test_without_a_descriptor_none_is_taken_for_damaged(
    store: ProfileStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.keep(ANNA)

    def without(*_: Any, **__: Any) -> int:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    monkeypatch.setattr(stores.os, "open", without)
    with pytest.raises(OSError, match="Too many open files"):
        store.find("anna")


def test_a_value_that_cannot_be_is_refused_with_its_field() -> None:
    for field, value in (
        ("name", "../x"),
        ("person", ""),
        ("person", " "),
        ("person", "x" * 65),
        ("model", "a b"),
        ("montage", ""),
        ("montage", "1-2000"),
        ("montage", "1," * 600),
        ("notes", "x" * (MAX_NOTES + 1)),
    ):
        with pytest.raises(ProfileFieldError) as refused:
            Profile(**{"name": "anna", field: value})
        assert refused.value.field == field
        assert isinstance(refused.value, DataError)
