"""What a worker does at every tick."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from app.config import Settings
from app.serving.upkeep import Upkeep


class Part:
    """Counts how often it is looked after, and keeps what it is told."""

    def __init__(self, **held: Any) -> None:
        self.ticks, self.noted = 0, list[Any]()
        self.held = held

    def __getattr__(self, name: str) -> Any:
        return self.held[name]

    def tick(self) -> None:
        self.ticks += 1

    def note(self, value: Any) -> None:
        self.noted.append(value)


def model(name: str, *troubles: str | None) -> Any:
    far = {str(k): SimpleNamespace(trouble=trouble) for k, trouble in enumerate(troubles)}
    return SimpleNamespace(name=name, grew=1, engine=SimpleNamespace(backends=Part(elsewhere=far)))


@pytest.mark.parametrize(("chosen", "said"), [(("remote", "onnxruntime"), [1]), (("onnxruntime",), [])])
def test_each_part_is_looked_after_and_a_fleet_only_where_there_is_one(
    chosen: tuple[str, ...], said: list[int]
) -> None:
    models = [model("a", "it does not answer", None), model("b")]
    leaving, trainings, own, owned = (Part() for _ in range(4))
    source_models = Part(open=models)
    metrics = SimpleNamespace(fleet=Part(), open_models=Part())
    tidied: list[str] = []
    pipelines: Any = [SimpleNamespace(named=SimpleNamespace(tidy=lambda: tidied.append("arm")))]
    parts: Any = (metrics, leaving, pipelines, source_models, trainings, own, SimpleNamespace(owned=owned))
    settings = Settings(backends=chosen, oip_url="http://127.0.0.1:1" if "remote" in chosen else None)
    Upkeep(settings, *parts).tick()
    looked_after = [leaving, trainings, own, owned, source_models, *(one.engine.backends for one in models)]
    assert [part.ticks for part in looked_after] == [1] * 7
    assert tidied == ["arm"]
    assert metrics.open_models.noted == [{"a": 1, "b": 1}]
    assert metrics.fleet.noted == said
