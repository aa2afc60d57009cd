"""The reference: what torch computes, without torch."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from app.errors import ArtefactError
from app.inference.artefact import Artefact, save, weights_bytes
from app.inference.manifest import NETWORKS
from app.inference.parity import fixed_windows
from app.inference.reference import reference_logits
from tests.inference.artefacts import make_artefact


def lively(folder: Path, architecture: str) -> Artefact:
    """A model whose batch normalisation has statistics that are not those of a new network."""
    plain = make_artefact(folder, architecture=architecture, length=40)
    generator = np.random.default_rng(3)
    arrays = {
        name: array + generator.uniform(0.1, 0.5, array.shape).astype(np.float32) if "norm" in name else array
        for name, array in plain.weights().items()
    }
    return save(folder, plain.manifest, {"weights.safetensors": weights_bytes(arrays)}, replacing=True)


@pytest.mark.parametrize("architecture", NETWORKS)
def test_every_architecture_gives_what_its_network_gives(tmp_path: Path, architecture: str) -> None:
    from app.inference.pytorch.backend import TorchBackend

    artefact = lively(tmp_path / "tiny", architecture)
    windows = fixed_windows(artefact.manifest)

    found = reference_logits(artefact, windows)

    np.testing.assert_allclose(
        found, TorchBackend.open(artefact, device="cpu").infer(windows).logits, atol=2e-5
    )
    assert np.ptp(found, axis=0).max() > 1e-3  # the windows differ in what they give


def test_weights_of_another_network_are_refused_in_one_line(tmp_path: Path) -> None:
    artefact = make_artefact(tmp_path / "tiny")
    other = save(
        tmp_path / "other", artefact.manifest, {"weights.safetensors": weights_bytes({"w": np.ones(2)})}
    )

    with pytest.raises(ArtefactError, match=r"weights\.safetensors is not of this network") as refusal:
        reference_logits(other, fixed_windows(other.manifest))

    assert "\n" not in str(refusal.value)


def test_it_needs_neither_torch_nor_onnxruntime() -> None:
    code = "import sys, app.inference.parity; sys.exit(bool({'onnxruntime', 'torch'} & set(sys.modules)))"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
