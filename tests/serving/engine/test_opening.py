from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from app.config import Settings
from app.errors import ArtefactError, ConfigError
from app.inference import openers as openers_module
from app.inference.artefact import Artefact
from app.inference.onnx.backend import GRAPHS
from app.serving.engine import opening
from app.serving.engine.opening import make_engine, open_artefact
from tests.inference.artefacts import make_artefact


@pytest.fixture
def instance(tmp_path: Path) -> Path:
    """Two models."""
    for name in ("tiny", "wide"):
        make_artefact(tmp_path / "models" / name, name=name)
    return tmp_path


def chosen(instance: Path, **changes: Any) -> Settings:
    return Settings(**{"instance": instance, "model": "tiny", **changes})


@pytest.mark.parametrize(
    ("field", "value", "own", "variable"),
    [
        ("window", 40, "20", "EMG_WIN=40"),
        ("channels", 8, "4", "EMG_CH=8"),
        ("sampling_rate", 1000.0, "200", "EMG_FS=1000"),
    ],
)
def test_a_setting_that_contradicts_the_model_names_both_values(
    instance: Path, field: str, value: float, own: str, variable: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        open_artefact(chosen(instance, **{field: value}))
    assert f"{variable} contradicts the model tiny, which takes {own}:" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_settings_that_say_what_the_model_says_are_welcome(instance: Path) -> None:
    found = open_artefact(chosen(instance, window=20, channels=4, sampling_rate=200.0))
    assert found.manifest.name == "tiny"


def test_a_model_that_is_not_there_lists_those_that_are(instance: Path) -> None:
    with pytest.raises(ArtefactError, match="tiny, wide"):
        open_artefact(chosen(instance, model="huge"))


@pytest.mark.parametrize(
    ("graphs", "asked", "used"),
    [
        pytest.param(("fp32", "int8"), None, "int8", id="int8 by default"),
        pytest.param(("fp32",), None, "fp32", id="fp32 where there is no int8"),
        pytest.param(("fp32", "int8"), "fp32", "fp32", id="as the operator says"),
        pytest.param(("fp32",), "fp16", "fp16", id="even where it is missing"),
    ],
)
def test_the_precision_of_onnx_runtimes_graph(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, graphs: tuple[str, ...], asked: str | None, used: str
) -> None:
    model = make_artefact(tmp_path / "tiny", files={GRAPHS[graph]: b"a graph" for graph in graphs})
    seen: list[str] = []

    def noted(
        artefact: Artefact, plan: Path, *, onnx_precision: str, or_fp32: bool, **more: Any
    ) -> dict[str, openers_module.OpenBackend]:
        seen.append(onnx_precision)
        assert or_fp32 == (asked is None), "what the operator chose is not exchanged"
        return openers_module.openers(artefact, plan, onnx_precision=onnx_precision, or_fp32=or_fp32, **more)

    monkeypatch.setattr(opening, "openers", noted)
    make_engine(Settings(instance=tmp_path, onnx_precision=asked), model)
    assert seen == [used]


def test_the_engine_has_the_operators_backends_in_his_order(tmp_path: Path) -> None:
    model = make_artefact(tmp_path / "tiny")
    engine = make_engine(Settings(backends=("onnxruntime", "tensorrt"), instance=tmp_path), model)
    assert list(engine.openers) == ["onnxruntime", "tensorrt"]
    assert (engine.model.length, engine.model.channels) == (20, 4)


@pytest.mark.parametrize(
    ("backends", "lazy"),
    [
        (("tensorrt", "onnxruntime", "pytorch"), ["pytorch"]),
        (("pytorch", "onnxruntime"), []),
    ],
    ids=["not the first choice", "the first choice"],
)
def test_pytorch_waits_until_it_is_wanted(tmp_path: Path, backends: tuple[str, ...], lazy: list[str]) -> None:
    engine = make_engine(Settings(backends=backends, instance=tmp_path), make_artefact(tmp_path / "tiny"))
    assert [name for name, opener in engine.openers.items() if opener.lazy] == lazy
