"""Which model a server runs where nobody names one."""

from __future__ import annotations

from pathlib import Path

from app.api.sse import events as sse
from app.config import EmgMode, Settings
from app.inference.manifest import Parent
from app.serving.build import make_runtime
from tests.emg.recording_makers import write_npz
from tests.inference.artefacts import make_artefact


def test_a_persons_own_model_does_not_take_the_place_of_one_for_all(tmp_path: Path) -> None:
    """Twenty people's calibrated models lie beside the one that they come from."""
    models = tmp_path / "instance" / "models"
    parent = make_artefact(models / "pooled", name="pooled")
    make_artefact(models / "anna", name="anna", parent=Parent("pooled", parent.sha256))
    make_artefact(models / "bea", name="bea", training={"person": "bea"})
    make_artefact(models / "synthetic-16ch-2khz", name="synthetic-16ch-2khz", channels=16, rate=2000)
    recording = write_npz(tmp_path / "four.npz", channels=4, fs=200)
    settings = Settings(
        emg_mode=EmgMode.NINAPRO, recording=recording, backends=("pytorch",), instance=models.parent
    )
    runtime = make_runtime(settings, sse.encode)
    assert runtime.expected is not None
    assert runtime.expected.name == "pooled"
    runtime.close()
