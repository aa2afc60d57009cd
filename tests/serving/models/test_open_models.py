"""Models that are opened and closed in a worker, with engines that take as long as the test wants."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any, cast

import pytest

from app.errors import BackendUnavailableError, ModelNameError, OverloadedError
from app.inference import artefact
from app.inference.artefact import Artefact
from app.serving.engine.engine import Engine
from app.serving.models.open_models import OpenModels
from app.serving.models.shelf import ModelShelf
from tests.inference.artefacts import make_artefact

GIVE_UP_S = 30.0


class SlowEngine:
    """Opens once `go` is set; `began` says that it waits. Raises `trouble` where there is one."""

    def __init__(self) -> None:
        self.go, self.began, self.closed = threading.Event(), threading.Event(), False
        self.trouble: Exception | None = None

    def open(self) -> None:
        self.began.set()
        assert self.go.wait(GIVE_UP_S)
        if self.trouble is not None:
            raise self.trouble

    def close(self) -> None:
        self.closed = True


class Opening:
    """A model that another thread opens, and what came of it."""

    def __init__(self, models: OpenModels, name: str) -> None:
        self.outcome: Any = None
        self._models, self._name = models, name
        self._thread = threading.Thread(target=self._open)
        self._thread.start()

    def _open(self) -> None:
        try:
            self.outcome = self._models.hold(self._name)
        except Exception as error:
            self.outcome = error

    def result(self) -> Any:
        self._thread.join(GIVE_UP_S)
        return self.outcome


@pytest.fixture
def engines() -> dict[str, SlowEngine]:
    return {name: SlowEngine() for name in ("one", "two")}


@pytest.fixture
def shelf(tmp_path: Path) -> ModelShelf:
    for name in ("one", "two"):
        make_artefact(tmp_path / name, name=name)
    return ModelShelf([tmp_path])


@pytest.fixture
def models(shelf: ModelShelf, engines: dict[str, SlowEngine]) -> OpenModels:
    def make(model: Artefact) -> Engine:
        return cast(Engine, engines[model.manifest.name])

    return OpenModels(None, shelf.sound, make, most=1)


def test_one_that_is_being_opened_takes_a_place(models: OpenModels, engines: dict[str, SlowEngine]) -> None:
    """Two that began together were both open, beyond EMG_MAX_MODELS."""
    first = Opening(models, "one")
    assert engines["one"].began.wait(GIVE_UP_S)
    engines["two"].go.set()
    with pytest.raises(OverloadedError, match="1 model is in use, as many as EMG_MAX_MODELS"):
        models.hold("two")
    engines["one"].go.set()
    assert first.result().name == "one"
    assert [one.name for one in models] == ["one"]


def test_one_that_cannot_be_opened_gives_its_place_back(
    models: OpenModels, engines: dict[str, SlowEngine]
) -> None:
    for engine in engines.values():
        engine.go.set()
    engines["one"].trouble = BackendUnavailableError("onnxruntime", "it does not open", "")
    with pytest.raises(BackendUnavailableError):
        models.hold("one")
    assert engines["one"].closed
    assert models.hold("two").name == "two"


def test_two_who_want_the_same_open_it_once(models: OpenModels, engines: dict[str, SlowEngine]) -> None:
    both = [Opening(models, "one"), Opening(models, "one")]
    assert engines["one"].began.wait(GIVE_UP_S)
    engines["one"].go.set()
    first, second = (one.result() for one in both)
    assert first is second
    assert first.held == 2


def test_a_model_is_found_by_its_name_without_a_look_at_the_others(
    shelf: ModelShelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A request that names a model asks for it each time; of 32 models that took 0.8 ms."""
    monkeypatch.setattr(artefact, "list_artefacts", None)
    assert shelf.sound("one").manifest.name == "one"
    for name in ("three", "../one", ".one", ""):
        with pytest.raises(ModelNameError):
            shelf.find(name)
