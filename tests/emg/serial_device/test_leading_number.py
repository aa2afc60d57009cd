"""The number in front of a line: counters that wrap anywhere, and times of any unit, by what they do alone."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.emg.serial_device.csv_lines import CsvDecoder

FIRST = b"a line whose beginning may be missing\n"


def read(
    numbers: list[str], rate: float | None = None, most_lost: int = 10**9
) -> tuple[CsvDecoder, np.ndarray]:
    """Lines with those numbers in front; the index that each sample got. Channel 0 tells which line it was."""
    decoder = CsvDecoder(2, rate)
    text = FIRST + b"".join(f"{number},{line},7\n".encode() for line, number in enumerate(numbers))
    index, lines, at = [], [], 0
    for start in range(0, len(text), 300):
        for run in decoder.feed(text[start : start + 300], most_lost):
            at += run.lost
            index += range(at, at + len(run.samples))
            lines += run.samples[:, 0].astype(int).tolist()
            at += len(run.samples)
    held = len(decoder._leading._held[1:])
    assert lines == list(range(len(numbers) - held)), "each line is a sample"
    return decoder, np.array(index)


# --- counters -----------------------------------------------------------------------------------------

WRAPS: dict[str, Callable[[int], int]] = {
    "unsigned, 8 bit": lambda n: n % 256,
    "signed, 8 bit": lambda n: (n + 128) % 256 - 128,
    "unsigned, 16 bit": lambda n: (n + 65_000) % 65_536,
    "signed, 16 bit": lambda n: (n + 65_000) % 65_536 - 32_768,
    "unsigned, 32 bit": lambda n: (n + 2**32 - 700) % 2**32,
    "signed, 32 bit": lambda n: (n + 2**32 - 700) % 2**32 - 2**31,
    "0 to 999": lambda n: n % 1000,
    "1 to 360": lambda n: n % 360 + 1,
    "-50 to 50": lambda n: (n + 50) % 101 - 50,
    "0 to 1023": lambda n: n % 1024,
}


@pytest.mark.parametrize("wrap", WRAPS)
@pytest.mark.parametrize("start", [0, 31])
def test_a_counter_wraps_anywhere_signed_or_not(wrap: str, start: int) -> None:
    """32767 was followed by -32768, and all lines after it were refused."""
    decoder, index = read([str(WRAPS[wrap](n)) for n in range(start, start + 5000)])
    assert np.array_equal(index, np.arange(5000))
    assert (decoder.bad_lines, decoder.restarts, decoder.lost_samples) == (0, 0, 0)


@given(
    st.sampled_from(sorted(WRAPS)), st.lists(st.tuples(st.integers(1, 40), st.integers(20, 900)), max_size=12)
)
@settings(max_examples=60, deadline=None)
def test_what_is_lost_before_across_and_after_the_wrap_is_counted(
    wrap: str, losses: list[tuple[int, int]]
) -> None:
    kept, at = list(range(1500)), 1500
    for lost, then in losses:
        at += lost
        kept += range(at, at + then)
        at += then
    decoder, index = read([str(WRAPS[wrap](n)) for n in kept])
    assert np.array_equal(index, kept)
    assert decoder.restarts == 0


def test_a_counter_that_falls_to_where_it_began_after_a_pause_has_begun_anew() -> None:
    decoder = CsvDecoder(1)
    decoder.feed(b"\n" + b"".join(b"%d 5\n" % n for n in range(300, 700)))
    decoder.paused()
    (run,) = decoder.feed(b"0 5\n1 5\n2 5\n")
    assert run.restart
    assert decoder.restarts == 1


# --- times --------------------------------------------------------------------------------------------


def times(unit: str, rate: float, samples: np.ndarray, first_s: float = 3.0) -> list[str]:
    seconds = first_s + samples / rate
    if unit.startswith("s"):
        return [f"{second:.{unit[1:]}f}" for second in seconds]
    return [str(int(second * {"ms": 1e3, "us": 1e6, "ns": 1e9}[unit] + 1e-3)) for second in seconds]


RATES = [50.0, 100.0, 200.0, 250.0, 333.3, 500.0, 700.0, 800.0, 1000.0, 1259.259, 2000.0]


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("unit", ["ms", "us", "ns", "s2", "s3", "s6"])
def test_a_time_in_front_is_no_counter_and_no_sample_is_lost(unit: str, rate: float) -> None:
    """`millis()` was taken for a counter: 80 % lost, and 1000 Hz."""
    decoder, index = read(times(unit, rate, np.arange(1500)), rate)
    assert np.array_equal(index, np.arange(len(index)))
    assert decoder.lost_samples == decoder.restarts == decoder.bad_lines == decoder.repeated == 0
    is_like_counting = unit == "ms" and rate == 1000.0
    wanted = "a counter" if is_like_counting else f"a time in {unit[0] if unit[0] == 's' else unit}"
    assert decoder.notes == (f"the first number of each line is {wanted}",)


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("unit", ["ms", "us", "s3", "s6"])
def test_what_is_missing_shows_in_the_time(unit: str, rate: float) -> None:
    fine = 3 if unit in ("ms", "s3") and rate > 400 else 1  # samples that the steps of the time can show
    kept = np.delete(np.arange(2000), [*range(500, 500 + fine), *range(700, 737), *range(1000, 1500)])
    _, index = read(times(unit, rate, kept), rate)
    wrong = np.abs(index - kept[: len(index)])
    assert wrong.max() <= (0 if fine == 1 else 3 * rate / 1e3), "a step of the time for each loss"


@given(st.data())
@settings(max_examples=50, deadline=None)
def test_exactly_what_was_lost_is_counted_by_any_time(data: st.DataObject) -> None:
    """Of a rate that is off by up to 5 %, with jitter of a tenth of a sample."""
    rate = data.draw(st.sampled_from([50.0, 200.0, 250.0, 333.3]), label="rate")
    unit = data.draw(st.sampled_from(["ms", "us", "s4"]), label="unit")
    kept, at = list(range(200)), 200
    for lost, then in data.draw(st.lists(st.tuples(st.integers(1, 90), st.integers(100, 400)), max_size=8)):
        at += lost
        kept += range(at, at + then)
        at += then
    jitter = np.random.default_rng(at).uniform(0, 0.1, len(kept))
    true_rate = rate * data.draw(st.floats(0.95, 1.05), label="off")
    _, index = read(times(unit, true_rate, np.array(kept) + jitter), rate)
    assert np.array_equal(index, kept)


@pytest.mark.parametrize(("unit", "bits"), [("us", 32), ("us", 16), ("ms", 16), ("ms", 32)])
@pytest.mark.parametrize("signed", [False, True])
def test_a_time_wraps_too(unit: str, bits: int, signed: bool) -> None:
    """micros() after 71 minutes; an `int` of an Uno after 65 ms."""
    raw = [
        int(text)
        for text in times(unit, 200.0, np.arange(3000), first_s=2**bits / {"us": 1e6, "ms": 1e3}[unit] - 1)
    ]
    shift = 2 ** (bits - 1) if signed else 0
    decoder, index = read([str((n + shift) % 2**bits - shift) for n in raw], 200.0)
    assert np.array_equal(index, np.arange(len(index)))
    assert decoder.restarts == decoder.bad_lines == 0


@pytest.mark.parametrize("rate", [800.0, 1000.0, 1200.0])
@pytest.mark.parametrize("told", [True, False], ids=["rate known", "rate not known"])
def test_milliseconds_that_stand_still_or_skip_are_no_counter(rate: float, told: bool) -> None:
    """A loop of 1 ms prints 17, 18, 18, 20: no line is a repeated one, and none is missing."""
    seconds = 3 + (np.arange(2000) + np.random.default_rng(0).uniform(0, 0.6, 2000)) / rate
    decoder = CsvDecoder(2, rate if told else None)
    text = [f"{int(second * 1e3)},{line},7\n" for line, second in enumerate(seconds)]
    decoder.feed(b"\n" + "".join(text).encode())
    assert decoder.lines >= (2000 if told else 1900)
    assert decoder.lost_samples <= (0 if told else 100)


def test_a_sketch_that_is_late_and_catches_up_loses_nothing() -> None:
    late = np.arange(2000) * 5.0
    late[500:503] = late[502]
    decoder = CsvDecoder(1, 200.0)
    decoder.feed(b"\n" + b"".join(b"%d,1\n" % n for n in late))
    assert decoder.lost_samples == 0


def test_numbers_that_rise_by_any_step_count_lines_as_well() -> None:
    kept = np.delete(np.arange(1000), [300, 301])
    decoder, index = read([str(n * 7 + 3) for n in kept])
    assert np.array_equal(index, kept[: len(index)])
    assert decoder.notes == ("the first number of each line rises by 7, and is no channel",)


def test_a_device_that_begins_its_time_anew_is_a_restart() -> None:
    text = [*times("ms", 200.0, np.arange(400)), *times("ms", 200.0, np.arange(400), first_s=0.1)]
    decoder = CsvDecoder(1, 200.0)
    runs = decoder.feed(b"\n" + b"".join(f"{number},5\n".encode() for number in text))
    assert [run.restart for run in runs] == [False, True]
    assert decoder.lost_samples == 0


def test_a_damaged_digit_of_a_time_costs_its_line_alone() -> None:
    text = times("us", 200.0, np.arange(200))
    text[100] = "9" + text[100]
    decoder = CsvDecoder(1, 200.0)
    runs = decoder.feed(b"\n" + b"".join(f"{number},5\n".encode() for number in text), most_lost=400)
    assert [(run.lost, run.restart) for run in runs] == [(0, False), (1, False)]
    assert decoder.bad_lines == 1


@pytest.mark.parametrize("odd", ["3", "3.00"])
def test_a_time_in_seconds_may_begin_with_a_whole_one(odd: str) -> None:
    decoder = CsvDecoder(1, 200.0)
    decoder.feed(
        b"\n" + b"".join(f"{number},5\n".encode() for number in [odd, *times("s2", 200.0, np.arange(1, 400))])
    )
    assert decoder.lines > 350


def test_lines_with_nothing_in_front_say_so() -> None:
    decoder = CsvDecoder(2)
    decoder.feed(b"\n1,2\n3,4\n")
    assert decoder.notes == (
        "the lines carry neither a counter nor a time: what is lost between them does not show",
    )


@given(
    st.lists(
        st.one_of(
            st.integers(-5, 70_000),
            st.integers(2**31 - 9, 2**31 + 9),
            st.floats(-9e15, 9e15),
            st.sampled_from([0, 0.01, 1, 1e-300, 65_535]),
        ),
        max_size=120,
    ),
    st.sampled_from([None, 50.0, 1000.0, 2000.0]),
    st.sampled_from([10, 10**9]),
)
@settings(max_examples=200, deadline=None)
def test_no_numbers_break_it(numbers: list[float], rate: float | None, most_lost: int) -> None:
    decoder = CsvDecoder(1, rate)
    regular = [n * 0.005 if n % 1000 else n for n in range(20)]
    lines = [*numbers[:60], *regular, *numbers[60:]]
    runs = decoder.feed(b"\n" + b"".join(f"{number},5\n".encode() for number in lines), most_lost)
    assert sum(len(run.samples) for run in runs) == decoder.lines <= len(lines)
    assert all(0 <= run.lost <= most_lost for run in runs)
