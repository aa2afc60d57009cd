from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.emg.serial_device.csv_lines import CsvDecoder
from app.emg.serial_device.decoder import Run

FIRST = b"a line whose beginning may be missing\n"


def decoded(text: bytes, channels: int = 3, piece: int | None = None) -> tuple[CsvDecoder, list[Run]]:
    decoder = CsvDecoder(channels)
    stream = FIRST + text
    piece = piece or len(stream)
    runs = [run for at in range(0, len(stream), piece) for run in decoder.feed(stream[at : at + piece])]
    return decoder, runs


def joined(runs: list[Run]) -> list[list[float]]:
    return [row for run in runs for row in run.samples.tolist()]


@pytest.mark.parametrize(
    "line",
    [
        b"1,-2,3.5\n",
        b"1\t-2\t3.5\n",
        b"1 -2 3.5\r\n",
        b" 1 , -2 ,\t3.5 \r\n",
        b"1;-2;3.5\n",
        b"1,-2,3.5,\r\n",
        b"+1,-2.0,35e-1\n",
        b"a:1,b:-2,c:3.5\n",
        b"E0: 1\tE1: -2\tE2: 3.5\r\n",
        b"E0:1 E1:-2 E2:3.5\n",
        b"E0=1;E1=-2;E2=3.5;\n",
        b"E0 = 1, E1 = -2, E2 = 3.5\n",
        b"EMG 1: 1 EMG 2: -2 EMG 3: 35e-1\n",
        b"1:1,2:-2,3:3.5\n",
        b'{"a": 1, "b": -2, "c": 3.5}\n',
        b"[1, -2, 3.5]\n",
        b"1,-2,3.5\r",
        b"1,-2,3.5\n\r",
    ],
)
def test_a_line_is_a_sample_whatever_parts_its_numbers(line: bytes) -> None:
    decoder, runs = decoded(line)
    assert joined(runs) == [[1.0, -2.0, 3.5]]
    assert runs[0].samples.dtype == np.float32
    assert (decoder.lines, decoder.bad_lines) == (1, 0)


@pytest.mark.parametrize("piece", [1, 2, 5, 1000])
def test_lines_may_come_in_pieces(piece: int) -> None:
    _, runs = decoded(b"".join(b"%d,%d,%d\r\n" % (k, -k, 2 * k) for k in range(50)), piece=piece)
    assert joined(runs) == [[k, -k, 2 * k] for k in range(50)]


@pytest.mark.parametrize("piece", [1, 2, 5, 1000])
@pytest.mark.parametrize("end", [b"\r", b"\n", b"\r\n", b"\n\r"])
def test_lines_end_with_cr_lf_or_both(end: bytes, piece: int) -> None:
    decoder = CsvDecoder(2)
    text = b"cut" + end + b"".join(b"%d,%d%s" % (k, -k, end) for k in range(50))
    runs = [run for at in range(0, len(text), piece) for run in decoder.feed(text[at : at + piece])]
    assert joined(runs) == [[k, -k] for k in range(50)]
    assert (decoder.bad_lines, decoder.lost_samples) == (0, 0)


@given(
    st.lists(st.tuples(*[st.integers(-32768, 32767)] * 3), min_size=1, max_size=30),
    st.sampled_from(["{}", "ch{}:", "E{}: ", "E{} = ", "Muscle {}=", "ch_{} :\t"]),
    st.sampled_from([",", ", ", "\t", ";", " ", " ; "]),
    st.sampled_from(["\r", "\n", "\r\n"]),
    st.booleans(),
)
@settings(deadline=None)
def test_names_and_what_parts_them_make_no_difference(
    rows: list[tuple[int, ...]], name: str, comma: str, end: str, time: bool
) -> None:
    names = ["" if name == "{}" else name.format(channel) for channel in range(3)]
    lines = []
    for number, row in enumerate(rows):
        fields = [f"{label}{value}" for label, value in zip(names, row, strict=True)]
        lines.append(comma.join([*([f"t: {number}" if names[0] else f"{number}"] if time else []), *fields]))
    decoder, runs = decoded((end.join(lines) + end).encode())
    assert joined(runs) == [list(map(float, row)) for row in rows]
    assert decoder.bad_lines == 0


def test_two_lines_that_ran_together_are_no_line_with_a_counter() -> None:
    decoder, runs = decoded(b"1,2,3\n4,57,8,9\n10,11,12\n")
    assert joined(runs) == [[1, 2, 3], [10, 11, 12]]
    assert (decoder.bad_lines, decoder.lost_samples) == (1, 1)


def test_a_clock_time_in_front_is_a_time() -> None:
    text = "".join(
        f"12:{k // 12000:02}:{k / 200 % 60:06.3f},1,2,3\n" for k in range(11990, 13000) if k != 12500
    )
    decoder = CsvDecoder(3, 200.0)
    decoder.feed(FIRST + text.encode())
    assert (decoder.bad_lines, decoder.lost_samples) == (0, 1)
    assert decoder.notes == ("the first number of each line is a time in s",)


def test_the_first_line_is_not_believed_for_it_may_be_the_end_of_a_number() -> None:
    decoder = CsvDecoder(1)
    (run,) = decoder.feed(b"23\n124\n125\n")
    assert run.samples.tolist() == [[124.0], [125.0]]
    assert decoder.bad_lines == 0


def test_a_header_is_passed_over() -> None:
    decoder, runs = decoded(b"EMG logger v1.2\r\nch1,ch2,ch3\r\n\r\n1,2,3\r\n")
    assert joined(runs) == [[1, 2, 3]]
    assert decoder.bad_lines == 0


@pytest.mark.parametrize(
    "bad",
    [
        b"1,2",
        b"1,,3",
        b"1,2,x",
        b"1,2,3,4,5",
        b"nan,1,2",
        b"inf,1,2",
        b"1_0,2,3",
        b"0x1,2,3",
        b"1,2,1e30",
        b"\xff\xfe\x00",
    ],
)
def test_a_bad_line_is_counted_and_is_one_lost_sample(bad: bytes) -> None:
    decoder, runs = decoded(b"1,2,3\n" + bad + b"\n7,8,9\n")
    assert [(run.samples.tolist(), run.lost) for run in runs] == [([[1, 2, 3]], 0), ([[7, 8, 9]], 1)]
    assert (decoder.lines, decoder.bad_lines, decoder.lost_samples) == (2, 1, 1)


@pytest.mark.parametrize("kept", range(6))
def test_every_truncation_of_a_line_costs_it_and_the_one_it_runs_into_at_most(kept: int) -> None:
    decoder, runs = decoded(b"1,2,3\n" + b"4,5,6\n"[:kept] + b"7,8,9\n10,11,12\n")
    rows = joined(runs)
    assert (rows[0], rows[-1]) == ([1, 2, 3], [10, 11, 12])
    assert decoder.lines + decoder.bad_lines == 3


def test_a_counter_in_front_is_no_channel_and_shows_what_was_lost() -> None:
    decoder, runs = decoded(b"7,1,2,3\n8,1,2,3\n11,4,5,6\n12,x,5,6\n13,7,8,9\n")
    assert [(run.samples.tolist(), run.lost) for run in runs] == [
        ([[1, 2, 3], [1, 2, 3]], 0),
        ([[4, 5, 6]], 2),
        ([[7, 8, 9]], 1),
    ]
    assert (decoder.lost_samples, decoder.bad_lines) == (3, 1)


@pytest.mark.parametrize("bits", [8, 16, 32])
def test_a_counter_wraps(bits: int) -> None:
    end = 2**bits
    decoder, runs = decoded(b"".join(b"%d 1 2 3\n" % (k % end) for k in (end - 2, end - 1, end, end + 2)))
    assert [(len(run.samples), run.lost) for run in runs] == [(3, 0), (1, 1)]
    assert decoder.restarts == 0


def test_a_counter_that_falls_is_a_device_that_began_anew() -> None:
    decoder, runs = decoded(b"500 1 2 3\n0 1 2 3\n1 1 2 3\n2 1 2 3\n")
    assert [(len(run.samples), run.lost, run.restart) for run in runs] == [(1, 0, False), (2, 0, True)]
    assert (decoder.restarts, decoder.lost_samples) == (1, 0)


def test_a_counter_that_jumps_further_than_time_allows_began_anew() -> None:
    decoder = CsvDecoder(1)
    decoder.feed(b"\n1 5\n", most_lost=100)
    (run,) = decoder.feed(b"9000 5\n9001 5\n", most_lost=100)
    assert (run.lost, run.restart, len(run.samples)) == (0, True, 1)


def test_a_damaged_digit_of_a_counter_costs_its_line_alone() -> None:
    decoder = CsvDecoder(1)
    (*runs,) = decoder.feed(b"\n10 5\n11 5\n712 5\n13 5\n14 5\n", most_lost=100)
    assert [(len(run.samples), run.lost, run.restart) for run in runs] == [(2, 0, False), (2, 1, False)]
    assert (decoder.bad_lines, decoder.restarts) == (1, 0)


def test_a_line_that_comes_twice_counts_once() -> None:
    decoder, runs = decoded(b"1 1 2 3\n1 1 2 3\n2 4 5 6\n")
    assert joined(runs) == [[1, 2, 3], [4, 5, 6]]
    assert decoder.repeated == 1


@pytest.mark.parametrize("counter", [b"-1", b"1.5", b"x"])
def test_what_is_no_counter_makes_the_line_bad(counter: bytes) -> None:
    decoder, runs = decoded(b"1 1 2 3\n" + counter + b" 1 2 3\n2 1 2 3\n")
    assert len(joined(runs)) == 2
    assert decoder.bad_lines == 1


def test_reset_forgets_half_a_line_and_the_counter() -> None:
    decoder, _ = decoded(b"5 1 2 3\n6 1 2")
    decoder.reset()
    (run,) = decoder.feed(b" 3\n900 1 2 3\n")
    assert (run.lost, run.restart, run.samples.tolist()) == (0, False, [[1, 2, 3]])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"1,2,3,4,5\n" * 9, "hold 5 numbers; 3 are expected (EMG_CH), or 4 with a counter"),
        (b"\x00\x9f" * 400, "EMG_BAUD and EMG_FORMAT"),
        (b"7 1 2 3\n" * 9, "stands still"),
    ],
    ids=["width", "noise", "counter"],
)
def test_the_complaint_names_what_is_wrong(text: bytes, words: str) -> None:
    decoder, _ = decoded(text)
    assert words in decoder.complaint


@given(st.lists(st.binary(max_size=40), max_size=20), st.integers(1, 100))
def test_no_bytes_break_it_and_none_are_hoarded(lines: list[bytes], piece: int) -> None:
    decoder, runs = decoded(b"\n".join(lines) * 4, piece=piece)
    assert len(decoder._rest) <= 4 * 32 + piece
    for run in runs:
        assert run.samples.shape[1] == 3
        assert np.isfinite(run.samples).all()


@given(st.lists(st.tuples(st.integers(-32768, 32767), st.integers(-32768, 32767)), min_size=1), st.data())
def test_noise_without_numbers_between_lines_costs_no_sample(
    rows: list[tuple[int, int]], data: st.DataObject
) -> None:
    noise = st.binary(max_size=20).filter(lambda b: b"\n" not in b and not b.strip().isdigit())
    text = b""
    for number, row in enumerate(rows):
        text += b"#" + data.draw(noise) + b"\n%d,%d,%d\n" % (number, *row)
    _, runs = decoded(text, channels=2)
    assert joined(runs) == [list(map(float, row)) for row in rows]


@pytest.mark.parametrize(("text", "numbered"), [(b"1,2,3\n", False), (b"7,1,2,3\n8,1,2,3\n", True)])
def test_lines_are_numbered_where_they_carry_a_counter(text: bytes, numbered: bool) -> None:
    decoder, _ = decoded(text)
    assert decoder.numbered is numbered
