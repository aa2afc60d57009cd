"""The three networks: what they compute, what they say about themselves, what they refuse."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from app.errors import ArtefactError
from app.inference.networks import (
    POWER_FLOOR,
    Classifier,
    build,
    build_for,
    folded,
    load_arrays,
    state_arrays,
)
from tests.inference.artefacts import TINY, make_manifest

ARCHITECTURES = ("tcn", "spiking_tcn", "power")
POWER_MYO = {"width": 192, "stem_kernel": 11, "stem_stride": 1, "hidden": 192}
POWER_SYNTHETIC = {"width": 128, "stem_kernel": 32, "stem_stride": 8, "hidden": 128}
MYO = {"width": 48, "stem_kernel": 4, "stem_stride": 2}


def seeded(architecture: str, **changes: Any) -> Classifier:
    """A tiny network for 20 samples of 4 channels whose batch normalisation is not the identity."""
    torch.manual_seed(3)
    network = build(architecture, {**TINY, **changes}, 4, 20, 3)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -0.2, 0.2)
            nn.init.uniform_(module.running_var, 0.2, 0.6)
    return network.eval()


def windows(batch: int = 3) -> torch.Tensor:
    return torch.randn(batch, 20, 4, generator=torch.Generator().manual_seed(5))


def test_a_tcn_gives_logits_for_every_window() -> None:
    assert seeded("tcn")(windows(3)).shape == (3, 3)


def test_a_spiking_tcn_gives_logits_and_spikes_for_every_window() -> None:
    logits, spikes = seeded("spiking_tcn")(windows(3))

    assert logits.shape == (3, 3)
    assert spikes.shape == (3,)
    assert (spikes > 0).all()


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_window_is_answered_alike_alone_and_in_a_batch(architecture: str) -> None:
    network = seeded(architecture)

    together = network(windows(3))
    alone = network(windows(3)[1:2])

    for batch, single in zip(_tuple(together), _tuple(alone), strict=True):
        torch.testing.assert_close(batch[1:2], single, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_dropout_is_silent_at_inference(architecture: str) -> None:
    network = seeded(architecture, dropout=0.5)

    torch.testing.assert_close(network(windows()), network(windows()), atol=0, rtol=0)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_folding_the_normalisation_changes_no_answer(architecture: str) -> None:
    network = seeded(architecture)

    plain = folded(network)

    kept = [module for module in plain.modules() if isinstance(module, nn.BatchNorm2d)]
    assert len(kept) == (architecture == "power")  # between a logarithm and a layer: nothing to fold it into
    torch.testing.assert_close(
        _tuple(plain(windows()))[0], _tuple(network(windows()))[0], atol=1e-5, rtol=1e-4
    )


def macs_seen(network: nn.Module, emg: torch.Tensor) -> int:
    """Multiply-accumulates of one window, counted from the shapes that pass through the layers."""
    seen = []

    def convolution(layer: nn.Conv2d, inputs: Any, output: torch.Tensor) -> None:
        taps = layer.in_channels * layer.kernel_size[0] * layer.kernel_size[1]
        seen.append(output[0].numel() * taps)

    def linear(layer: nn.Linear, inputs: Any, output: torch.Tensor) -> None:
        seen.append(output[0].numel() * layer.in_features)

    for layer in network.modules():
        if isinstance(layer, nn.Conv2d):
            layer.register_forward_hook(convolution)
        if isinstance(layer, nn.Linear):
            layer.register_forward_hook(linear)
    network(emg)
    return sum(seen)


SHAPES = pytest.mark.parametrize(
    ("channels", "length", "values"),
    [(16, 200, {}), (8, 40, MYO), (4, 21, TINY), (3, 50, {"kernel": 5, "stem_kernel": 7, "stem_stride": 3})],
    ids=["default", "myo", "tiny", "odd"],
)


@SHAPES
def test_operations_are_two_for_every_multiply_accumulate(channels: int, length: int, values: Any) -> None:
    network = build("tcn", values, channels, length, 7).eval()

    counted = network.operations(length)

    assert counted == 2 * macs_seen(network, torch.zeros(1, length, channels))


@SHAPES
def test_spiking_operations_add_four_for_every_neuron_and_step(
    channels: int, length: int, values: Any
) -> None:
    network = build("spiking_tcn", values, channels, length, 7).eval()
    neurons = network.synapse(network.front(torch.zeros(1, length, channels))).numel()

    counted = network.operations(length, steps=3)

    assert counted == 2 * macs_seen(network, torch.zeros(1, length, channels)) + 4 * 3 * neurons


@pytest.mark.parametrize(
    ("architecture", "window", "values", "parameters", "operations"),
    [
        ("tcn", (200, 16), {}, 91_463, 4_506_496),
        ("spiking_tcn", (200, 16), {}, 95_687, 4_736_896),
        ("tcn", (40, 8), MYO, 44_023, 1_720_992),
        ("spiking_tcn", (40, 8), MYO, 46_423, 1_828_512),
        ("power", (200, 16), POWER_SYNTHETIC, 100_103, 2_956_544),
        ("power", (40, 8), POWER_MYO, 93_319, 1_175_424),
    ],
    ids=["tcn-16ch", "spiking-16ch", "tcn-8ch", "spiking-8ch", "power-16ch", "power-8ch"],
)
def test_the_networks_we_ship_cost_what_the_documents_say(
    architecture: str, window: tuple[int, int], values: Any, parameters: int, operations: int
) -> None:
    length, channels = window
    network = build(architecture, values, channels, length, 7)

    assert network.parameter_count() == parameters
    assert network.operations(length) == operations


@pytest.mark.parametrize(
    ("values", "length"),
    [
        (TINY, 101),
        ({**TINY, "kernel": 5, "dilations": [3]}, 121),
        ({**TINY, "stem_kernel": 9, "stem_stride": 3}, 200),
    ],
    ids=["tiny", "wide", "stem"],
)
def test_a_frame_sees_exactly_its_receptive_field(values: Any, length: int) -> None:
    network = build("tcn", values, 1, length, 2).eval()
    for layer in network.front.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.constant_(layer.weight, 1.0)  # with positive samples no rectifier hides a path
    emg = torch.ones(1, length, 1, requires_grad=True)

    maps = network.front(emg)
    maps[..., maps.shape[-1] // 2].sum().backward()

    touched = torch.nonzero(emg.grad[0, :, 0])
    assert int(touched.max() - touched.min()) + 1 == network.receptive_field()


def integrate_and_fire(current: np.ndarray, beta: float, threshold: float, steps: int) -> np.ndarray:
    """Charge, fire, reset, as Fang et al. 2021 write it; how often each neuron spikes."""
    potential, count = np.zeros_like(current), np.zeros_like(current)
    for _ in range(steps):
        charged = beta * potential + current
        spike = (charged > threshold).astype(current.dtype)
        potential = charged - threshold * spike
        count += spike
    return count


@pytest.mark.parametrize("steps", [1, 2, 4, 8])
def test_neurons_spike_as_the_equation_says(steps: int) -> None:
    network = seeded("spiking_tcn", beta=0.8, threshold=0.7)
    with torch.no_grad():
        current = network.synapse(network.front(windows())).double().numpy()
        _, spikes = network(windows(), steps)

    expected = integrate_and_fire(current, 0.8, 0.7, steps).sum((1, 2, 3))

    assert expected.sum() > 0
    np.testing.assert_allclose(spikes.numpy(), expected, atol=1)  # one spike may fall either side of rounding


def test_the_steps_of_a_call_override_the_network_s() -> None:
    network = seeded("spiking_tcn")
    network.steps = 2

    assert torch.equal(network(windows())[1], network(windows(), 2)[1])
    assert (network(windows(), 8)[1] > network(windows())[1]).all()


def test_a_spike_passes_a_gradient_back_to_the_first_layer() -> None:
    network = seeded("spiking_tcn").train()

    network(windows())[0].square().sum().backward()

    assert float(network.front.stem.conv.weight.grad.abs().sum()) > 0


def test_a_spiking_tcn_spikes_in_training_as_at_inference() -> None:
    network = seeded("spiking_tcn")
    inference = network(windows())
    network.training = True  # the neurons only: batch normalisation stays as it is

    torch.testing.assert_close(network(windows()), inference, atol=0, rtol=0)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"width": 0}, "width must be an integer from 1 to 512, got 0"),
        ({"width": True}, "width must be an integer"),
        ({"width": 10**9}, "width must be an integer"),
        ({"kernel": 4}, "kernel must be odd"),
        ({"stem_stride": 32}, "stem_stride must be an integer from 1 to 16"),
        ({"dilations": []}, "dilations must be 1 to 16"),
        ({"dilations": 3}, "dilations must be a list"),
        ({"dilations": ["1"]}, "dilations must be an integer"),
        ({"beta": float("nan")}, "beta must be a number from 0 to 1"),
        ({"threshold": 0}, "threshold must be a number"),
        ({"dropout": 1}, "dropout must be a number"),
        ({"depth": 3}, "name must be one of width, .*, got 'depth'"),
        ({"stem_kernel": 512, "stem_stride": 512}, "a window of 200 samples is shorter than stem_kernel 512"),
    ],
    ids=str,
)
def test_a_wrong_hyper_parameter_is_named(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ArtefactError, match=message):
        build("tcn", values, 16, 200, 7)


def test_an_unknown_architecture_is_refused() -> None:
    with pytest.raises(ArtefactError, match="one of tcn, spiking_tcn, power, covariance, got 'lstm'"):
        build("lstm", {}, 16, 200, 7)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_weights_survive_the_way_through_arrays(architecture: str) -> None:
    network = seeded(architecture)
    other = build_for(make_manifest(architecture=architecture)).eval()

    load_arrays(other, state_arrays(network))

    torch.testing.assert_close(other(windows()), network(windows()), atol=0, rtol=0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"head.bias": None}, r"lack 'head\.bias'"),
        ({"x\ny": np.zeros(1, np.float32)}, r"hold an unknown 'x\\ny'"),
        ({"head.bias": np.zeros(4, np.float32)}, r"'head\.bias' must be float32 \(3,\), got float32 \(4,\)"),
        ({"head.bias": np.zeros(3)}, r"got float64 \(3,\)"),
        ({"head.bias": np.full(3, np.nan, np.float32)}, "hold NaN"),
    ],
    ids=["missing", "unknown", "shape", "type", "nan"],
)
def test_weights_that_do_not_fit_are_refused_in_one_line(changes: dict[str, Any], message: str) -> None:
    network = seeded("tcn")
    arrays = {
        name: array for name, array in {**state_arrays(network), **changes}.items() if array is not None
    }

    with pytest.raises(ArtefactError, match=message) as refusal:
        load_arrays(network, arrays)

    assert "\n" not in str(refusal.value)


def _tuple(answer: Any) -> tuple[torch.Tensor, ...]:
    return answer if isinstance(answer, tuple) else (answer,)


def test_the_power_network_reads_the_logarithm_of_power_in_its_filters() -> None:
    network = seeded("power")
    with torch.no_grad():
        maps = network.bank(windows().transpose(1, 2).unsqueeze(2))
        power = network.norm((maps.square().mean((2, 3), keepdim=True) + POWER_FLOOR).log())
        hidden = torch.relu(network.second(torch.relu(network.first(power))))

        expected = network.head(hidden.flatten(1))

    torch.testing.assert_close(network(windows()), expected)


def test_the_power_of_a_silent_window_is_a_number() -> None:
    assert torch.isfinite(seeded("power")(torch.zeros(2, 20, 4))).all()


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_entry_is_the_layer_that_reads_the_channels(architecture: str) -> None:
    network = seeded(architecture)

    assert network.entry.in_channels == network.channels
    assert any(layer is network.entry for layer in network.modules())


def test_a_window_shorter_than_the_filters_is_refused() -> None:
    with pytest.raises(ArtefactError, match="a window of 8 samples is shorter than stem_kernel 16"):
        build("power", {}, 4, 8, 3)
