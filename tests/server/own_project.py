"""A server with an instance folder of its own: it records into that of its code, which tests leave alone."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from app.config import ROOT
from tests.server.live import START_POLL_S, START_S, Live, gunicorn, until


def project(folder: Path) -> Path:
    """A copy of the project with an instance folder of its own: a server records into that of its code."""
    made = folder / "project"
    (made / "instance").mkdir(parents=True)
    # copies: clients may delete models
    shutil.copytree(ROOT / "instance" / "models", made / "instance" / "models")
    for name in ("app", "templates", "wsgi.py", "gunicorn.conf.py"):
        if (ROOT / name).is_dir():
            # with its bytecode, but for what is being written: a server need not compile three hundred files
            shutil.copytree(ROOT / name, made / name, ignore=shutil.ignore_patterns("*.pyc.*"))
        elif (ROOT / name).exists():
            shutil.copy(ROOT / name, made / name)
    return made


def faulty_project(folder: Path) -> Path:
    """The same, whose engine and source fail while files in it say so (faulty.conf.py)."""
    made = project(folder)
    (made / "gunicorn.conf.py").rename(made / "own.conf.py")
    shutil.copy(Path(__file__).with_name("faulty.conf.py"), made / "gunicorn.conf.py")
    return made


@contextmanager
def serving(folder: Path, **settings: str) -> Iterator[Live]:
    with gunicorn(folder.parent, prefix=("env", "-C", str(folder)), **settings) as live:
        until(lambda: live.ready() or live.process.poll() is not None, START_S, START_POLL_S)
        assert live.process.poll() is None, live.log
        yield live
