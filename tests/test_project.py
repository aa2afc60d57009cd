"""Looks at the project itself: what is promised in one place is kept in the others."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from app.config import ROOT, VARIABLES, Settings

NAMES = [variable.name for variable in VARIABLES]
TARGETS = ["help", "serve", "test", "test-all", "check", "format", "bench", "soak", "lowest", "clean"]


def tracked(*patterns: str) -> list[Path]:
    """Files that git has or would take; the tests are skipped where the project is no clone."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *patterns]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if run.returncode != 0:
        pytest.skip("not a git clone")
    return [path for name in run.stdout.splitlines() if (path := ROOT / name).is_file()]


def make(*arguments: str) -> str:
    """What make prints, also when these tests were started by make themselves."""
    environment = {
        k: v for k, v in os.environ.items() if not k.startswith("MAKE") and k not in ("MFLAGS", "VENV")
    }
    run = subprocess.run(
        ["make", *arguments], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    return run.stdout


def table_of_settings() -> dict[str, str]:
    """What docs/settings.md says is the default of each setting."""
    text = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
    return dict(re.findall(r"^\| `([A-Z_]+)` \| (.*?) ?\| ", text, flags=re.MULTILINE))


def test_the_table_of_settings_has_a_row_for_every_setting_and_no_other() -> None:
    assert sorted(table_of_settings()) == sorted(NAMES)


def test_the_table_of_settings_and_env_example_show_the_same_defaults() -> None:
    example = (ROOT / ".env.example").read_text(encoding="utf-8")
    shown = dict(re.findall(r"^# ([A-Z_]+)=(.*)$", example, flags=re.MULTILINE))
    plain = {name: default.strip("`") for name, default in table_of_settings().items() if " " not in default}
    assert {name: shown[name] for name in plain} == plain


def test_the_documents_name_only_settings_that_exist() -> None:
    of_clients = {"EMG_API_KEY"}  # what the Python client reads
    named = {
        (str(path.relative_to(ROOT)), name)
        for path in tracked("README.md", "CONTRIBUTING.md", "docs/*.md", "deploy/*")
        for name in re.findall(r"\bEMG_[A-Z_]*[A-Z]\b", path.read_text(encoding="utf-8"))
    }
    assert [(path, name) for path, name in sorted(named) if name not in {*NAMES, *of_clients}] == []


def test_env_example_shows_every_setting_and_no_other() -> None:
    example = (ROOT / ".env.example").read_text(encoding="utf-8")
    assert sorted(re.findall(r"^# ([A-Z_]+)=", example, flags=re.MULTILINE)) == sorted(NAMES)


def test_env_example_uncommented_changes_nothing(tmp_path: Path, clean_environment: None) -> None:
    example = (ROOT / ".env.example").read_text(encoding="utf-8")
    dotenv = tmp_path / ".env"
    dotenv.write_text(re.sub(r"^# (?=[A-Z_]+=)", "", example, flags=re.MULTILINE), encoding="utf-8")
    assert Settings.from_env(dotenv) == Settings()


def test_imports_point_down_and_every_package_keeps_its_home() -> None:
    lint = Path(sys.executable).with_name("lint-imports")
    run = subprocess.run([lint], cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr


@pytest.mark.parametrize("name", [path.name for path in sorted(ROOT.glob("requirements*.txt"))])
def test_every_requirement_can_be_parsed_and_has_a_floor(name: str) -> None:
    lines = [
        line.partition("#")[0].strip() for line in (ROOT / name).read_text(encoding="utf-8").splitlines()
    ]
    requirements = [Requirement(line) for line in lines if line and not line.startswith("-r ")]
    assert requirements
    for requirement in requirements:
        assert any(bound.operator in (">=", "==", "~=") for bound in requirement.specifier), str(requirement)


@pytest.mark.parametrize("target", TARGETS)
def test_make_has_the_target_and_help_lists_it(target: str) -> None:
    assert re.search(rf"^make {target}\s+\S", make("help"), flags=re.MULTILINE)


def test_make_serve_becomes_gunicorn_so_that_signals_reach_it() -> None:
    last = make("-n", "serve").splitlines()[-1]
    assert last == "exec .venv/bin/gunicorn -c gunicorn.conf.py wsgi:app"


def test_the_documents_name_only_files_that_exist() -> None:
    missing = [
        f"{path.relative_to(ROOT)}: {name}"
        for path in tracked("*.md")
        for name in re.findall(
            r"(?<![\w/.])(?:app|docs|tests|instance|examples|benchmarks)/[\w/.-]*\w", path.read_text("utf-8")
        )
        if not (ROOT / name).exists() and "instance/" not in name
    ]
    assert missing == []


def test_nothing_is_stored_as_a_pickle() -> None:
    """Loading one runs whatever its author wanted."""
    assert tracked("*.pkl", "*.pickle", "*.pt", "*.pth", "*.joblib") == []


def test_no_file_names_a_path_of_one_machine() -> None:
    of_one_machine = re.compile(r"(?<![\w.])/(?:work|root|home/\w+|tmp/venv)/")
    binary = {".bin", ".safetensors", ".onnx", ".npz", ".npy", ".mat", ".png", ".woff2"}
    guilty = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in tracked()
        if path.suffix not in binary and path != Path(__file__).resolve()
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if of_one_machine.search(line)
    ]
    assert guilty == []


def test_every_ignored_complaint_about_types_has_its_reason() -> None:
    """Behind it, or in the comment above it where the line is full."""
    ignored = re.compile(r"#\s*type:\s*ignore(?:\[[\w, -]+\])?(?P<reason>\s+#\s*\w.*)?$")
    guilty = []
    for path in tracked("*.py"):
        above = ""
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
            found = ignored.search(line)
            if found and not found["reason"] and not above.lstrip().startswith("# "):
                guilty.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()}")
            above = line
    assert guilty == []


def test_what_the_edge_is_given_is_what_everybody_is_given_without_pytorch() -> None:
    """The same bounds; and nothing is left out but what the file names or PyTorch alone needs."""

    def bounds(name: str) -> dict[str, str]:
        lines = (line.partition("#")[0].strip() for line in (ROOT / name).read_text("utf-8").splitlines())
        return {re.split(r"[<>=\[;]", line)[0]: line for line in lines if line}

    everybody, edge = bounds("requirements.txt"), bounds("requirements-edge.txt")
    assert edge.items() <= everybody.items()
    assert everybody.keys() - edge.keys() == {"torch", "onnxscript", "rich"}
