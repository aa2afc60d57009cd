"""The turn of the electrode ring, found with labels and without."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from app.inference.networks import Classifier, build_for
from app.learning.alignment import Alignment, by_labels, canonical, turned, without_labels
from app.learning.batches import Windows
from app.learning.calibration import calibrate
from app.learning.datasets import read
from tests.learning import makers


def windows_of(folder: Path, count: int = 1, **changes: object) -> Windows:
    described = makers.manifest()
    data = read(makers.recordings(folder, count, **changes), described)
    return Windows(data, described.mean, described.std)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Classifier:
    """A network that knows people whose ring is not turned."""
    windows = windows_of(tmp_path_factory.mktemp("straight"), 2)
    torch.manual_seed(0)
    network = build_for(makers.manifest())
    return calibrate(network, windows, np.arange(len(windows.data.label)))


@pytest.mark.parametrize("architecture", ["tcn", "spiking_tcn", "power"])
def test_an_aligned_network_gives_what_the_network_gives_of_the_aligned_signal(architecture: str) -> None:
    shape = {"width": 8, "stem_kernel": 4, "stem_stride": 2}
    torch.manual_seed(1)
    network = build_for(makers.manifest(architecture=architecture, hyper_parameters=shape)).eval()
    emg = torch.randn(5, makers.LENGTH, makers.CHANNELS)

    found = turned(network, Alignment(roll=1, gain=1.4))(emg)
    expected = network(torch.roll(emg, 1, 2) * 1.4)

    found, expected = (one[0] if isinstance(one, tuple) else one for one in (found, expected))
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("roll", [0, 1, -1])
def test_a_turned_ring_is_found_with_labels(trained: Classifier, tmp_path: Path, roll: int) -> None:
    windows = windows_of(tmp_path, roll=roll)

    found = by_labels(trained, windows, np.arange(len(windows.data.label)))

    assert found.roll == -roll


@pytest.mark.parametrize("roll", [0, 1, -1])
def test_a_turned_ring_is_found_without_labels(trained: Classifier, tmp_path: Path, roll: int) -> None:
    windows = windows_of(tmp_path, roll=roll)
    windows.label.fill_(0)

    found = without_labels(trained, windows, np.arange(len(windows.data.label)))

    assert found.roll == -roll


def test_a_louder_session_is_brought_half_of_the_way_back(trained: Classifier, tmp_path: Path) -> None:
    windows = windows_of(tmp_path)
    rows = np.arange(len(windows.data.label))

    found = without_labels(trained, windows, rows)

    assert found.gain == pytest.approx(windows.level(rows) ** -0.5, rel=0.01)


def test_people_are_turned_to_agree_and_the_others_left_alone(tmp_path: Path) -> None:
    for k, roll in enumerate((0, 0, 0, 1, 2)):
        makers.person(tmp_path / f"S{k}.npz", seed=k, roll=roll)
    data = read([makers.load(path) for path in sorted(tmp_path.glob("*.npz"))], makers.manifest())

    same = canonical(data, [0, 1, 2, 3])

    def loudest(person: int) -> int:
        rows = np.flatnonzero((data.person == person) & (data.label == 1))
        return int(np.abs(same.windows(rows)).mean((0, 1)).argmax())

    assert [loudest(person) for person in range(4)] == [0, 0, 0, 0]
    untouched = data.rows_of([4])
    np.testing.assert_array_equal(same.windows(untouched), data.windows(untouched))
