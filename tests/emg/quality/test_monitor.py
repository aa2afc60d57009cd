from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from app.emg.files.recordings import load
from app.emg.quality.line_noise import LineNoise
from app.emg.quality.monitor import BLOCK_S, MAX_LOSS, OFF_S, ON_S, QualityMonitor, dead_channels
from app.emg.simulated.faults import FaultInjector, parse
from app.emg.simulated.playback import Playback
from app.emg.simulated.simulator import Simulator
from app.emg.source import Chunk, Samples, Source
from tests.emg.recording_makers import SHARED

RATE, CHANNELS = 2000, 4
REST, ACTIVE = 3.5, 30.0  # uV
NAMES = ("rest", "fist", "open_hand", "flexion")


def monitor(**changes) -> QualityMonitor:
    return QualityMonitor(
        **{
            "channels": CHANNELS,
            "rate": RATE,
            "mains_hz": 50.0,
            "rest_rms": REST,
            "active_rms": ACTIVE,
            **changes,
        }
    )


def noise(seconds: float, level: float = 10.0, seed: int = 0) -> Samples:
    return np.random.default_rng(seed).normal(0, level, (round(seconds * RATE), CHANNELS)).astype(np.float32)


def sine(seconds: float, frequency: float, rms: float) -> Samples:
    t = np.arange(round(seconds * RATE)) / RATE
    return (rms * np.sqrt(2) * np.sin(2 * np.pi * frequency * t)).astype(np.float32)[:, np.newaxis]


def chunks(samples: Samples, size: int = 10, first: int = 0) -> Iterator[Chunk]:
    for at in range(0, len(samples), size):
        yield Chunk(index=first + at, samples=samples[at : at + size])


def heard(samples: Samples, size: int = 10, **changes) -> QualityMonitor:
    """A monitor that has heard samples, whole chunks at a time."""
    found = monitor(**changes)
    for chunk in chunks(samples, size):
        found.process(chunk)
    return found


def history(source: Source, found: QualityMonitor, seconds: float) -> list[tuple[int, dict[str, list[int]]]]:
    """Every change of the problems: (the last sample heard, the problems from there on)."""
    changes: list[tuple[int, dict[str, list[int]]]] = [(0, {})]
    while (chunk := source.read()) is not None and chunk.index < seconds * source.sampling_rate:
        found.process(chunk)
        if found.problems != changes[-1][1]:
            changes.append((chunk.index + len(chunk.samples), found.problems))
    return changes


def simulated(
    faults: str, seconds: float, seed: int = 0, **changes
) -> list[tuple[int, dict[str, list[int]]]]:
    source = Simulator(CHANNELS, RATE, NAMES, seed=seed, speed=None)
    return history(FaultInjector(source, parse(faults)), monitor(**changes), seconds)


# --- dead channels of a window -----------------------------------------------------------------------


def test_a_window_with_a_constant_channel_names_it() -> None:
    window = noise(0.1)
    assert dead_channels(window, REST) == []
    window[:, 2] = 7.0
    assert dead_channels(window, REST) == [2]


# --- what is normal ----------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(4))
def test_the_simulators_signal_has_no_problem(seed: int) -> None:
    assert simulated("", 60, seed) == [(0, {})]


def test_an_armband_of_8_bit_whole_numbers_at_200_hz_has_no_problem() -> None:
    rng = np.random.default_rng(0)
    level = np.where(np.arange(12_000) // 1000 % 2, 15.0, 1.0)[
        :, np.newaxis
    ]  # rest of a few steps, then a fist
    samples = np.clip(np.round(rng.normal(-0.7, 1, (12_000, 8)) * level), -128, 127).astype(np.float32)
    found = monitor(channels=8, rate=200, rest_rms=3.8, active_rms=15.0)
    for at in range(0, len(samples), 2):
        found.process(Chunk(index=at, samples=samples[at : at + 2]))
        assert found.problems == {}
    assert found.look().ok


def test_before_the_first_block_nothing_is_said() -> None:
    look = monitor().look()
    assert (look.ok, look.sample_index, look.loss) == (True, 0, 0.0)
    assert [(c.channel, c.problems, c.rms, c.hum_ratio) for c in look.channels] == [
        (channel, (), None, None) for channel in range(CHANNELS)
    ]


def test_rms_is_that_of_the_last_second_without_the_offset() -> None:
    look = heard(np.concatenate([noise(3, 20.0), noise(1, 10.0) + 5000])).look()
    assert look.sample_index == 4 * RATE
    assert [c.rms for c in look.channels] == pytest.approx([10.0] * CHANNELS, rel=0.05)


@pytest.mark.parametrize("size", [1, 7, 10, 500, 501, 5000])
def test_chunks_of_any_size_are_judged_alike(size: int) -> None:
    samples = np.concatenate([noise(2), noise(4) + sine(4, 50, 40)])
    look, other = heard(samples, size).look(), heard(samples, 20).look()
    assert look == other
    assert not look.ok


# --- each problem, found and gone again ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "problem", "channels"),
    [
        pytest.param("flat@10000-30000:ch3", "flat", [3], id="shorted"),
        pytest.param("rail@10000-30000:ch0", "railed", [0], id="at the upper end"),
        pytest.param("rail@10000-30000:ch2=-5000", "railed", [2], id="at the lower end"),
        pytest.param("hum@10000-30000:50=40", "hum", [0, 1, 2, 3], id="hum"),
    ],
)
@pytest.mark.parametrize("units_known", [True, False], ids=["known units", "unknown units"])
def test_a_fault_is_found_on_its_channels_and_gone_after_it(
    fault: str, problem: str, channels: list[int], units_known: bool
) -> None:
    levels = {} if units_known else {"rest_rms": None, "active_rms": None}
    changes = simulated(fault, 30, **levels)
    assert [found for at, found in changes if at <= 30_000][-1] == {problem: channels}
    assert next(at for at, found in changes if found) > 10_000
    assert changes[-1][1] == {}


@pytest.mark.parametrize("fault", ["flat@10000-30000:ch3", "rail@10000-30000:ch0"])
def test_a_dead_channel_is_found_within_a_second_and_a_half_and_forgotten_within_two_and_a_half(
    fault: str,
) -> None:
    (_, before), (found_at, _), (gone_at, after) = simulated(fault, 25)
    assert before == after == {}
    assert ON_S * RATE <= found_at - 10_000 <= (ON_S + 2 * BLOCK_S) * RATE
    assert OFF_S * RATE <= gone_at - 30_000 <= (OFF_S + 2 * BLOCK_S) * RATE


def test_a_channel_dead_from_the_start_is_flat_and_one_at_the_rail_is_railed() -> None:
    assert simulated("flat@0:ch1,rail@0:ch2", 5)[-1][1] == {"flat": [1], "railed": [2]}


def test_a_source_that_has_never_moved_is_flat_wherever_it_stands() -> None:
    assert heard(noise(3) * 0 + 2048).problems == {"flat": [0, 1, 2, 3]}


def test_a_signal_that_sticks_at_both_ends_is_railed_without_anyone_naming_the_range() -> None:
    samples = noise(4)
    samples[:, 1] = np.clip(20 * samples[:, 1], -100, 100)  # an amplifier turned up far too high
    assert heard(samples, rest_rms=None, active_rms=None).problems == {"railed": [1]}


def test_a_strong_contraction_that_touches_the_rails_is_not_railed() -> None:
    samples = np.round(noise(4, 40.0))
    clipped = np.clip(samples, -64, 63)  # 11 % of its samples
    assert heard(clipped, rest_rms=None, active_rms=None).problems == {}


def test_one_lost_second_of_signal_is_no_problem_yet() -> None:
    samples = noise(6)
    samples[2 * RATE : 2 * RATE + round((ON_S - BLOCK_S) * RATE), 0] = 0
    found = monitor()
    for chunk in chunks(samples):
        found.process(chunk)
        assert found.problems == {}


@pytest.mark.parametrize(
    ("level", "problems"),
    [
        pytest.param(0.02 * REST * 0.9, {"flat": [0, 1, 2, 3]}, id="nothing but the converter"),
        pytest.param(0.09 * REST, {"weak": [0, 1, 2, 3]}, id="weaker than any rest"),
        pytest.param(0.3 * REST, {}, id="a quiet rest"),
        pytest.param(9 * ACTIVE, {}, id="a maximal contraction"),
        pytest.param(11 * ACTIVE, {"strong": [0, 1, 2, 3]}, id="stronger than any muscle"),
    ],
)
def test_levels_are_judged_against_the_models(level: float, problems: dict) -> None:
    assert heard(noise(4, level)).problems == problems


@pytest.mark.parametrize("level", [1e-6, 1e6])
def test_levels_in_unknown_units_are_not_judged(level: float) -> None:
    assert heard(noise(4, level), rest_rms=None, active_rms=None).problems == {}


def test_a_state_between_its_two_thresholds_stays_what_it_was() -> None:
    between = noise(10, 0.15 * REST)
    assert heard(between).problems == {}
    weak_before = np.concatenate([noise(4, 0.05 * REST), between])
    assert heard(weak_before).problems == {"weak": [0, 1, 2, 3]}


# --- hum -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("frequency", [50, 100, 150, 250])
def test_hum_is_heard_at_the_mains_frequency_and_its_harmonics(frequency: float) -> None:
    look = heard(noise(4) + sine(4, frequency, 20)).look()
    for channel in look.channels:
        assert channel.hum_ratio == pytest.approx(0.8, abs=0.05)  # 20^2 of 20^2 + 10^2
        assert channel.problems == ("hum",)


@pytest.mark.parametrize("frequency", [30, 75, 120, 335])
def test_a_tone_beside_the_mains_is_no_hum(frequency: float) -> None:
    look = heard(noise(4) + sine(4, frequency, 20)).look()
    assert max(c.hum_ratio for c in look.channels) < 0.1


@pytest.mark.parametrize("off", [0.95, 1.05])
def test_hum_is_heard_where_the_devices_clock_is_5_percent_off(off: float) -> None:
    assert heard(noise(4) + sine(4, 50 * off, 40)).problems == {"hum": [0, 1, 2, 3]}


def test_60_hz_is_heard_where_mains_is_60() -> None:
    hum = noise(4) + sine(4, 60, 20)
    assert heard(hum, mains_hz=60.0).problems == {"hum": [0, 1, 2, 3]}
    assert heard(hum, mains_hz=50.0).problems == {}


@pytest.mark.parametrize(
    ("mains_hz", "rate"), [(None, 2000), (50.0, 100)], ids=["EMG_MAINS=off", "mains at half the rate"]
)
def test_where_hum_cannot_be_heard_its_ratio_is_not_said(mains_hz: float | None, rate: float) -> None:
    found = heard(noise(3), mains_hz=mains_hz, rate=rate)
    assert [c.hum_ratio for c in found.look().channels] == [None] * CHANNELS
    assert found.look().ok


def test_the_drift_of_an_electrode_is_not_taken_for_hum() -> None:
    drift = np.cumsum(noise(10, 30.0), axis=0)
    assert max(c.hum_ratio for c in heard(drift).look().channels) < 0.1


def test_hum_softer_than_twice_rest_is_left_to_the_notch() -> None:
    quiet = noise(4, 1.0) + sine(4, 50, 1.5 * REST)
    assert heard(quiet).look().channels[0].hum_ratio > 0.9
    assert heard(quiet).problems == {}


@pytest.mark.parametrize(("rms", "problems"), [(15.0, {}), (25.0, {"hum": [0, 1, 2, 3]})])
def test_where_units_are_unknown_hum_must_be_three_quarters_of_the_power(rms: float, problems: dict) -> None:
    """A ratio of 0.69 and of 0.86: softer hum can be that of any quiet rest."""
    samples = noise(5) + sine(5, 50, rms)
    assert heard(samples, rest_rms=None, active_rms=None).problems == problems
    assert heard(samples).problems == {"hum": [0, 1, 2, 3]}


def test_hum_does_not_flicker_as_a_muscle_contracts_and_rests() -> None:
    level = np.where(np.arange(20 * RATE) // (2 * RATE) % 2, 60.0, 3.0).astype(np.float32)[:, np.newaxis]
    samples = noise(20, 1.0) * level + sine(20, 50, 20)
    found, seen = monitor(), []
    for chunk in chunks(samples):
        found.process(chunk)
        if not seen or seen[-1] != found.problems:
            seen.append(found.problems)
    assert seen[0] == {}
    assert seen[-1] == {"hum": [0, 1, 2, 3]}
    assert len(seen) <= 1 + CHANNELS  # each channel comes on once, and none goes off


def test_a_sine_of_known_power_is_measured_as_that() -> None:
    hum, whole = LineNoise(RATE, 50.0, 500).powers(np.tile(sine(0.25, 50, 3.0), (1, CHANNELS)))
    assert hum == pytest.approx([9.0] * CHANNELS, rel=0.01)
    assert whole == pytest.approx([9.0] * CHANNELS, rel=0.01)


# --- loss, breaks --------------------------------------------------------------------------------------


def test_lost_samples_are_a_share_of_the_last_five_seconds() -> None:
    found = monitor()
    for chunk in chunks(noise(3)):
        found.process(chunk)
    for chunk in chunks(noise(2), first=3 * RATE + 500):  # 500 lost, 10,000 come
        found.process(chunk)
    assert found.look().loss == pytest.approx(500 / 10_500)
    assert found.look().loss > MAX_LOSS
    assert not found.look().ok
    assert found.problems == {}  # of no channel in particular
    for chunk in chunks(noise(6), first=5 * RATE + 500):
        found.process(chunk)
    assert found.look().loss == 0
    assert found.look().ok


def test_no_block_spans_a_restart() -> None:
    """A step between two recordings is no signal of either."""
    found = monitor()
    for piece in range(8):  # 0.2 s each, less than a block: nothing may be made of them
        for k, chunk in enumerate(chunks(noise(0.2) + 1e6 * piece, first=piece * 400)):
            found.process(Chunk(index=chunk.index, samples=chunk.samples, restart=k == 0))
    assert found.look().sample_index == 0


def test_the_problems_said_before_stay_what_they_were_when_new_ones_come() -> None:
    """A frame that is being encoded holds them."""
    samples = noise(8)
    samples[:, 0] = 0
    samples[4 * RATE :, 1] = 0
    found = monitor()
    for chunk in chunks(samples[: 4 * RATE]):
        found.process(chunk)
    before = found.problems
    for chunk in chunks(samples[4 * RATE :], first=4 * RATE):
        found.process(chunk)
    assert before == {"flat": [0]}
    assert found.problems == {"flat": [0, 1]}


# --- people --------------------------------------------------------------------------------------------


@pytest.mark.data
@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared recordings are not here")
@pytest.mark.parametrize("person", ["S01", "S09", "S15"])
def test_ten_minutes_of_a_person_have_no_problem(person: str) -> None:
    assert played(person, 600) == [(0, {})]


@pytest.mark.data
@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared recordings are not here")
def test_hum_in_a_real_recording_is_found_where_it_is_and_does_not_flicker() -> None:
    """S11: at 50 Hz lie 73 and 87 % of the power of rest on electrodes 2 and 6, and less on others."""
    changes = played("S11", 600)
    assert {2, 6} <= set(changes[3][1]["hum"])
    assert all(found.keys() == {"hum"} for _, found in changes[1:])
    assert len(changes) < 20  # in ten minutes, on eight electrodes


def played(person: str, seconds: float) -> list[tuple[int, dict[str, list[int]]]]:
    source = Playback([load(SHARED / f"{person}.npz")], speed=None, loop=False, sleep=lambda _: None)
    return history(source, monitor(channels=8, rate=200, rest_rms=3.83, active_rms=15.04), seconds)
