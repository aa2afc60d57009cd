from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from app import config
from app.api.sse import events as sse
from app.config import Settings
from app.errors import ConfigError
from app.serving.build import make_runtime
from app.serving.profiles.chosen import with_profile
from app.serving.profiles.profile import Profile
from app.serving.profiles.store import ProfileStore
from tests.inference.artefacts import make_artefact


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """With a model tiny of 4 channels, and a profile anna of it."""
    monkeypatch.setattr(config, "SHIPPED_MODELS", tmp_path / "shipped")
    make_artefact(tmp_path / "models" / "tiny")
    ProfileStore(tmp_path).keep(Profile(name="anna", model="tiny", montage="4-1"))
    return Settings(instance=tmp_path, profile="anna", backends=("onnxruntime",))


def test_without_one_the_settings_are_as_they_were(settings: Settings) -> None:
    plain = replace(settings, profile=None)
    assert with_profile(plain) is plain


def test_its_model_and_montage_take_the_place_of_what_is_not_set(settings: Settings, tmp_path: Path) -> None:
    assert with_profile(settings) == replace(settings, model="tiny", montage="4-1")
    for model in ("tiny", str(tmp_path / "models" / "tiny")):
        said = replace(settings, model=model, montage="4,3,2,1")
        assert with_profile(said) == replace(said, montage="4-1")


def test_what_it_does_not_say_is_the_operators(settings: Settings, tmp_path: Path) -> None:
    ProfileStore(tmp_path).keep(Profile(name="ben"))
    said = replace(settings, profile="ben", model="tiny", montage="2-5")
    assert with_profile(said) == said


def test_a_contradiction_names_both(settings: Settings) -> None:
    for said, line in (
        ({"model": "other"}, "EMG_MODEL=other contradicts EMG_PROFILE=anna, whose model is tiny"),
        ({"model": "none"}, "EMG_MODEL=none contradicts EMG_PROFILE=anna, whose model is tiny"),
        ({"montage": "1-4"}, "EMG_CHANNELS=1-4 contradicts EMG_PROFILE=anna, whose montage is 4-1"),
    ):
        with pytest.raises(ConfigError, match=line):
            with_profile(replace(settings, **said))


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("carl", "EMG_PROFILE=carl: no such profile in .*profiles, which has anna, damaged, gone, wide"),
        ("damaged", "EMG_PROFILE=damaged cannot be used: the profile damaged is damaged: "),
        ("gone", "EMG_PROFILE=gone cannot be used: model: no model 'gone'"),
        ("wide", "EMG_PROFILE=wide cannot be used: montage: 1-8 chooses 8 channels; the model tiny reads 4"),
    ],
)
def test_one_that_cannot_be_used_stops_the_start_in_one_line(
    settings: Settings, tmp_path: Path, name: str, why: str
) -> None:
    store = ProfileStore(tmp_path)
    store.keep(Profile(name="gone", model="gone"))
    store.keep(Profile(name="wide", model="tiny", montage="1-8"))
    (store.folder / "damaged.json").write_text("{")
    with pytest.raises(ConfigError, match=why) as refused:
        make_runtime(replace(settings, profile=name), sse.encode)
    assert "\n" not in str(refused.value)


def test_the_server_reads_its_source_as_the_profile_says(settings: Settings) -> None:
    runtime = make_runtime(replace(settings, emg_mode=config.EmgMode.DUMMY), sse.encode)
    try:
        assert runtime.manifest.name == "tiny"
        montage = runtime.pipelines.named().montage
        assert montage is not None
        assert montage.columns == (3, 2, 1, 0)
    finally:
        runtime.close()
