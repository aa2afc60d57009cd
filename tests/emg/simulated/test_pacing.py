from __future__ import annotations

import pytest

from app.emg.simulated.pacing import MAX_LAG_S, Pacer
from tests.emg.fakes import Time


def pacer_at(time: Time, rate: float = 200, speed: float | None = 1.0) -> Pacer:
    return Pacer(rate, speed, time.clock, time.sleep)


def test_the_first_sample_is_due_at_once() -> None:
    time = Time()
    assert pacer_at(time).wait(2) == 0
    assert time.slept == 0


@pytest.mark.parametrize(("speed", "seconds"), [(1.0, 10.0), (5.0, 2.0), (0.5, 20.0)])
def test_samples_come_at_the_rate_times_the_speed(speed: float, seconds: float) -> None:
    time = Time()
    pacer = pacer_at(time, speed=speed)
    for sample in range(0, 2001, 2):
        pacer.wait(sample)
    assert time.now - 1000 == pytest.approx(seconds)


def test_late_wake_ups_do_not_add_up() -> None:
    time = Time(oversleep=0.001)
    pacer = pacer_at(time)
    for sample in range(0, 2001, 2):
        pacer.wait(sample)
    assert time.now - 1000 == pytest.approx(10.0, abs=0.0011)


def test_no_speed_never_waits_but_lets_others_run_every_time() -> None:
    """Under gevent a loop that never sleeps would stop every stream of the server."""
    time = Time()
    pacer = pacer_at(time, speed=None)
    assert [pacer.wait(sample) for sample in range(0, 100_000, 1000)] == [0.0] * 100
    assert (time.slept, time.sleeps) == (0, 100)


def test_a_short_delay_is_caught_up() -> None:
    time = Time()
    pacer = pacer_at(time)
    pacer.wait(0)
    time.now += 0.3
    for sample in range(2, 62, 2):
        pacer.wait(sample)
    assert time.slept == 0
    pacer.wait(80)
    assert time.now - 1000 == pytest.approx(0.4)


def test_after_a_suspend_the_signal_goes_on_from_where_it_was_and_nothing_bursts() -> None:
    time = Time()
    pacer = pacer_at(time)
    pacer.wait(0)
    time.now += 600
    assert pacer.wait(2) == pytest.approx(600 - 0.01)
    for sample in range(4, 204, 2):
        assert pacer.wait(sample) == 0
    assert time.slept == pytest.approx(1.0)


def test_the_longest_lag_that_is_caught_up_is_the_documented_one() -> None:
    time = Time()
    pacer = pacer_at(time)
    pacer.wait(0)
    time.now += MAX_LAG_S
    assert pacer.wait(0) == 0
    time.now += 0.01
    assert pacer.wait(0) > 0


@pytest.mark.parametrize(("rate", "speed"), [(0, 1.0), (-1, 1.0), (200, 0.0), (200, -2.0)])
def test_a_rate_or_speed_that_is_not_positive_is_refused(rate: float, speed: float) -> None:
    with pytest.raises(ValueError, match="positive"):
        pacer_at(Time(), rate, speed)
