"""The folder of tickets is this user's alone, and goes with the server that it belongs to."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from app import ticket_folder
from app.api.access.tickets import FileTickets
from app.config import ROOT
from app.errors import NotReadyError
from app.keys import hash_of


@pytest.fixture
def tmp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """In the place of /tmp."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


@contextmanager
def held_by_another_process(folder: Path) -> Iterator[subprocess.Popen[str]]:
    code = "import sys, pathlib; from app.ticket_folder import hold; hold(pathlib.Path(sys.argv[1])); print(1); input()"
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(folder)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "1\n"
        yield process
        process.kill()


def test_what_a_killed_server_left_is_cleared_and_a_live_ones_folder_is_not(tmp: Path) -> None:
    """106 were left after as many kills."""
    kept, left = (tmp / f"{ticket_folder.PREFIX}{name}" for name in ("kept", "left"))
    with held_by_another_process(kept), held_by_another_process(left) as killed:
        (left / hash_of("x")).write_text("1\nlab")
        ticket_folder.clear_leftovers()
        assert {kept, left} == set(tmp.iterdir())
        killed.kill()
        killed.wait()
        ticket_folder.clear_leftovers()
        assert set(tmp.iterdir()) == {kept}


def test_what_is_not_ours_is_left_alone(tmp: Path) -> None:
    others = tmp / f"{ticket_folder.PREFIX}others"
    outside = tmp / "outside"
    for folder in (others, outside):
        folder.mkdir(mode=0o700)
    (others / "notes").write_text("mine")
    (tmp / f"{ticket_folder.PREFIX}link").symlink_to(outside)
    (outside / hash_of("x")).write_text("1\nlab")
    before = sorted(tmp.rglob("*"))
    ticket_folder.clear_leftovers()
    assert sorted(tmp.rglob("*")) == before


def test_a_folder_that_is_swept_away_is_made_again_and_held(tmp: Path) -> None:
    path, handle = ticket_folder.make()
    tickets = FileTickets(path)
    tickets.issue("lab")
    os.close(handle)
    for entry in path.iterdir():
        entry.unlink()
    path.rmdir()
    ticket = tickets.issue("lab")
    ticket_folder.clear_leftovers()
    assert tickets.redeem(ticket) == "lab"
    assert tickets.redeem(ticket) is None


@pytest.mark.parametrize("mode", [0o701, 0o770, 0o707])
def test_no_ticket_is_kept_or_believed_where_others_could_put_one(tmp: Path, mode: int) -> None:
    path, handle = ticket_folder.make()
    tickets = FileTickets(path)
    ticket = tickets.issue("lab")
    path.chmod(mode)
    for keeper in (tickets, FileTickets(path)):
        for attempt in (keeper.issue, keeper.redeem):
            with pytest.raises(NotReadyError, match="not this user's alone"):
                attempt(ticket)
    path.chmod(0o700)
    assert tickets.redeem(ticket) == "lab"
    os.close(handle)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder to somebody else")
def test_another_users_folder_is_not_believed(tmp: Path) -> None:
    path = tmp / "theirs"
    path.mkdir(mode=0o700)
    os.chown(path, 65534, 65534)
    with pytest.raises(NotReadyError, match="not this user's alone"):
        FileTickets(path).redeem("x")


def test_a_link_in_its_place_is_not_followed(tmp: Path) -> None:
    (tmp / "real").mkdir(mode=0o700)
    (tmp / "link").symlink_to(tmp / "real")
    with pytest.raises(NotReadyError):
        FileTickets(tmp / "link").issue("lab")
    assert list((tmp / "real").iterdir()) == []


@pytest.mark.parametrize("content", ["", "soon\nlab", "1e400x"])
def test_a_ticket_that_was_half_written_opens_nothing(tmp: Path, content: str) -> None:
    path, handle = ticket_folder.make()
    (path / hash_of("x")).write_text(content)
    assert FileTickets(path).redeem("x") is None
    os.close(handle)
