"""A model's folder is the old one or the new one, whenever the writer dies."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.config import ROOT
from app.errors import ArtefactError
from app.inference.artefact import Artefact, expect_free, find, list_artefacts, load, save, weights_bytes
from tests.inference.artefacts import make_manifest

WEIGHTS = weights_bytes({"head.weight": np.zeros((2, 3), np.float32)})

# Replaces the model in argv[1]/1, argv[1]/2, ... and dies, as by SIGKILL, before the 1st, 2nd, ... change of the disk;
# says how many times it died before it came to the end.
DIES = """
import os, sys
from dataclasses import replace
from pathlib import Path
from app.inference.artefact import load, save

CHANGES = {"os.rename", "os.mkdir", "os.rmdir", "os.remove"}

def replace_model(folder):
    model = load(folder)
    files = {name: model.file(name) for name in model.manifest.files}
    newer = replace(model.manifest, version="2")
    save(folder, newer, {**files, "model.onnx": b"new"}, replacing=True, card=b"card")

def die_before(step):
    left = [step]
    def count(event, args):
        opened = event == "open" and isinstance(args[1], str) and set(args[1]) & set("wxa")
        left[0] -= bool(opened or event in CHANGES)
        if not left[0]:
            os._exit(9)
    sys.addaudithook(count)

for step, folder in enumerate(sorted(Path(sys.argv[1]).iterdir(), key=lambda path: int(path.name)), 1):
    child = os.fork()
    if not child:
        die_before(step)
        replace_model(folder / "tiny")
        os._exit(0)
    ended = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if ended == 0:
        print(step - 1)
        break
    assert ended == 9, ended
"""


def write_artefact(path: Path, files: dict[str, bytes] | None = None, **changes: Any) -> Artefact:
    return save(path, make_manifest(**changes), {"weights.safetensors": WEIGHTS, **(files or {})})


def died_at_every_step(folder: Path) -> list[Path]:
    """Folders of models, whose one model's writer died a step later in each."""
    for step in range(1, 40):
        made = write_artefact(folder / str(step) / "tiny", {"folds/fold0.safetensors": b"fold"})
        (made.path / "README.md").write_text("card")
    command = [sys.executable, "-c", DIES, str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return [folder / str(step) for step in range(1, int(done.stdout) + 1)]


def test_whenever_the_writer_dies_the_model_is_there_and_whole(tmp_path: Path) -> None:
    """Listed, found, of one version; the next writer leaves nothing behind; and what is deleted stays deleted."""
    versions = []
    for models in died_at_every_step(tmp_path):
        assert list_artefacts(models) == ("tiny",), models

        found = find("tiny", models)
        assert ("model.onnx" in found.manifest.files) == (found.manifest.version == "2")
        assert (found.path / "README.md").read_text() == "card"
        versions.append(found.manifest.version)

        shutil.rmtree(models / "tiny")
        assert list_artefacts(models) == (), "a half deleted folder came back"
        write_artefact(models / "tiny")
        assert [entry.name for entry in models.iterdir()] == ["tiny"]
    assert versions == sorted(versions), "first the old one, then the new one"
    assert {"1.0.0", "2"} == set(versions)
    assert len(versions) > 8


def test_nothing_is_written_over_what_is_there_unless_told(tmp_path: Path) -> None:
    before = write_artefact(tmp_path / "tiny")
    weights = {"weights.safetensors": before.path / "weights.safetensors"}

    for refused in (
        lambda: expect_free(tmp_path / "tiny"),
        lambda: save(tmp_path / "tiny", make_manifest(version="2"), weights),
    ):
        with pytest.raises(ArtefactError, match=r"tiny exists; choose another name"):
            refused()

    assert load(tmp_path / "tiny").sha256 == before.sha256
    assert [entry.name for entry in tmp_path.iterdir()] == ["tiny"]


def test_a_reader_waits_for_the_writer_that_lives(tmp_path: Path) -> None:
    """Between the two renames there is no folder; a reader must neither miss it nor take the old one back."""
    write_artefact(tmp_path / "tiny")
    writer = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(writer, fcntl.LOCK_EX)
    (tmp_path / "tiny").rename(tmp_path / ".tiny.old")
    write_artefact(tmp_path / "new" / "tiny", version="2")
    found: list[str] = []
    reader = threading.Thread(target=lambda: found.append(load(tmp_path / "tiny").manifest.version))

    reader.start()
    reader.join(0.2)  # so that it has begun
    (tmp_path / "new" / "tiny").rename(tmp_path / "tiny")
    os.close(writer)
    reader.join(10)

    assert found == ["2"]
