"""Training: the same every time, stopped by people kept apart, and going on where it was cut off."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from app.inference.networks import Classifier, build_for, state_arrays
from app.learning.batches import Windows, balanced_draw
from app.learning.progress import Progress
from app.learning.training import Schedule, Trainer, balanced_accuracy
from tests.learning import makers

SHORT = Schedule(epochs=4, windows=1024, batch=64, learning_rate=5e-3)


@pytest.fixture(scope="module")
def windows(tmp_path_factory: pytest.TempPathFactory) -> Windows:
    described = makers.manifest()
    return Windows(makers.dataset(tmp_path_factory.mktemp("people")), described.mean, described.std)


def network(architecture: str = "tcn") -> Classifier:
    torch.manual_seed(0)
    return build_for(makers.manifest(architecture=architecture))


def silent(items: Any, total: int, what: str) -> Any:
    return items


def interrupted_after(epochs: int) -> Progress:
    """A progress bar that stops the program when a later epoch would begin."""

    def progress(items: Any, total: int, what: str) -> Any:
        if what == f"epoch {epochs + 1}":
            raise KeyboardInterrupt
        return items

    return progress


@pytest.mark.parametrize("architecture", ["tcn", "spiking_tcn", "power"])
def test_a_network_learns_people_it_has_not_seen(windows: Windows, architecture: str) -> None:
    learner = network(architecture)

    Trainer(learner, windows, [0, 1], [2], SHORT).run(None, silent)

    assert balanced_accuracy(learner, windows, [2]) > 0.8


def test_the_same_seed_gives_the_same_weights(windows: Windows) -> None:
    one, other = network(), network()

    for learner in (one, other):
        Trainer(learner, windows, [0, 1], [2], SHORT).run(None, silent)

    for name, array in state_arrays(one).items():
        assert (array == state_arrays(other)[name]).all(), name


def test_a_resumed_training_ends_where_an_unbroken_one_does(windows: Windows, tmp_path: Path) -> None:
    unbroken, broken, resumed = network(), network(), network()
    Trainer(unbroken, windows, [0, 1], [2], SHORT).run(None, silent)

    with pytest.raises(KeyboardInterrupt):
        Trainer(broken, windows, [0, 1], [2], SHORT).run(tmp_path / "run.pt", interrupted_after(2))
    state = Trainer(resumed, windows, [0, 1], [2], SHORT).run(tmp_path / "run.pt", silent)

    assert state.epoch == 4
    for name, array in state_arrays(unbroken).items():
        assert (array == state_arrays(resumed)[name]).all(), name
    assert [path.name for path in tmp_path.iterdir()] == ["run.pt"]


def trainer_with_scores(windows: Windows, scores: list[float], monkeypatch: Any, **changes: Any) -> Trainer:
    """Whose people kept apart score that, epoch by epoch."""
    coming = iter(scores)
    monkeypatch.setattr("app.learning.training.balanced_accuracy", lambda *_: next(coming))
    return Trainer(network(), windows, [0, 1], [2], Schedule(windows=64, batch=64, **changes))


def test_people_kept_apart_stop_the_training(windows: Windows, monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = trainer_with_scores(windows, [0.5, 0.6, 0.4, 0.4, 0.4, 0.4], monkeypatch, epochs=20, patience=3)

    state = trainer.run(None, silent)

    assert (state.best_epoch, state.epoch) == (2, 5)


def test_a_later_epoch_is_taken_unless_it_is_clearly_worse(
    windows: Windows, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = trainer_with_scores(windows, [0.5, 0.6, 0.59, 0.57], monkeypatch, epochs=4).run(None, silent)

    assert state.best_epoch == 3


def test_every_group_is_drawn_as_often_as_any_other() -> None:
    groups = torch.tensor([0] * 900 + [1] * 90 + [2] * 10).numpy()

    drawn = balanced_draw(groups, 3000, torch.Generator().manual_seed(0))

    counts = torch.bincount(torch.from_numpy(groups)[drawn])
    assert counts.tolist() == pytest.approx([1000, 1000, 1000], abs=100)
