"""Serial devices for tests: pseudo-terminals that a test feeds, and a fake device in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from app.emg.serial_device.frames import encode
from app.emg.serial_device.pseudo_terminal import PseudoTerminal
from app.emg.serial_device.source import SerialOptions

ROOT = Path(__file__).resolve().parents[2]
CHANNELS, RATE = 4, 1000.0
SIMULATE = "from app.cli.emg_simulate import simulate; simulate()"


def options(port: Path | str | None, **changes: Any) -> SerialOptions:
    return SerialOptions(
        **{"channels": CHANNELS, "sampling_rate": RATE, "port": port and str(port), **changes}
    )


def samples(first: int, count: int, channels: int = CHANNELS) -> np.ndarray:
    """Of which each tells its number: channel c of sample k is k + 1000 c."""
    return (np.arange(first, first + count)[:, None] + 1000 * np.arange(channels)).astype(np.int16)


def send(terminal: PseudoTerminal, first: int, count: int) -> None:
    stream = encode(samples(first, count), first)
    assert terminal.write(stream) == len(stream)


@contextmanager
def plugged_in(link: Path) -> Iterator[PseudoTerminal]:
    terminal = PseudoTerminal(link)
    try:
        yield terminal
    finally:
        terminal.close()


@contextmanager
def fake_device(link: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """`emg simulate` as a process of its own, without the routes of a server; it has its port when this returns."""
    command = [sys.executable, "-c", SIMULATE, "--json", "--to", str(link)]
    kept = {name: value for name, value in os.environ.items() if not name.startswith("EMG_")}
    process = subprocess.Popen(
        [*command, *arguments], cwd=ROOT, env=kept, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        if not process.stdout.readline():
            raise AssertionError(process.communicate()[1])
        yield process
    finally:
        unplug(process)


def unplug(process: subprocess.Popen[str]) -> str:
    """End a fake device, and its last words; empty where it has ended before."""
    process.terminate()
    process.wait(timeout=20)
    assert process.stdout is not None
    assert process.stderr is not None
    last = "" if process.stderr.closed else process.stderr.read()
    process.stdout.close()
    process.stderr.close()
    return last
