"""What augmentation may change, and what it must not."""

from __future__ import annotations

import pytest
import torch

from app.learning.augmentation import WITHIN_SESSION, Augmentation

OFF = Augmentation(roll=0, gain=0, channel_gain=0, drop=0, noise=0, shift=0)


def windows(batch: int = 400) -> torch.Tensor:
    return torch.randn(batch, 40, 8, generator=torch.Generator().manual_seed(1))


def chance() -> torch.Generator:
    return torch.Generator().manual_seed(2)


def only(**changes: float) -> Augmentation:
    return Augmentation(**{**{name: getattr(OFF, name) for name in OFF.__slots__}, **changes})


def test_everything_off_changes_nothing() -> None:
    torch.testing.assert_close(OFF(windows(), chance()), windows(), rtol=0, atol=0)


def test_whole_turns_only_permute_the_ring() -> None:
    turned = only(roll=1.0, fraction=False)(windows(), chance())

    for before, after in zip(windows(), turned, strict=True):
        assert any(torch.equal(torch.roll(before, k, 1), after) for k in range(-4, 5))


def test_a_fractional_turn_mixes_neighbours_and_keeps_the_power() -> None:
    turned = only(roll=0.5)(windows(), chance())

    assert turned.square().mean() == pytest.approx(1.0, abs=0.05)
    assert not torch.equal(turned, windows())


def test_gains_scale_each_channel_of_a_window_by_one_number() -> None:
    ratio = only(gain=0.2, channel_gain=0.2)(windows(), chance()) / windows()

    torch.testing.assert_close(ratio.amin(1), ratio.amax(1), rtol=1e-3, atol=1e-5)
    assert ratio[:, 0].log().std() == pytest.approx((2 * 0.2**2) ** 0.5, abs=0.03)


def test_one_channel_is_lost_as_often_as_asked() -> None:
    silent = (only(drop=0.25)(windows(4000), chance()) == 0).all(1).sum(1)

    assert silent.max() == 1
    assert silent.float().mean() == pytest.approx(0.25, abs=0.03)


def test_noise_is_white_and_at_most_as_strong_as_asked() -> None:
    added = only(noise=0.3)(windows(), chance()) - windows()

    deviations = added.std((1, 2))
    assert deviations.max() < 0.3 * 1.15
    assert deviations.mean() == pytest.approx(0.15, abs=0.02)


def test_the_same_seed_gives_the_same_windows() -> None:
    torch.testing.assert_close(
        WITHIN_SESSION(windows(), chance()), WITHIN_SESSION(windows(), chance()), rtol=0, atol=0
    )
