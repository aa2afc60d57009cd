"""The files in deploy/ against the tools that read them, and against the rest of the project."""

from __future__ import annotations

import fnmatch
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from app.config import DOTENV, ROOT

DEPLOY = ROOT / "deploy"
DOCKERFILES = sorted(path.name for path in DEPLOY.glob("Dockerfile*"))
MOST_EXPOSED = 2.0  # of 10, by systemd-analyze


def unit() -> dict[str, list[str]]:
    """Every setting of the unit and its values."""
    found: dict[str, list[str]] = {}
    for line in (DEPLOY / "myostream.service").read_text("utf-8").splitlines():
        name, is_one, value = line.partition("=")
        if is_one and not line.startswith("#"):
            found.setdefault(name, []).append(value)
    return found


def systemd(*arguments: str) -> str:
    """What systemd-analyze says."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    run = subprocess.run(["systemd-analyze", *arguments], capture_output=True, text=True, check=False)
    return run.stdout + run.stderr


def test_systemd_understands_every_line_of_the_unit(tmp_path: Path) -> None:
    text = (DEPLOY / "myostream.service").read_text("utf-8")
    copy = tmp_path / "myostream.service"
    copy.write_text(text.replace("/opt/myostream/.venv/bin/gunicorn", "/bin/true"))
    said = systemd("verify", "--man=no", str(copy))
    assert "myostream.service" not in said, said


def test_the_unit_is_hardened() -> None:
    said = systemd("security", "--offline=true", "--no-pager", str(DEPLOY / "myostream.service"))
    level = re.search(r"Overall exposure level for myostream.service: ([\d.]+)", said)
    if level is None:
        pytest.skip(f"this systemd-analyze has no --offline: {said[:200]}")
    assert float(level[1]) <= MOST_EXPOSED


def test_the_unit_gives_gunicorn_the_time_and_the_descriptors_it_asks_for() -> None:
    conf = (ROOT / "gunicorn.conf.py").read_text("utf-8")
    graceful = re.search(r"^graceful_timeout = (\d+)", conf, re.MULTILINE)
    descriptors = re.search(r"min\(hard, (\d+)\)", conf)
    assert graceful is not None
    assert descriptors is not None
    found = unit()
    assert int(found["TimeoutStopSec"][0]) >= int(graceful[1]) + 5
    assert int(found["LimitNOFILE"][0]) >= int(descriptors[1])
    assert found["KillSignal"] == ["SIGTERM"]
    assert {"char-ttyUSB rw", "char-ttyACM rw"} == set(found["DeviceAllow"])


def test_the_unit_has_a_folder_for_a_unix_socket_and_lets_its_group_in() -> None:
    found = unit()
    assert (found["RuntimeDirectory"], found["RuntimeDirectoryMode"]) == (["myostream"], ["0750"])
    page = (ROOT / "docs" / "deployment.md").read_text("utf-8")
    assert f"EMG_BIND=unix:/run/{found['RuntimeDirectory'][0]}/" in page
    assert f"usermod -aG {found['Group'][0]} " in page


def test_settings_lie_where_the_server_reads_them_again_at_a_reload() -> None:
    """They came from EnvironmentFile, and what the environment says stays: a reload changed none of them."""
    folder = unit()["WorkingDirectory"][0]
    page = (ROOT / "docs" / "deployment.md").read_text("utf-8")
    assert DOTENV == ROOT / ".env"
    assert f"cd {folder} && " in page
    assert " .env.example .env " in page
    assert f"`{folder}/.env`" in page


@pytest.mark.parametrize("name", DOCKERFILES)
def test_hadolint_has_nothing_to_say(name: str) -> None:
    linter = Path(sys.executable).with_name("hadolint")
    run = subprocess.run([linter, DEPLOY / name], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout


@pytest.mark.parametrize("name", DOCKERFILES)
def test_a_dockerfile_copies_what_is_there_and_what_the_build_may_see(name: str) -> None:
    text = (DEPLOY / name).read_text("utf-8")
    seen = [
        line[1:] for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines() if line.startswith("!")
    ]
    copied = [
        source
        for line in re.findall(r"^COPY (?!--from)(.+)$", text, re.MULTILINE)
        for source in line.split()[:-1]
    ]
    assert {"app", "wsgi.py", "gunicorn.conf.py", "requirements.txt"} <= set(copied)
    for source in copied:
        assert (ROOT / source).exists(), source
        assert any(fnmatch.fnmatch(line, f"{source}*") for line in seen), f"{source} is not in .dockerignore"


@pytest.mark.parametrize("name", DOCKERFILES)
def test_an_image_is_not_root_says_how_it_is_and_has_the_pinned_pytorch(name: str) -> None:
    text = (DEPLOY / name).read_text("utf-8")
    pinned = re.search(r"^torch==\S+", (ROOT / "requirements.txt").read_text("utf-8"), re.MULTILINE)
    assert pinned is not None
    assert f" {pinned[0]} " in text
    final = text.rsplit("\nFROM ", 1)[1]
    assert re.search(r"^USER [1-9]\d*$", final, re.MULTILINE)
    assert "/health/ready" in final[final.index("HEALTHCHECK") :]
    assert re.search(
        r'^CMD \["\.venv/bin/gunicorn", "-c", "gunicorn\.conf\.py", "wsgi:app"\]$', final, re.MULTILINE
    )
