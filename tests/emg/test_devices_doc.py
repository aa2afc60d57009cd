"""docs/devices.md: its table is the code's, and its sketches send what the decoders read."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from app.emg.serial_device import baud
from app.emg.serial_device.csv_lines import CsvDecoder
from app.emg.serial_device.frames import FRAME2_BYTES, encode2
from app.emg.serial_device.packets import PacketDecoder

DOC = (Path(__file__).parents[2] / "docs" / "devices.md").read_text()
SKETCHES = dict(zip(("binary", "csv"), re.findall(r"```cpp\n(.*?)```", DOC, re.DOTALL), strict=True))

# Enough of Arduino to run a sketch for 500 turns: time passes in steps of 100 us, pin p reads 2048 + 10 p + time.
ARDUINO = """
#include <cstdint>
#include <cstdio>
#include <cstddef>
#include <cstring>
enum { A0 = 0, A3 = 3, A6 = 6, A7 = 7 };
static uint32_t now_us = 0xFFFFFF00u;  // micros() wraps on the way
uint32_t micros() { return now_us; }
int analogRead(int pin) { return 2048 + 10 * pin - 50; }
struct { void begin(uint32_t) {} void write(const uint8_t *d, size_t n) { fwrite(d, 1, n, stdout); }
  void print(char c) { putchar(c); } void print(uint32_t v) { printf("%u", v); } void print(int v) { printf("%d", v); }
  void println() { printf("\\r\\n"); } } Serial;
"""
MAIN = "int main() { setup(); for (int k = 0; k < 10000; k++) { loop(); now_us += 100; } }"


def test_the_table_of_baud_rates_is_what_the_code_says() -> None:
    rows = re.findall(r"^\| (\d+) \| ([\d| ]+) \|$", DOC, re.MULTILINE)
    assert len(rows) == 7
    for bits, cells in rows:
        columns = [("binary", 4, 1), ("binary", 8, 1), ("binary", 16, 1), ("binary", 16, 10)]
        columns += [("csv", channels, 1) for channels in (4, 8, 16)]
        room = baud.bytes_per_second(int(bits))
        found = [
            int(room / baud.sample_bytes(channels, form, n, frame_bytes=FRAME2_BYTES))
            for form, channels, n in columns
        ]
        assert [int(cell) for cell in cells.split(" | ")] == found


def sent_by(sketch: str, folder: Path) -> bytes:
    compiler = shutil.which("g++")
    if compiler is None:
        pytest.skip("there is no g++")
    source, program = folder / "sketch.cpp", folder / "sketch"
    source.write_text(ARDUINO + SKETCHES[sketch] + MAIN)
    subprocess.run(
        [compiler, "-Wall", "-Wno-narrowing", "-o", program, source], check=True, capture_output=True
    )
    return subprocess.run([program], check=True, capture_output=True).stdout


def test_the_binary_sketch_sends_frames_that_are_read(tmp_path: Path) -> None:
    sent = sent_by("binary", tmp_path)
    decoder = PacketDecoder(4, 1000.0)
    (run,) = decoder.feed(sent)
    np.testing.assert_array_equal(run.samples, np.tile(np.float32([-50, -20, 10, 20]), (1000, 1)))
    assert decoder.garbage_bytes == decoder.crc_errors == decoder.lost_frames == 0
    assert run.scale == pytest.approx(0.8056641)
    sample = np.array([[-50, -20, 10, 20]], np.int16)
    assert sent == b"".join(encode2(sample, counter, 1000.0, 3.3e6 / 4096 / 1000) for counter in range(1000))


def test_the_csv_sketch_sends_lines_that_are_read(tmp_path: Path) -> None:
    decoder = CsvDecoder(4)
    (run,) = decoder.feed(sent_by("csv", tmp_path))
    np.testing.assert_array_equal(run.samples, np.tile(np.float32([-50, -20, 10, 20]), (249, 1)))
    assert decoder.bad_lines == decoder.lost_samples == 0
