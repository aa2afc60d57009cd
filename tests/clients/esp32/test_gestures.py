"""Gestures on a microcontroller: records and texts read as Python reads them; a servo follows a real server."""

from __future__ import annotations

import json
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.api.live.events import gesture_record
from app.inference.gestures.events import GestureEvent
from tests.clients.test_esp32 import ask, compiled
from tests.server.live import LATE_S, Live, connecting, free_port, gunicorn, until

__all__ = ["ask"]

HERE = Path(__file__).parent
SKETCH = Path(__file__).resolve().parents[3] / "clients" / "esp32" / "myostream_servo"
OPEN, CLOSED = 20, 160
TIGHT = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-Wpedantic", f"-I{SKETCH}")

pytestmark = pytest.mark.skipif(shutil.which("g++") is None, reason="g++ is not installed")

Ask = Callable[[str], str]
PHASES, VARIANTS = ("onset", "hold", "release"), ("single", "double", "long")
REASONS = ("gesture", "rest", "stalled", "gap", "quality", "model", "completed", "shutdown")


def events() -> st.SearchStrategy[GestureEvent]:
    unit = st.floats(0, 1, width=32)
    return st.builds(
        GestureEvent,
        gesture=st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=64),
        phase=st.sampled_from(PHASES),
        id=st.integers(0, 2**53 - 1),
        variant=st.sampled_from(VARIANTS),
        index=st.integers(0, 63),
        sample_index=st.integers(70000, 2**53 - 1),
        began_at=st.integers(0, 70000),
        refined_by=st.integers(0, 4000),
        strength=unit,
        confidence=unit,
        held_s=st.floats(0, 3600, width=32),
        reason=st.none(),
        timestamp=st.floats(1.7e9, 1.9e9),
    ).flatmap(
        lambda event: (
            st.sampled_from(REASONS).map(lambda reason: event.released(reason, event.timestamp))
            if event.phase == "release"
            else st.just(event)
        )
    )


@given(events())
@settings(max_examples=200, deadline=None)
def test_a_record_of_the_server_is_read_to_its_last_bit(ask: Ask, event: GestureEvent) -> None:
    record = gesture_record(event)[-32:]  # behind the head of the WebSocket's frame
    *numbers, reason = f"{ask(f'gesture {record.hex()}')} ".split(" ")[:7]
    phase, variant = PHASES.index(event.phase), VARIANTS.index(event.variant)
    said = [1, phase, variant, event.index, event.strength, event.held_s]
    assert [np.float32(word) for word in numbers] == said
    assert reason == (event.reason or "")


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ask]:
    """Asks the header for texts, compiled with what finds reads and writes beyond a buffer."""
    program = compiled(HERE / "gestures.cpp", tmp_path_factory.mktemp("gestures") / "gestures", *TIGHT)
    with subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        stdin, stdout = process.stdin, process.stdout
        assert stdin is not None
        assert stdout is not None

        def asked(line: str) -> str:
            stdin.write(line.encode() + b"\n")
            stdin.flush()
            return stdout.readline().decode("utf-8", "replace").rstrip("\n")

        yield asked
        stdin.close()
        assert process.wait(LATE_S) == 0


def spelt(text: str) -> str:
    """A name as JSON writes it, as far as 63 bytes go."""
    return json.dumps(text)[1:-1].encode()[:63].decode("utf-8", "ignore")


def expected(event: dict[str, Any]) -> list[Any]:
    return [PHASES.index(event["phase"]), event["id"], event["class"], event["strength"], event["held_s"]]


@given(events(), st.sampled_from(["", "data: ", '{"type":"gesture",']), st.booleans())
@settings(max_examples=300, deadline=None)
def test_any_event_is_read_however_it_is_written(
    texts: Ask, event: GestureEvent, before: str, spaced: bool
) -> None:
    separators = (", ", ": ") if spaced else (",", ":")
    text = json.dumps(event.fields, separators=separators)
    found = texts(f"read {before}{text[1:] if before.endswith(',') else text}")
    *numbers, rest = found.split(" ", 5)
    assert [float(word) for word in numbers] == pytest.approx(expected(event.fields), rel=1e-6)
    assert rest == f"[{event.reason or ''}] {spelt(event.gesture)}"


@given(events(), st.data())
@settings(max_examples=200, deadline=None)
def test_a_text_that_was_cut_is_no_event(texts: Ask, event: GestureEvent, data: st.DataObject) -> None:
    text = json.dumps({**event.fields, "gesture": "fist"})
    cut = data.draw(st.integers(0, len(text) - 1))
    assert texts(f"read {text[:cut]}") == ""


@pytest.mark.parametrize(
    "text",
    [
        '{"prediction":1,"decision_label":"fist","strength":0.5}',
        '{"gesture":"fist","phase":"held","id":1,"class":1,"strength":0.5,"held_s":0}',
        '{"gesture":"fist","phase":"hold","id":-1,"class":1,"strength":0.5,"held_s":0}',
        '{"gesture":"fist","phase":"hold","id":1,"class":1,"strength":null,"held_s":0}',
        '{"gesture":7,"phase":"hold","id":1,"class":1,"strength":0.5,"held_s":0}',
        '"phase":',
        "{}",
    ],
)
def test_what_is_no_event_is_none(texts: Ask, text: str) -> None:
    assert texts(f"read {text}") == ""


def test_a_gesture_called_as_a_key_confuses_nobody(texts: Ask) -> None:
    text = '{"gesture":"id","phase":"hold","id":5,"class":1,"strength":0.5,"held_s":2}'
    assert texts(f"read {text}") == "1 5 1 0.5 2 [] id"


def test_lines_are_put_together_and_those_too_long_are_left_out(texts: Ask) -> None:
    stream = b"one\r\n\ntwo\nfifteen bytes..\nsixteen bytes...\nafter\nunfinished"
    assert texts(f"lines {stream.hex()}") == "[one][two][fifteen bytes..][after]"


def test_what_is_held_ends_by_its_release_or_by_silence(texts: Ask) -> None:
    steps = "0 onset 5 0.5 400 hold 5 0.75 500 tick 600 release 5 0 700 hold 5 0.9 800 onset 9 0.25 1801 tick"
    assert texts(f"hand {steps}") == "1 0.5,1 0.75,1 0.75,0 0,0 0,1 0.25,silent 0 0,"


def test_a_clock_that_wraps_ends_nothing(texts: Ask) -> None:
    """`millis` begins anew after seven weeks."""
    assert texts("hand 4294967200 onset 5 0.5 300 tick 1200 tick") == "1 0.5,1 0.5,silent 0 0,"


class Board:
    """The sketch on a board that is this machine."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        self.said: list[str] = []
        self.thread = threading.Thread(target=self._read)
        self.thread.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.said.append(line.decode().strip())

    def write(self, data: bytes) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(data)
        self.process.stdin.flush()

    @property
    def angle(self) -> int:
        return next(int(line) for line in reversed(self.said) if line.isdecimal())


@contextmanager
def board(folder: Path, *flags: str, port: int = 12347) -> Iterator[Board]:
    """As somebody would fill it in, compiled for an ESP32 or another Arduino."""
    text = (SKETCH / "myostream_servo.ino").read_text()
    for before, after in (
        ('WIFI_NAME = ""', 'WIFI_NAME = "ours"'),
        ("UDP_PORT = 12347", f"UDP_PORT = {port}"),
    ):
        assert before in text
        text = text.replace(before, after)
    sketch = folder / "sketch.ino"
    sketch.write_text(text)
    include = (f"-I{SKETCH}", f"-iquote{HERE / 'servo'}", f"-isystem{HERE / 'servo'}")
    command = [
        "g++",
        "-std=c++11",
        "-Wall",
        "-Wextra",
        "-Werror",
        "-pthread",
        *include,
        f'-DSKETCH="{sketch}"',
    ]
    program = folder / "servo"
    run = subprocess.run(
        [*command, *flags, str(HERE / "servo" / "board.cpp"), "-o", str(program)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    with subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        found = Board(process)
        try:
            until(lambda: found.said)
            yield found
        finally:
            assert process.stdin is not None
            process.stdin.close()
            assert process.wait(LATE_S) == 0
            found.thread.join(LATE_S)


def event(phase: str, number: int, **more: Any) -> bytes:
    said = {
        "gesture": "fist",
        "phase": phase,
        "id": number,
        "class": 1,
        "strength": 0.5,
        "held_s": 0.0,
        **more,
    }
    return b"data: " + json.dumps(said).encode() + b"\n"


@pytest.mark.parametrize("flags", [(), ("-DESP32",)], ids=["arduino", "esp32"])
def test_the_servo_closes_as_far_as_the_fist_is_strong_and_opens_when_it_ends(
    tmp_path: Path, flags: tuple[str, ...]
) -> None:
    with board(tmp_path, *flags, port=free_port()) as servo:
        assert servo.angle == OPEN
        servo.write(event("onset", 5))
        until(lambda: servo.angle == (OPEN + CLOSED) / 2)
        servo.write(event("hold", 5, strength=1.0))
        until(lambda: servo.angle == CLOSED)
        servo.write(event("release", 5, reason="rest"))
        until(lambda: servo.angle == OPEN)
        servo.write(event("onset", 9, gesture="pinch") + b"nonsense\n" + event("onset", 10)[:40] + b"\n")
        servo.write(event("onset", 12, strength=1.0))
        until(lambda: servo.angle == CLOSED)  # nothing more is heard
        until(lambda: "silence: open" in servo.said)
        until(lambda: servo.angle == OPEN)


@pytest.mark.server
def test_it_follows_a_server_by_wifi(tmp_path: Path) -> None:
    port = free_port()
    with board(tmp_path, "-DESP32", port=port) as servo:
        with gunicorn(tmp_path, EMG_UDP_JSON=f"127.0.0.1:{port}"):
            until(lambda: servo.angle > OPEN + 20)
            until(lambda: servo.angle == OPEN)
            until(lambda: servo.angle > OPEN + 20)
        until(lambda: servo.angle == OPEN)  # the server said that it ended, or silence did


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    with gunicorn(tmp_path_factory.mktemp("server")) as live:
        yield live


@pytest.mark.server
def test_it_follows_a_server_by_a_cable_and_opens_when_that_is_pulled_out(tmp_path: Path, live: Live) -> None:
    """What curl and grep would write: lines of the stream as they are."""
    with board(tmp_path) as servo, connecting(live.port) as connect:
        stream = connect(fps=30, events=True)
        pulled = threading.Event()

        def relay() -> None:
            with suppress(OSError, AssertionError):  # closed
                for piece in stream.pieces():
                    for line in piece.splitlines(keepends=True):
                        if b'"phase"' in line and not pulled.is_set():
                            servo.write(line)

        cable = threading.Thread(target=relay)
        cable.start()
        until(lambda: servo.angle > OPEN + 20)
        pulled.set()
        until(lambda: servo.angle == OPEN)
        stream.close()
        cable.join(LATE_S)
