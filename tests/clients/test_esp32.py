"""The client for microcontrollers on this machine: its bytes beside those of the others, and its sketch to a server."""

from __future__ import annotations

import json
import shutil
import struct
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from myostream_client.live.messages import FORMATS, AuxBlock, records_of, samples_message
from tests.clients.live_server import LiveShelf, live_server
from tests.server.live import LATE_S, until

HERE = Path(__file__).parent / "esp32"
SKETCH = Path(__file__).resolve().parents[2] / "clients" / "esp32" / "myostream_esp32"
CASES: dict[str, Any] = json.loads(Path(__file__).with_name("live_cases.json").read_text())
WARNINGS = ("-Wall", "-Wextra", "-Werror")

pytestmark = pytest.mark.skipif(shutil.which("g++") is None, reason="g++ is not installed")

Ask = Callable[[str], str]


def compiled(source: Path, program: Path, *more: str) -> Path:
    command = ["g++", "-std=c++11", *WARNINGS, "-pthread", f"-I{SKETCH}", f"-I{HERE}", *more]
    run = subprocess.run(
        [*command, str(source), "-o", str(program)], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    return program


@pytest.fixture(scope="module")
def ask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ask]:
    """Asks the header, compiled for this machine with what finds reads and writes beyond a buffer."""
    program = compiled(
        HERE / "frames.cpp",
        tmp_path_factory.mktemp("esp32") / "frames",
        "-Wpedantic",
        "-fsanitize=address,undefined",
        "-fno-sanitize-recover=all",
    )
    with subprocess.Popen(
        [program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        stdin, stdout = process.stdin, process.stdout

        def asked(line: str) -> str:
            stdin.write(f"{line}\n")
            stdin.flush()
            return stdout.readline().strip()

        yield asked
        stdin.close()
        assert process.wait(LATE_S) == 0


def question(first: int, rows: Any, form: int, aux: list[AuxBlock]) -> str:
    words: list[Any] = ["message", form, len(rows[0]), first, len(rows), *np.ravel(rows).tolist(), len(aux)]
    for block in aux:
        words += [block.stream, len(block.samples[0]), block.first_sample, len(block.samples)]
        words += np.ravel(block.samples).tolist()
    return " ".join(repr(word) if isinstance(word, float) else str(word) for word in words)


@pytest.mark.parametrize("case", CASES["messages"], ids=lambda case: case["name"])
def test_its_messages_are_those_of_the_other_clients(ask: Ask, case: dict[str, Any]) -> None:
    aux = [AuxBlock(one["stream"], one["first_sample"], one["rows"]) for one in case["aux"]]
    assert ask(question(case["first_sample"], case["rows"], FORMATS[case["format"]], aux)) == case["hex"]


FLOATS = arrays(np.float32, (3, 2), elements=st.floats(-1e6, 1e6, width=32))


@given(
    st.integers(0, 2**53 - 1),
    st.sampled_from(list(FORMATS)),
    arrays(np.int16, st.tuples(st.integers(1, 50), st.integers(1, 16))),
    st.lists(st.tuples(st.integers(0, 7), st.integers(0, 2**40), FLOATS), max_size=8),
)
@settings(max_examples=100)
def test_any_message_is_that_of_python(
    ask: Ask, first: int, form: str, samples: Any, aux: list[tuple[int, int, Any]]
) -> None:
    blocks = [AuxBlock(*one) for one in aux]
    code = FORMATS[form]
    whole = samples.astype(np.int32) * 250 if form == "int24" else samples
    assert ask(question(first, whole, code, blocks)) == samples_message(first, whole, code, blocks).hex()


@pytest.mark.parametrize("case", CASES["records"], ids=lambda case: case["name"])
def test_its_records_are_those_of_the_other_clients(ask: Ask, case: dict[str, Any]) -> None:
    (record,) = records_of(bytes.fromhex(case["hex"]))
    fields = (
        record.kind,
        65535 if record.prediction is None else record.prediction,
        record.sample_index,
        record.age_ms,
        record.confidence,
        record.intensity,
        65535 if record.decision is None else record.decision,
        record.dropped,
        record.frame,
    )
    found = ask(f"record {case['hex'] * 2}").split(";")
    assert found[0] == found[1]
    assert [float(word) for word in found[0].split()] == list(fields)
    assert found[2:] == [""]


@pytest.mark.parametrize("data", ["", "01", "02" + 31 * "00", 31 * "00", 33 * "00"])
def test_what_is_no_record_is_none(ask: Ask, data: str) -> None:
    assert ask(f"record {data}") == ""


def test_what_does_not_fit_is_refused_and_nothing_is_written_over(ask: Ask) -> None:
    assert ask("bounds") == "0 0 1 1 0 0 0 2 24 0"


def test_the_last_samples_are_kept_beyond_the_wrap_of_32_bits(ask: Ask) -> None:
    assert ask("ring") == "20 12 19 1"
    assert ask("") == "1"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('{"type":"live","source":"arm","next_sample":null,"send":[]}', "live"),
        ('{"type":"live","source":"arm","next_sample":9007199254740991}', "live 9007199254740991"),
        ('{"type":"ack","next_sample":0,"received":10,"duplicates":0,"lost":0}', "ack 0"),
        ('{"type":"error","status":422,"detail":"no"}', "error"),
        ('{ "source": "type", "type" : "live", "next_sample" : 7 }', "live 7"),
        ('{"type":"lively"}', ""),
        ('{"next":1}', ""),
    ],
)
def test_what_it_must_know_of_the_texts_is_read(ask: Ask, text: str, found: str) -> None:
    assert ask(f"text {text}") == found


@contextmanager
def board(folder: Path, port: int, key: str = "") -> Iterator[Path]:
    """The sketch, as somebody would fill it in, on a board that is this machine; the file has what it prints."""
    text = (SKETCH / "myostream_esp32.ino").read_text()
    for before, after in (
        ('"192.168.1.20"', '"127.0.0.1"'),
        ("PORT = 8000", f"PORT = {port}"),
        ('API_KEY = ""', f'API_KEY = "{key}"'),
    ):
        assert before in text
        text = text.replace(before, after)
    sketch = folder / "sketch.ino"
    sketch.write_text(text)
    program = compiled(HERE / "board.cpp", folder / "board", f'-DSKETCH="{sketch}"')
    printed = folder / "printed"
    with (
        printed.open("wb") as out,
        subprocess.Popen([program], stdin=subprocess.PIPE, stdout=out) as process,
    ):
        try:
            yield printed
        finally:
            assert process.stdin is not None
            process.stdin.close()
            assert process.wait(LATE_S) == 0


class Board(LiveShelf):
    """A server of one board: int16 samples of four channels, each of which counts."""

    def took(self, message: bytes, channels: int) -> dict[str, Any]:
        version, form, aux, zero, count, first = struct.unpack_from("<BBBBIQ", message)
        assert (version, form, aux, zero, channels) == (1, 2, 0, 0, 4)
        values = np.frombuffer(message[16:], "<i2").reshape(count, 4)
        start = first if self.next_sample is None else self.next_sample
        fresh, lost = max(0, min(count, first + count - start)), max(0, first - start)
        for place in range(count - fresh, count):
            self.taken[first + place] = values[place].tolist()
        self.next_sample = max(start, first + count)
        counts = {"received": fresh, "duplicates": count - fresh, "lost": lost}
        return {"type": "ack", "next_sample": self.next_sample, **counts}


def test_the_sketch_sends_what_it_takes_and_follows_decisions_through_a_cut(tmp_path: Path) -> None:
    shelf = Board()
    shelf.next_sample = 5000  # from before the board began
    decision = struct.pack("<BBHQfffHHI", 1, 2, 65535, 5000, 1.0, 0.9, 0.0, 3, 0, 0)
    with live_server(shelf) as url, board(tmp_path, int(url.rpartition(":")[2]), "secret") as printed:
        until(lambda: len(shelf.messages) > 5)
        shelf.says.append(decision)
        until(lambda: len(shelf.messages) > 10)
        shelf.cut()
        until(lambda: shelf.connections == 2 and len(shelf.messages) > 30)
    said = printed.read_text().splitlines()
    assert said[0].split() == ["decision", "3"]
    assert "no decision: stop" in said
    assert shelf.queries[0] == {
        "channels": "4",
        "sampling_rate_hz": "1000",
        "units": "mV",
        "scale": "0.8058608",
        "send": "decisions",
        "format": "binary",
    }
    assert (shelf.headers[0]["x-api-key"], shelf.headers[0]["origin"]) == ("secret", "http://127.0.0.1")
    samples = np.array([shelf.taken[place] for place in range(5000, 5000 + len(shelf.taken))])
    assert (np.diff(samples, axis=0) % 4096 == 1).all()  # none is missing, and none comes twice
    assert (np.diff(samples, axis=1) % 4096 == [3, 4091, 1]).all()  # pins 36, 39, 34, 35
