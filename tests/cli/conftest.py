"""Commands run in this process, in an empty folder with one small model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from flask import Flask

from app import cli
from tests.learning import makers

Run = Callable[..., Result]


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An instance/models with one untrained model, tiny; the working directory is empty."""
    folder = tmp_path / "models"
    makers.artefact(folder / "tiny")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setattr("app.cli.model_folder.model_folders", lambda: (folder,))
    return folder


@pytest.fixture
def run(models: Path) -> Run:
    app = Flask("commands")
    cli.register(app)

    def invoke(*words: object) -> Result:
        return app.test_cli_runner().invoke(args=["model", *map(str, words)])

    return invoke
