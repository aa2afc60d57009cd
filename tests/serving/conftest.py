"""A worker's runtime on a source that the test feeds."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from app.inference.artefact import Artefact
from tests.inference.artefacts import make_artefact
from tests.serving.stage import Stage


@pytest.fixture(scope="module")
def artefact(tmp_path_factory: pytest.TempPathFactory) -> Artefact:
    return make_artefact(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture
def stage(artefact: Artefact) -> Iterator[Stage]:
    stage = Stage(artefact)
    yield stage
    stage.runtime.close()
