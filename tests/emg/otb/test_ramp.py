from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.emg.otb.fake_probe import encode
from app.emg.otb.probes import Probe, probe_of
from app.emg.otb.ramp import CHECKED, LOOK, Part, RampDecoder

MUOVI = probe_of("muovi")
SIGNAL = np.random.default_rng(0).normal(scale=300.0, size=(400, 64)).astype(np.float32)


def instants(probe: Probe, first: int, count: int) -> list[bytes]:
    return encode(SIGNAL[:count, : probe.channels], first + np.arange(count), probe)


def decoder_of(probe: Probe) -> RampDecoder:
    return RampDecoder(probe.candidates, probe.value_bytes)


def fed(decoder: RampDecoder, stream: bytes, piece: int = 1000, most_lost: int = 10_000) -> list[Part]:
    return [
        part
        for at in range(0, len(stream), piece)
        for part in decoder.feed(stream[at : at + piece], most_lost)
    ]


def counters(parts: list[Part]) -> list[int]:
    return [int(value) % 65536 for part in parts for value in part.values[:, -1]]


@pytest.mark.parametrize("piece", [1, 37, 76, 1000, 100_000])
@pytest.mark.parametrize("kind", ["muovi", "muovi+", "sessantaquattro", "sessantaquattro+"])
@pytest.mark.parametrize("first", [0, 32_700, 65_400], ids=["", "sign", "wrap"])
def test_instants_come_whole_however_the_bytes_come(kind: str, piece: int, first: int) -> None:
    probe = probe_of(kind)
    parts = fed(decoder_of(probe), b"".join(instants(probe, first, 200)), piece)
    assert counters(parts) == [number % 65536 for number in range(first, first + 200)]
    assert {(part.lost, part.restart) for part in parts} == {(0, False)}
    values = np.concatenate([part.values for part in parts])[:, : probe.channels]
    np.testing.assert_array_equal(values, np.rint(SIGNAL[:200, : probe.channels] / probe.microvolts))


def test_three_bytes_a_value_keep_their_sign() -> None:
    probe = probe_of("sessantaquattro+", "bits=24")
    loud = np.array([[-2.4e6, 2.3e6, -0.3, 0.3] * 16] * 60, np.float32)
    parts = fed(decoder_of(probe), b"".join(encode(loud, np.arange(60), probe)))
    values = np.concatenate([part.values for part in parts])
    assert values[0, :4].tolist() == [-8388608, 8039147, -1, 1]


@pytest.mark.parametrize("behind", [4, 6, 8])
def test_the_width_is_that_at_which_the_counter_rises(behind: int) -> None:
    """A Sessantaquattro's documents say 4 accessory channels, and one with a plus sends 8."""
    from dataclasses import replace

    probe = probe_of("sessantaquattro", "channels=16")
    sent = replace(probe, accessories=behind)
    decoder = decoder_of(probe)
    parts = fed(decoder, b"".join(instants(sent, 0, 100)))
    assert decoder.values == 16 + behind
    assert counters(parts) == list(range(100))


def test_lost_instants_are_counted_also_over_the_wrap() -> None:
    rows = instants(MUOVI, 65_500, 200)
    decoder = decoder_of(MUOVI)
    parts = fed(decoder, b"".join(rows[:30] + rows[50:]))
    assert [part.lost for part in parts if part.lost] == [20]
    assert decoder.lost_samples == 20
    assert sum(len(part.values) for part in parts) == 180


def test_a_jump_further_than_time_allows_is_a_counter_that_began_anew() -> None:
    decoder = decoder_of(MUOVI)
    parts = fed(decoder, b"".join(instants(MUOVI, 0, 50) + instants(MUOVI, 30_000, 50)), most_lost=100)
    assert [(part.lost, part.restart) for part in parts if part.restart] == [(0, True)]
    assert counters(parts) == [*range(50), *range(30_000, 30_050)]


@pytest.mark.parametrize("stray", [b"\x00", b"\x12\x34", b"\xff" * 5, None], ids=["1", "2", "5", "too few"])
@pytest.mark.parametrize("at", [0, 1, 33, 74, 75])
def test_a_shift_of_bytes_is_noticed_and_costs_only_what_it_hit(stray: bytes | None, at: int) -> None:
    """Two stray bytes leave other readers misaligned for good, and none of them says so."""
    rows = instants(MUOVI, 100, 300)
    hit = rows[100]
    rows[100] = hit[:at] + (stray or b"") + hit[at + (0 if stray else 2) :]
    decoder = decoder_of(MUOVI)
    parts = fed(decoder, b"".join(rows))
    good = [
        part.values[k, :32].tolist()
        == np.rint(SIGNAL[int(part.values[k, -1]) - 100, :32] / MUOVI.microvolts).tolist()
        for part in parts
        for k in range(len(part.values))
    ]
    assert sum(not one for one in good) <= 1, "at most the instant that was hit"
    assert decoder.slips == 1
    assert len(good) + decoder.lost_samples == 300
    assert decoder.lost_samples <= 3


@given(st.binary(min_size=1, max_size=200), st.integers(1, 400))
def test_whatever_is_in_between_the_instants_after_it_are_right(garbage: bytes, piece: int) -> None:
    rows = instants(MUOVI, 0, 60 + 2 * LOOK + CHECKED)
    parts = fed(decoder_of(MUOVI), b"".join(rows[:40]) + garbage + b"".join(rows[40:]), piece)
    last = parts[-1].values
    assert int(last[-1, -1]) == len(rows) - 1
    np.testing.assert_array_equal(last[-1, :32], np.rint(SIGNAL[len(rows) - 1, :32] / MUOVI.microvolts))


def test_noise_makes_no_instants_and_keeps_no_heap_of_bytes() -> None:
    decoder = decoder_of(MUOVI)
    noise = np.random.default_rng(2).bytes(200_000)
    assert fed(decoder, noise) == []
    assert len(decoder._buffer) < 70 * 2 * (LOOK + 4)
    assert decoder.unread == 200_000
