"""Text tables in every way of writing them: the same numbers come out, and the same gaps."""

from __future__ import annotations

import re
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.errors import DataError
from tests.emg.files.text.tables import emg, import_text, whole, write

ROWS, CHANNELS = 400, 3
TIMES = {"s": (1.0, 4, "time"), "ms": (1e3, 1, "Time (ms)"), "us": (1e6, 0, "micros")}


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_way_of_writing_gives_the_same_numbers(tmp_path: Path, data: st.DataObject) -> None:
    delimiter = data.draw(st.sampled_from([",", ";", "\t", " ", ", ", "   ", "|", "; "]))
    decimal = data.draw(st.sampled_from(".," if delimiter not in (",",) else "."))
    named, newline = data.draw(st.booleans()), data.draw(st.sampled_from(["\n", "\r\n", "\r"]))
    unit = data.draw(st.sampled_from([None, *TIMES]))
    turn = data.draw(st.sampled_from([None, 201, 256, 100, 16, 65536, 37]))
    rate = data.draw(st.sampled_from([200.0, 250.0, 500.0, 1000.0, 2000.0, 1259.259]))
    trailing = data.draw(st.booleans()) and bool(delimiter.strip() or delimiter == "\t")
    encoding = data.draw(st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-le"]))
    signal = emg(ROWS, CHANNELS, data.draw(st.integers(0, 5)))
    columns, names, decimals = [], [], {}
    begin = data.draw(st.integers(0, 30))
    if turn is not None:
        names.append("counter")
        decimals[len(columns)] = 0
        columns.append((np.arange(ROWS) + begin) % turn)
    if unit is not None:
        factor, places, name = TIMES[unit]
        names.append(name)
        decimals[len(columns)] = places
        columns.append(data.draw(st.sampled_from([0.0, 3.5])) * factor + np.arange(ROWS) / rate * factor)
    columns += [*signal.T]
    names += [f"emg{k}" for k in range(CHANNELS)]
    header = delimiter.join(
        names if delimiter.strip() or delimiter == "\t" else [n.replace(" ", "") for n in names]
    )
    path = write(
        tmp_path / "a.csv", columns, delimiter=delimiter, decimal=decimal, header=header if named else "",
        newline=newline, encoding=encoding, trailing=trailing, decimals=decimals,
    )  # fmt: skip
    # without a name, a clock of 1 ms looks like a column that counts the rows: the importer asks which it is
    told = unit is None or (unit == "ms" and rate == 1000.0 and not named)
    file = import_text(path, **({"rate_hz": rate} if told else {}))
    found = whole(file)
    np.testing.assert_allclose(found.samples, signal, atol=1e-4)
    assert found.gaps == []
    assert file.sampling_rate == pytest.approx(rate, rel=1e-4)
    assert any("columns parted by" in line for line in file.found)
    if named:
        assert file.channel_names == tuple(names[-CHANNELS:])


LOSSES = {"one": [100], "several": [50, 51, 52, 200], "a turn and more": list(range(120, 400)), "tenth": None}


@pytest.mark.parametrize(("turn", "loss"), [*product([201, 256, 1000, 65536], LOSSES)])
def test_a_counter_that_wraps_anywhere_tells_what_is_missing(tmp_path: Path, turn: int, loss: str) -> None:
    rows = 3000
    lost = LOSSES[loss]
    if lost is None:
        lost = np.flatnonzero(np.random.default_rng(3).random(rows) < 0.1)
    keep = np.setdiff1d(np.arange(rows), lost)
    signal = emg(rows, 2)
    if loss == "a turn and more" and turn in (201, 256):
        columns = [keep % turn, keep / 500.0, *signal[keep].T]  # only the clock knows of whole turns
        file = import_text(write(tmp_path / "a.csv", columns, decimals={0: 0, 1: 3}))
    else:
        file = import_text(
            write(tmp_path / "a.csv", [keep % turn, *signal[keep].T], decimals={0: 0}), rate_hz=500.0
        )
    found = whole(file)
    np.testing.assert_array_equal(found.index - found.index[0], keep - keep[0])
    assert any(re.search(r"\d+ samples? (is|are) missing in", line) for line in file.found)


@pytest.mark.parametrize("turn", [255, 1023, 65535])
def test_a_counter_that_always_turns_before_a_round_number_loses_nothing_there(
    tmp_path: Path, turn: int
) -> None:
    """Two turns are seen, and a loss elsewhere: where it turned both times is its end, and not one sample before."""
    rows = 2 * turn + 100
    keep = np.setdiff1d(np.arange(rows), [40, 60, 61, 80])
    columns = [keep % turn, *emg(rows, 2)[keep].T]
    file = import_text(write(tmp_path / "a.csv", columns, decimals={0: 0}), rate_hz=1000.0)
    assert whole(file).gaps == [(40, 1), (59, 2), (77, 1)]


@pytest.mark.parametrize("unit", TIMES)
@pytest.mark.parametrize("share", [0.01, 0.1, 0.3])
def test_a_clock_alone_tells_what_is_missing(tmp_path: Path, unit: str, share: float) -> None:
    factor, places, _ = TIMES[unit]
    rows = 4000
    keep = np.flatnonzero(np.random.default_rng(5).random(rows) >= share)
    columns = [keep / 500.0 * factor, *emg(rows, 2)[keep].T]
    file = import_text(write(tmp_path / "a.csv", columns, decimals={0: places}))
    assert file.sampling_rate == 500.0
    np.testing.assert_array_equal(whole(file).index, keep - keep[0])


def test_packets_that_share_a_time_are_no_fault_and_a_hole_is_a_gap(tmp_path: Path) -> None:
    """As an armband over Bluetooth: two samples to a packet, packets in bursts, the clock in whole ms."""
    random = np.random.default_rng(1)
    rows, rate = 6000, 200.0
    taken = np.arange(rows) / rate
    taken[3000:] += 10.0
    packets = taken[1::2].repeat(2)
    arrived = np.maximum.accumulate(packets + random.exponential(0.02, rows // 2).repeat(2))
    file = import_text(write(tmp_path / "a.csv", [arrived, *emg(rows, 2).T], decimals={0: 3}))
    assert file.sampling_rate == 200.0
    [(row, lost)] = whole(file).gaps
    assert abs(row - 3000) <= 2
    assert lost == pytest.approx(2000, abs=20)


def test_a_pause_that_is_made_up_for_is_no_gap(tmp_path: Path) -> None:
    rows, rate = 4000, 500.0
    times = np.arange(rows) / rate
    times[1000:1300] = np.maximum(times[1000:1300], times[1250])  # half a second late, then all at once
    file = import_text(write(tmp_path / "a.csv", [times, *emg(rows, 2).T], decimals={0: 4}))
    assert (file.sampling_rate, whole(file).gaps) == (500.0, [])


def test_a_time_of_day_goes_on_over_midnight(tmp_path: Path) -> None:
    rows, rate = 3000, 200.0
    seconds = (86390.0 + np.arange(rows) / rate) % 86400
    clock = [f"{int(s // 3600):02d}:{int(s // 60 % 60):02d}:{s % 60:06.3f}" for s in seconds]
    file = import_text(write(tmp_path / "a.csv", [clock, *emg(rows, 2).T]))
    assert (file.sampling_rate, whole(file).gaps, whole(file).restarts) == (200.0, [], [])
    assert any("midnight" in line for line in file.found)


@pytest.mark.parametrize("turn", [2**32, 2**16])
def test_a_clock_of_so_many_bits_goes_on_where_it_wraps(tmp_path: Path, turn: int) -> None:
    factor = 1e6 if turn == 2**32 else 1e3
    rows = 2000
    ticks = (turn - 1000 * factor / 500 + np.arange(rows) * factor / 500) % turn
    file = import_text(
        write(tmp_path / "a.csv", [ticks, *emg(rows, 2).T], header="time,a,b", decimals={0: 0})
    )
    assert (file.sampling_rate, whole(file).gaps) == (500.0, [])


def test_a_clock_that_begins_anew_begins_another_piece(tmp_path: Path) -> None:
    times = np.concatenate((np.arange(1000), np.arange(700))) / 500.0
    file = import_text(write(tmp_path / "a.csv", [times, *emg(1700, 2).T], decimals={0: 3}))
    found = whole(file)
    assert (file.sampling_rate, found.gaps, found.restarts) == (500.0, [], [1000])


def test_values_held_to_a_higher_rate_are_taken_once(tmp_path: Path) -> None:
    """As in the UCI's armband recordings: rows of 1 ms, and some 104 new samples a second, in bursts."""
    random = np.random.default_rng(2)
    rows = 20_000
    new = np.sort(random.choice(np.arange(1, rows), 2079, replace=False))
    held = emg(2080, 8)[np.searchsorted(new, np.arange(rows), side="right")]
    label = np.arange(rows) // 2500 % 4
    header = "time\t" + "\t".join(f"channel{k}" for k in range(1, 9)) + "\tclass"
    path = write(
        tmp_path / "1_raw_data.txt", [np.arange(1, rows + 1), *held.T, label], delimiter="\t", header=header,
        decimals={0: 0, 9: 0},
    )  # fmt: skip
    file = import_text(path)
    found = whole(file)
    assert file.channels == 8
    assert file.sampling_rate == pytest.approx(104.0, abs=0.2)
    assert (len(found.samples), found.gaps) == (2080, [])
    np.testing.assert_array_equal(found.samples, held[np.r_[0, new]].astype(np.float32))
    np.testing.assert_array_equal(found.labels, label[np.r_[0, new]])
    assert any("held to 1000 Hz" in line for line in file.found)
    kept = import_text(path, rate_hz=1000.0)
    assert (kept.sampling_rate, len(whole(kept).samples)) == (1000.0, rows)


def test_labels_in_words_are_gestures_and_rest_comes_first(tmp_path: Path) -> None:
    words = [["fist", "Rest", "open hand"][k // 100 % 3] for k in range(900)]
    header = "timestamp,emg_1,emg_2,gesture,repetition"
    columns = [np.arange(900) / 1000, *emg(900, 2).T, words, np.arange(900) // 300 + 1]
    file = import_text(write(tmp_path / "a.csv", columns, header=header, decimals={0: 3, 4: 0}))
    found = whole(file)
    assert (file.gesture_names, file.rest, file.sampling_rate) == (
        ("Rest", "fist", "open hand"),
        "Rest",
        1000.0,
    )
    assert [file.gesture_names[k] for k in found.labels] == words  # type: ignore[union-attr]  # it has labels
    np.testing.assert_array_equal(found.repetitions, np.arange(900) // 300 + 1)


def test_a_label_without_a_name_is_told_by_its_long_runs(tmp_path: Path) -> None:
    label = np.arange(2000) // 250 % 4
    file = import_text(write(tmp_path / "a.csv", [*emg(2000, 4).T, label], decimals={4: 0}), rate_hz=500.0)
    assert file.channels == 4
    np.testing.assert_array_equal(whole(file).labels, label)
    assert any("column 5" in line and "--label" in line for line in file.assumed)
    plain = import_text(tmp_path / "a.csv", rate_hz=500.0, label="none")
    assert (plain.channels, plain.gesture_names) == (5, ())


@pytest.mark.parametrize(
    ("rest", "names"), [(None, ("rest", "gesture_1", "gesture_2")), ("1", ("gesture_0", "rest", "gesture_2"))]
)
def test_classes_by_number_are_counted_from_0_and_rest_can_be_said(
    tmp_path: Path, rest: str | None, names: tuple[str, ...]
) -> None:
    columns = [*emg(900, 2).T, np.arange(900) // 100 % 3]
    path = write(tmp_path / "a.csv", columns, header="emg1,emg2,label", decimals={2: 0})
    file = import_text(path, rate_hz=500.0, rest=rest)
    assert (file.gesture_names, file.rest) == (names, "rest")


def test_channels_that_are_not_emg_are_kept_beside_it(tmp_path: Path) -> None:
    header = "Time [s];EMG1 [mV];EMG2 [mV];Acc X [g];Acc Y [g];Gyro Z;Trigger"
    columns = [np.arange(1000) / 500, *emg(1000, 6).T]
    file = import_text(
        write(tmp_path / "a.csv", columns, header=header, delimiter=";", decimal=",", decimals={0: 3})
    )
    assert (file.channel_names, file.units, file.sampling_rate) == (("EMG1 [mV]", "EMG2 [mV]"), "mV", 500.0)
    assert [(one.name, one.channels, one.units) for one in file.aux] == [
        ("accelerometer", 2, "g"),
        ("gyroscope", 1, "unknown"),
        ("trigger", 1, "unknown"),
    ]
    found = whole(file)
    np.testing.assert_allclose(
        np.concatenate([rows for _, rows in found.aux[0]]),
        columns[3:5] and np.array(columns[3:5]).T,
        atol=1e-4,
    )


def test_a_slow_signal_in_every_tenth_row_keeps_its_own_rate(tmp_path: Path) -> None:
    battery = [f"{k:.1f}" if k % 10 == 0 else "" for k in range(1000)]
    columns = [np.arange(1000) / 1000, *emg(1000, 2).T, battery]
    file = import_text(write(tmp_path / "a.csv", columns, header="time,emg1,emg2,battery", decimals={0: 3}))
    [stream] = file.aux
    assert (stream.name, stream.sampling_rate) == ("battery", 100.0)
    pieces = whole(file).aux[0]
    np.testing.assert_array_equal(np.concatenate([rows for _, rows in pieces])[:, 0], np.arange(0, 1000, 10))
    assert len(whole(file).samples) == 1000


def test_signals_with_their_own_clocks_are_aligned_by_time(tmp_path: Path) -> None:
    fast, slow = np.arange(2000) / 2000, 0.1 + np.arange(100) / 100
    pad = [""] * 1900
    columns = [
        fast,
        *emg(2000, 1).T,
        [*(f"{t:.4f}" for t in slow), *pad],
        [*(f"{k}" for k in range(100)), *pad],
    ]
    header = "EMG 1 Time Series (s),EMG 1 (mV),ACC X Time Series (s),ACC X (G)"
    file = import_text(write(tmp_path / "a.csv", columns, header=header, decimals={0: 4}))
    assert (file.sampling_rate, file.channels) == (2000.0, 1)
    [stream] = file.aux
    assert stream.sampling_rate == 100.0
    pieces = whole(file).aux[0]
    assert pieces[0][0] == pytest.approx(200.0)  # 0.1 s after the first EMG sample
    np.testing.assert_array_equal(
        np.concatenate([rows for _, rows in pieces])[:, 0],
        np.arange(len(np.concatenate([rows for _, rows in pieces]))),
    )


def test_a_header_of_numbers_as_pandas_writes_it_is_no_row(tmp_path: Path) -> None:
    rows = emg(500, 4)
    lines = [
        "," + ",".join(map(str, range(4))),
        *(f"{k}," + ",".join(f"{v:.2f}" for v in row) for k, row in enumerate(rows)),
    ]
    (tmp_path / "a.csv").write_text("\n".join(lines) + "\n")
    file = import_text(tmp_path / "a.csv", rate_hz=500.0)
    np.testing.assert_allclose(whole(file).samples, rows, atol=1e-4)


def test_decimal_commas_in_quotes_between_commas(tmp_path: Path) -> None:
    rows = emg(300, 3)
    lines = [
        "emg1,emg2,emg3",
        *(",".join('"' + f"{v:.2f}".replace(".", ",") + '"' for v in row) for row in rows),
    ]
    (tmp_path / "a.csv").write_text("\n".join(lines) + "\n")
    np.testing.assert_allclose(whole(import_text(tmp_path / "a.csv", rate_hz=500.0)).samples, rows, atol=1e-4)


def test_columns_can_be_chosen_by_number_and_by_name(tmp_path: Path) -> None:
    rows = emg(300, 4)
    path = write(tmp_path / "a.csv", [*rows.T], header="a,b,c,d")
    for said, columns in (("3,1", [2, 0]), ("2-3", [1, 2]), ("d,a", [3, 0])):
        file = import_text(path, rate_hz=500.0, emg=said)
        np.testing.assert_allclose(whole(file).samples, rows[:, columns], atol=1e-4)
        assert sum(one.channels for one in file.aux) == 2


def test_a_lost_sample_is_a_row_that_cannot_be_read_and_is_told(tmp_path: Path) -> None:
    rows = emg(1000, 3)
    lines = [",".join(f"{v:.2f}" for v in row) for row in rows]
    lines[300], lines[600], lines[700] = "1.0,2.0", "1.0,nan,2.0", "1.0,,2.0"
    lines.insert(500, "# a note of somebody")
    (tmp_path / "a.csv").write_text("\n".join(lines) + "\n12.5,3")
    file = import_text(tmp_path / "a.csv", rate_hz=500.0)
    found = whole(file)
    assert found.gaps == [(300, 1), (599, 1), (698, 1)]
    np.testing.assert_array_equal(found.index, np.setdiff1d(np.arange(1000), [300, 600, 700]))
    told = " ".join(file.found)
    assert "line 301 has 2 fields" in told
    assert "cut short" in told


def test_chunks_can_be_read_twice_and_at_once(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", [np.arange(30_000) / 1000, *emg(30_000, 2).T], decimals={0: 3})
    file = import_text(path)
    once = whole(file)
    for one, other in zip(file.chunks(), file.chunks(), strict=True):
        np.testing.assert_array_equal(one.samples, other.samples)
    np.testing.assert_array_equal(whole(file).samples, once.samples)


def test_rows_written_twice_are_held_values_too(tmp_path: Path) -> None:
    columns = [np.arange(2000) / 1000, *np.repeat(emg(1000, 2), 2, axis=0).T]
    file = import_text(write(tmp_path / "a.csv", columns, header="time,emg1,emg2", decimals={0: 3}))
    assert (file.sampling_rate, len(whole(file).samples)) == (500.0, 1000)


def test_a_quiet_signal_of_few_bits_holds_nothing(tmp_path: Path) -> None:
    """A rectified muscle at rest is 0 in most rows; that is no lower rate."""
    quiet = np.maximum(np.random.default_rng(1).integers(-9, 3, 3000), 0)
    columns = [np.arange(3000) / 1000, quiet]
    file = import_text(write(tmp_path / "a.csv", columns, header="time,emg1", decimals={0: 3, 1: 0}))
    assert (file.sampling_rate, len(whole(file).samples)) == (1000.0, 3000)


def test_a_clock_in_ms_that_rises_by_1_is_told_from_a_counter_by_its_name_alone(tmp_path: Path) -> None:
    columns = [np.arange(1000) + 1234, np.random.default_rng(1).integers(300, 700, 1000)]
    path = write(tmp_path / "a.csv", columns, decimals={0: 0, 1: 0})
    with pytest.raises(DataError, match="--time 1 says so"):
        import_text(path)
    assert import_text(path, time="1").sampling_rate == 1000.0
    named = write(tmp_path / "b.csv", columns, header="millis,a0", decimals={0: 0, 1: 0})
    assert import_text(named).sampling_rate == 1000.0


def test_stamps_that_jitter_are_a_clock_by_their_name(tmp_path: Path) -> None:
    times = np.arange(4000) / 250 + np.random.default_rng(1).normal(0, 0.0015, 4000)
    file = import_text(
        write(tmp_path / "a.csv", [times, *emg(4000, 2).T], header="time,a,b", decimals={0: 5})
    )
    assert (file.sampling_rate, whole(file).gaps) == (250.0, [])


def test_dates_go_on_over_the_new_year(tmp_path: Path) -> None:
    begin = np.datetime64("2023-12-31T23:59:58.000")
    stamps = [str(begin + np.timedelta64(2 * k, "ms")) + "Z" for k in range(2000)]
    file = import_text(write(tmp_path / "a.csv", [stamps, *emg(2000, 2).T], header="timestamp,a,b"))
    assert (file.sampling_rate, whole(file).gaps) == (500.0, [])


@pytest.mark.parametrize("bad", ["{stamp},1.0", ",1.0,2.0"], ids=["a field is missing", "no time"])
def test_one_bad_line_among_dates_costs_its_own_row_alone(tmp_path: Path, bad: str) -> None:
    """Its whole block was read as times of the day then, 54 years before the next block."""
    rows = 60_000  # two blocks
    begin = np.datetime64("2024-05-01T10:00:00.000")
    stamps = [str(begin + np.timedelta64(2 * k, "ms")) for k in range(rows)]
    path = write(tmp_path / "a.csv", [stamps, *emg(rows, 2).T], header="timestamp,a,b")
    assert path.stat().st_size > 2**21
    lines = path.read_text().splitlines()
    lines[1001] = bad.format(stamp=stamps[1000])
    path.write_text("\n".join(lines) + "\n")
    file = import_text(path)
    index = whole(file).index
    assert file.sampling_rate == pytest.approx(500.0, rel=1e-4)
    assert rows - 1 <= index[-1] - index[0] + 1 <= rows


@pytest.mark.parametrize(
    ("header", "given"),
    [
        ("# Sampling rate: 1000 Hz\nSample,CH1,CH2", {}),
        ("Sample,CH1,CH2", {"rate_hz": 1000.0}),
        ("Sample,Time (s),CH1", {}),
    ],
    ids=["a line above", "names alone", "a clock"],
)
def test_the_names_of_columns_say_no_rate(tmp_path: Path, header: str, given: dict[str, float]) -> None:
    """`Sample,CH1` was read as 1 Hz: it became the rate, contradicted the line above, or a clock that was right."""
    first = np.arange(2000) / 1000 if "Time" in header else emg(2000, 1)[:, 0]
    columns = [np.arange(2000), first, emg(2000, 1)[:, 0]]
    path = write(tmp_path / "a.csv", columns, header=header, decimals={0: 0, 1: 3})
    file = import_text(path, **given)
    assert file.sampling_rate == 1000.0
    assert not any(" 1 Hz" in line for line in (*file.found, *file.assumed))


@pytest.mark.parametrize("line", ["Fs = 1000", "Sampling rate: 1000", "# Sampling rate: 1000 Hz"])
def test_a_line_of_the_rate_with_as_many_words_as_columns_says_it(tmp_path: Path, line: str) -> None:
    columns = len(line.lstrip("# ").split())
    file = import_text(write(tmp_path / "a.csv", [*emg(500, columns).T], header=line))
    assert file.sampling_rate == 1000.0


TWO_ROWS = {
    "with names": "emg1,emg2\n1.5,2.0\n3.0,4.5\n",
    "without names": "1.5,2.0\n3.0,4.5\n",
    "without an end": "emg1;emg2\n1.5;2.0\n3.0;4.5",
    "parted by blanks": "emg1 emg2\n1.5 2.0\n3.0 4.5\n",
    "decimal comma": "emg1;emg2\n1,5;2,0\n3,0;4,5\n",
    "a note above": "Recorded in May\n\nemg1,emg2\n1.5,2.0\n3.0,4.5\n",
    "labels": "label,emg1,emg2\nfist,1.5,2.0\nrest,3.0,4.5\n",
    "a clock": "time,emg1,emg2\n0.000,1.5,2.0\n0.001,3.0,4.5\n",
    "a last word": "emg1,emg2\n1.5,2.0\n3.0,4.5\nend\n",
}


@pytest.mark.parametrize("case", TWO_ROWS)
def test_two_rows_are_a_table(tmp_path: Path, case: str) -> None:
    """A last row without a blank in it was taken for a word behind the table, so that one row remained."""
    (tmp_path / "a.csv").write_text(TWO_ROWS[case])
    file = import_text(tmp_path / "a.csv", rate_hz=1000.0)
    np.testing.assert_allclose(whole(file).samples, [[1.5, 2.0], [3.0, 4.5]])


@pytest.mark.parametrize("text", ["1.5,2.0\n", "emg1,emg2\n1.5,2.0\n", "emg1,emg2\n1.5,2.0\nend\n"])
def test_one_row_is_none_and_what_is_expected_is_said(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(DataError, match="two lines or more of equally many numbers are expected"):
        import_text(tmp_path / "a.csv", rate_hz=1000.0)


def test_what_there_is_one_of_is_said_so(tmp_path: Path) -> None:
    """`1 columns are taken as EMG (column 2 to column 2)`, `1 samples are missing in 1 gaps`, `1 lines are no rows`."""
    lines = [f"{k / 500:.3f},{value:.2f}" for k, value in enumerate(emg(300, 1)[:, 0])]
    del lines[100]
    lines[200] = "nothing"
    lines[250] = "1,2,3,4"
    (tmp_path / "a.csv").write_text("\n".join(lines) + "\n")
    file = import_text(tmp_path / "a.csv")
    said = " | ".join((*file.found, *file.assumed))
    assert "column 2 is taken as EMG; --emg says which columns are" in said
    assert "1 line within the table holds no numbers, and is left out" in said
    assert "1 line is no row of the table" in said
    assert "1 sample (0.002 s), before row" in said
