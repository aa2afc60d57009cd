"""LSL for real: the other end is always a process of its own."""

from __future__ import annotations

import json
import logging
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

from app.emg.auxiliary import AuxChunk
from app.emg.description import SourceDescription
from app.emg.lsl.finder import Query, describe
from app.emg.lsl.library import load_pylsl
from app.emg.lsl.source import LslSource
from app.emg.source import Chunk
from app.errors import ConfigError, SourceError
from tests.emg.extras import require_extra
from tests.emg.lsl_streams import ROOT, own, sending

require_extra(load_pylsl)

CHANNELS, RATE = 4, 500.0
LATE_S = 20.0


@contextmanager
def source(query: str, **changes: Any) -> Iterator[LslSource]:
    chosen = {"channels": CHANNELS, "sampling_rate": RATE, "units": "uV", **changes}
    scale = chosen.pop("scale", None)
    made = LslSource(Query.parse(query), SourceDescription(**chosen), scale=scale)
    try:
        yield made
    finally:
        made.close()
        assert made.read() is None


def patiently(source: LslSource) -> Chunk:
    """The next chunk, however often the source says that there is none now."""
    until = time.monotonic() + LATE_S
    while True:
        try:
            chunk = source.read()
        except SourceError:
            assert time.monotonic() < until
            time.sleep(0.05)
        else:
            assert chunk is not None
            return chunk


def several(source: LslSource, samples: int) -> list[Chunk]:
    chunks = [patiently(source)]
    while sum(len(chunk.samples) for chunk in chunks) < samples:
        chunks.append(patiently(source))
    return chunks


def read_on(source: LslSource, chunks: list[Chunk]) -> None:
    """Collect what comes, until it raises."""
    until = time.monotonic() + LATE_S
    while time.monotonic() < until:
        chunk = source.read()
        assert chunk is not None
        chunks.append(chunk)


def offsets(chunks: list[Chunk]) -> set[int]:
    """Between the number that a sample tells of itself and its index."""
    return {
        int(number - chunk.index - at)
        for chunk in chunks
        for at, number in enumerate(np.rint(chunk.samples[:, 0]))
    }


@pytest.mark.parametrize("prop", ["name", "type", "source_id"])
def test_a_stream_is_found_by_name_type_or_id_and_no_sample_is_lost(prop: str) -> None:
    name = own(f"found-{prop}")
    with sending(name, CHANNELS, RATE, "--type", name), source(f"{prop}={name}") as found:
        chunks = several(found, 600)
    assert len(offsets(chunks)) == 1
    for chunk in chunks:
        assert np.allclose(np.diff(chunk.samples, axis=1), 1000.0)
        assert chunk.samples.dtype == np.float32
    assert not any(chunk.restart for chunk in chunks)


def test_samples_that_are_missing_between_the_stamps_are_a_gap_of_their_number() -> None:
    name = own("gaps")
    with sending(name, CHANNELS, RATE, "--skip-every", "0.7"), source(f"name={name}") as found:
        chunks = several(found, 700)
    ends = [chunk.index + len(chunk.samples) for chunk in chunks]
    lost = [after.index - end for end, after in zip(ends, chunks[1:], strict=False) if after.index != end]
    assert len(lost) >= 2
    # the stamps are of another thread's clock: a sample more or less
    assert all(abs(gap - 0.2 * RATE) <= 2 for gap in lost), lost
    assert max(offsets(chunks)) - min(offsets(chunks)) <= 2 * len(lost)


@pytest.mark.parametrize(
    "arguments", [("--set-clock", "15"), ("--chunk", "64")], ids=["15 s ahead", "MyoGestic"]
)
def test_stamps_that_do_not_fit_the_samples_are_no_gap(arguments: tuple[str, ...]) -> None:
    """A clock that was set; and MyoGestic's generator, which stamps a chunk a second 50 ms late."""
    name = own(arguments[0])
    with sending(name, CHANNELS, RATE, *arguments), source(f"name={name}") as found:
        chunks = several(found, 2500)
    assert len(offsets(chunks)) == 1


def test_units_of_the_stream_become_the_models() -> None:
    name = own("volts")
    with sending(name, CHANNELS, RATE, "--unit", "millivolts"), source(f"name={name}") as found:
        chunk = patiently(found)
    assert np.allclose(np.diff(chunk.samples, axis=1), 1e6)


@pytest.mark.parametrize(
    ("option", "reason"),
    [
        (("--never", "4"), "is there, but channel 4 is never a number"),
        (("--silent",), "is there, but sends no samples"),
    ],
    ids=["never a number", "silent"],
)
def test_a_stream_that_is_there_and_cannot_be_used_says_why(option: tuple[str, ...], reason: str) -> None:
    """The reason of before, that no such stream is on this network, outlived its cause."""
    name = own("useless")
    with sending(name, CHANNELS, RATE, *option), source(f"name={name}") as found:
        said = ""
        until = time.monotonic() + LATE_S
        while reason not in said:
            assert time.monotonic() < until, said
            with pytest.raises(SourceError) as caught:
                found.read()
            said = str(caught.value)


def test_a_stream_that_vanishes_is_an_error_and_one_that_comes_back_goes_on_by_itself() -> None:
    name = own("back")
    with source(f"name={name}") as found:
        with sending(name, CHANNELS, RATE):
            last = several(found, 200)[-1]
        rest: list[Chunk] = []
        with pytest.raises(SourceError, match=f"name={name}"):
            read_on(found, rest)
        last = [last, *rest][-1]
        with pytest.raises(SourceError, match=f"no LSL stream with name={name} on this network"):
            found.read()
        with sending(name, CHANNELS, RATE):
            again = patiently(found)
    assert again.restart
    assert again.index > last.index + len(last.samples), "the time it was away counts as lost"
    assert found.sums == {"opened": 2}


def test_a_sender_that_stops_answering_is_an_error_though_its_connection_stays() -> None:
    name = own("frozen")
    with sending(name, CHANNELS, RATE) as process, source(f"name={name}") as found:
        several(found, 200)
        process.send_signal(signal.SIGSTOP)
        with pytest.raises(SourceError, match="does not answer any more"):
            read_on(found, [])
        process.send_signal(signal.SIGCONT)
        assert patiently(found).restart


def test_a_server_may_start_before_the_stream(caplog: pytest.LogCaptureFixture) -> None:
    name = own("later")
    with source(f"name={name}") as found, caplog.at_level(logging.WARNING):
        assert not found.check(0.2)
        assert f"no LSL stream with name={name} on this network" in caplog.text
        with sending(name, CHANNELS, RATE):
            assert len(patiently(found).samples)


def test_a_stream_that_was_there_at_the_start_is_read_at_once() -> None:
    name = own("there")
    with sending(name, CHANNELS, RATE), source(f"name={name}") as found:
        assert found.check(LATE_S)
        chunk = found.read()
    assert chunk is not None
    assert len(chunk.samples)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"channels": 8}, "has 4 channels at 500 Hz; the model takes 8 at 500 Hz"),
        ({"sampling_rate": 2000.0}, "has 4 channels at 500 Hz; the model takes 4 at 2000 Hz"),
    ],
    ids=["channels", "rate"],
)
def test_a_contradiction_is_refused_at_the_start_and_an_error_later(
    changes: dict[str, Any], told: str
) -> None:
    name = own("contradicts")
    with sending(name, CHANNELS, RATE), source(f"name={name}", **changes) as found:
        with pytest.raises(ConfigError, match=told):
            found.check(LATE_S)
        with pytest.raises(SourceError, match=told):
            found.read()


def test_two_streams_that_match_are_refused_by_name() -> None:
    kind = own("both")
    with (
        sending(own("one"), CHANNELS, RATE, "--type", kind),
        sending(own("two"), CHANNELS, RATE, "--type", kind),
        source(f"type={kind}") as found,
        pytest.raises(ConfigError, match=rf"2 LSL streams have type={kind}: .*name=.*; name one of them"),
    ):
        found.check(LATE_S)


def test_of_two_that_match_the_one_that_fits_is_taken() -> None:
    kind = own("fits")
    with (
        sending(own("fitting"), CHANNELS, RATE, "--type", kind),
        sending(own("slow"), CHANNELS, 100.0, "--type", kind),
        source(f"type={kind}") as found,
    ):
        assert found.check(LATE_S)


@pytest.mark.parametrize("text", ["", "name", "name=", "color=blue", "=x"])
def test_a_query_says_what_it_may_be(text: str) -> None:
    with pytest.raises(ConfigError, match=r"name=\.\.\., type=\.\.\. or source_id=\.\.\. of a stream"):
        Query.parse(text)


# --- the outlets --------------------------------------------------------------------------------------

READER = """
import json, sys, time
import pylsl

def inlet(kind):
    found = pylsl.resolve_bypred(f"type='{kind}' and starts-with(source_id, '{sys.argv[1]}')", 1, 15.0)
    return pylsl.StreamInlet(found[0])

predictions, markers = inlet("Predictions"), inlet("Markers")
predictions.open_stream(10.0)
markers.open_stream(10.0)
print("ready", flush=True)
info = predictions.info(5.0)
frames = [predictions.pull_sample(10.0) for _ in range(3)]
labels = [markers.pull_sample(10.0) for _ in range(2)]
print(json.dumps({
    "labels": info.get_channel_labels(), "classes": info.desc().child("model").child_value("classes"),
    "frames": frames, "markers": labels, "rate": info.nominal_srate(),
    "late": pylsl.local_clock() - frames[-1][1],
}), flush=True)
"""


def test_a_process_of_its_own_receives_predictions_and_markers() -> None:
    from app.emg.lsl.outlet import LslOutlets

    outlets = LslOutlets(own("outlet"), "tiny", ["rest", "fist"], "rest")
    with subprocess.Popen(
        [sys.executable, "-c", READER, own("outlet")],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as reader:
        assert reader.stdout is not None
        assert reader.stdout.readline() == "ready\n"
        for label in ("rest", "rest", "fist"):
            outlets.push((1, 0.75, 0.5, int(label == "fist")), (0.25, 0.75), time.time() - 0.1)
            outlets.mark(label, time.time())
        told = json.loads(reader.stdout.readline())
    outlets.close()
    outlets.close()
    assert told["labels"] == ["prediction", "confidence", "intensity", "decision", "p_rest", "p_fist"]
    assert told["classes"] == "rest,fist"
    assert told["rate"] == 0.0
    assert [values for values, _ in told["frames"]] == [
        [1.0, 0.75, 0.5, 0.0, 0.25, 0.75],
        [1.0, 0.75, 0.5, 0.0, 0.25, 0.75],
        [1.0, 0.75, 0.5, 1.0, 0.25, 0.75],
    ]
    assert [values for values, _ in told["markers"]] == [["rest"], ["fist"]], "only where it changes"
    assert 0.1 <= told["late"] < 5.0, "the stamp is the time of the last sample, not of the sending"


VALUE_READER = """
import json, sys
import pylsl

found = pylsl.resolve_bypred(f"type='Values' and starts-with(source_id, '{sys.argv[1]}')", 1, 15.0)
values = pylsl.StreamInlet(found[0])
values.open_stream(10.0)
print("ready", flush=True)
info = values.info(5.0)
sample, stamp = values.pull_sample(10.0)
print(json.dumps({
    "labels": info.get_channel_labels(), "units": info.get_channel_units(), "sample": sample,
    "model": info.desc().child("model").child_value("name"), "late": pylsl.local_clock() - stamp,
}), flush=True)
"""


def test_a_process_of_its_own_receives_values_with_names_and_units() -> None:
    from app.emg.lsl.value_outlet import ValueOutlet

    outlet = ValueOutlet(own("values"), "tiny", ["wrist", "grip"], ["deg", ""])
    with subprocess.Popen(
        [sys.executable, "-c", VALUE_READER, own("values")],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as reader:
        assert reader.stdout is not None
        assert reader.stdout.readline() == "ready\n"
        outlet.push([12.5, 0.25], time.time() - 0.1)
        told = json.loads(reader.stdout.readline())
    outlet.close()
    outlet.close()
    assert (told["labels"], told["units"][0], told["model"]) == (["wrist", "grip"], "deg", "tiny")
    assert told["sample"] == [12.5, 0.25]
    assert 0.1 <= told["late"] < 5.0, "the stamp is the time of the last sample, not of the sending"


def test_another_model_is_another_stream_of_predictions_and_a_marker() -> None:
    """A receiver that found it again by its id would take its channels for those of the model before."""
    import platform

    import pylsl

    from app.emg.lsl.outlet import LslOutlets

    def found(source_id: str, timeout_s: float) -> list[Any]:
        return list(pylsl.resolve_byprop("source_id", f"{source_id}@{platform.node()}", timeout=timeout_s))

    name = own("swap")
    outlets = LslOutlets(name, "tiny", ["rest", "fist"], "rest")
    markers = pylsl.StreamInlet(found(f"{name}-markers", 10.0)[0])
    markers.open_stream(10.0)
    outlets.mark("rest", time.time())
    outlets.change("other", ["rest", "point"], "rest", of_model="other")
    outlets.mark("rest", time.time())
    assert [markers.pull_sample(10.0)[0] for _ in range(3)] == [["rest"], ["model: other"], ["rest"]]
    info = pylsl.StreamInlet(found(f"{name}-other", 10.0)[0]).info(5.0)
    assert info.get_channel_labels()[4:] == ["p_rest", "p_point"]
    assert info.desc().child("model").child_value("classes") == "rest,point"
    assert found(name, 0.5) == []
    outlets.close()


def test_a_stream_says_what_it_is_before_there_is_a_model() -> None:
    name = own("describes-itself")
    with sending(name, 3, 148.148, "--unit", "millivolts"):
        found = describe(Query("name", name), LATE_S)
    assert str(found) == "3 channels at 148.148 Hz in mV"
    assert found.channel_names == ("E1", "E2", "E3")


def test_a_stream_that_was_described_is_read_at_once() -> None:
    """Two looks, of which the second began with knowing no stream: it was not there, and `emg check` gave up."""
    name = own("at-once")
    with sending(name, CHANNELS, RATE):
        made = LslSource(Query("name", name), describe(Query("name", name), LATE_S))
        assert made.read() is not None
        made.close()
        assert made.read() is None


def test_a_stream_that_is_not_there_says_nothing() -> None:
    with pytest.raises(SourceError, match="no LSL stream with name=absent"):
        describe(Query("name", "absent"), 0.1)


def read_some(made: LslSource, beside: int) -> tuple[list[Chunk], list[AuxChunk]]:
    """Read until so many auxiliary samples have come."""
    chunks = [patiently(made)]
    while sum(len(aux.samples) for chunk in chunks for aux in chunk.aux) < beside:
        chunks.append(patiently(made))
    return chunks, [aux for chunk in chunks for aux in chunk.aux]


def test_another_stream_of_the_device_lies_beside_the_emg_by_its_time() -> None:
    name = own("beside")
    query, other = Query("name", name), Query("name", f"{name}-beside")
    with sending(name, CHANNELS, RATE, "--beside", "50"):
        described = describe(query, LATE_S, aux=[other])
        (stream,) = described.aux_streams
        assert (stream.name, stream.sampling_rate, stream.units) == (other.value, 50.0, "unknown")
        made = LslSource(query, described, aux=[other])
        chunks, found = read_some(made, 100)
        made.close()
        assert made.read() is None
    (offset,) = offsets(chunks)
    for aux in found:
        numbers = aux.at + np.arange(len(aux.samples)) * RATE / 50.0 + offset
        np.testing.assert_allclose(numbers, aux.samples[:, 0] * RATE, atol=2.0)


def test_streams_that_did_not_answer_at_the_start_are_left_out(caplog: pytest.LogCaptureFixture) -> None:
    """The EMG may begin later than the server, by what the model expects; what would come beside is not known then."""
    query, other = Query("name", own("later")), Query("name", "acc")
    with caplog.at_level(logging.WARNING):
        made = LslSource(query, SourceDescription(channels=CHANNELS, sampling_rate=RATE), aux=[other])
    made.close()
    assert made.aux_streams == ()
    assert "are not read: they did not answer at the start" in caplog.text


def test_channels_of_another_type_come_beside_those_of_the_emg() -> None:
    name = own("types")
    with sending(name, 5, RATE, "--types", "EMG,EMG,ACC,TRIG,ACC"):
        described = describe(Query("name", name), LATE_S)
        assert (described.channels, described.channel_names) == (2, ("E1", "E2"))
        assert [(stream.name, stream.channel_names) for stream in described.aux_streams] == [
            ("acc", ("E3", "E5")),
            ("trig", ("E4",)),
        ]
        made = LslSource(Query("name", name), described)
        chunks, found = read_some(made, 200)
        made.close()
    (offset,) = offsets(chunks)
    for aux in found:
        first = aux.at + offset + (2000.0 if aux.stream == 0 else 3000.0)
        np.testing.assert_array_equal(aux.samples[:, 0], first + np.arange(len(aux.samples)))
