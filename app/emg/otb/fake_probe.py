"""A probe without hardware: it dials in, does what it is told, and sends real bytes."""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from app.emg.otb.probes import ACCESSORIES, CHANNELS, MODES, RATES, Probe, probe_of
from app.emg.source import Chunk, Source
from app.errors import SourceError

log = logging.getLogger(__name__)

Signal = Callable[[int, float], Source]  # from channels and rate (Hz) to what is sent
ASK_S = 0.05  # how soon a probe tries again to dial in
TURN_S = 10.0  # for a turn of the quaternion


@dataclass
class Mishaps:
    """What goes wrong, each at a sample of the probe's own count."""

    lose_at: int | None = None  # `lose` samples are not sent
    lose: int = 0
    stray_at: int | None = None  # `stray` bytes too many
    stray: bytes = b""
    hang_up_at: int | None = None


class FakeProbe:
    """One probe; `accessories` overrides how many channels come behind the EMG's."""

    def __init__(
        self, kind: str, signal: Signal, *, accessories: int | None = None, mishaps: Mishaps | None = None
    ) -> None:
        self.kind, self._signal, self._accessories = kind, signal, accessories
        self._mishaps = mishaps or Mishaps()
        self.commands: list[bytes] = []  # as they came
        self.samples = 0  # sent or lost
        self.closed = False

    def dial(self, address: str, port: int, patience_s: float) -> socket.socket | None:
        """Connect; try again until somebody listens, or it is closed.

        Raises:
            SourceError: nobody does within that time.
        """
        until = time.monotonic() + patience_s
        while True:
            try:
                return socket.create_connection((address, port), timeout=5.0)
            except OSError as error:
                if self.closed:
                    return None
                if time.monotonic() > until:
                    raise SourceError(f"nobody listens at {address}:{port} ({error.strerror})") from None
                time.sleep(ASK_S)

    def run(self, address: str, port: int, patience_s: float = 10.0) -> None:
        """Dial in, wait to be told to begin, and send until told to stop, hung up on, or closed.

        Raises:
            SourceError: nobody listens there.
        """
        connection = self.dial(address, port, patience_s)
        if connection is None:
            return
        with connection:
            probe = self._told(connection)
            if probe is None:
                return
            source = self._signal(probe.channels, probe.sampling_rate)
            try:
                self._send_all(connection, probe, source)
            except OSError as error:
                log.info("the computer hung up (%s)", error.strerror)
            finally:
                source.close()

    def close(self) -> None:
        """Stop after the next samples."""
        self.closed = True

    def _told(self, connection: socket.socket) -> Probe | None:
        """Return what the first command asks for; None where it does not say begin: a real one hangs up then."""
        connection.settimeout(0.1)
        size = 1 if self.kind.startswith("muovi") else 2
        command = b""
        while len(command) < size and not self.closed:
            try:
                data = connection.recv(size - len(command))
            except TimeoutError:
                continue
            if not data:
                return None
            command += data
        self.commands.append(command)
        return asked(self.kind, command, self._accessories) if command and command[-1] & 1 else None

    def _send_all(self, connection: socket.socket, probe: Probe, source: Source) -> None:
        connection.settimeout(5.0)
        while not self.closed and not self._told_to_stop(connection):
            chunk = source.read()
            if chunk is None:
                return
            connection.sendall(self._bytes(chunk, probe))
            self.samples += len(chunk.samples)
            if self._mishaps.hang_up_at is not None and self.samples >= self._mishaps.hang_up_at:
                self._mishaps.hang_up_at = None
                return

    def _told_to_stop(self, connection: socket.socket) -> bool:
        connection.setblocking(False)
        try:
            data = connection.recv(2)
        except BlockingIOError:
            return False
        finally:
            connection.settimeout(5.0)
        if data:
            self.commands.append(data)
        return True

    def _bytes(self, chunk: Chunk, probe: Probe) -> bytes:
        """Return the samples as the probe sends them, with what goes wrong among them."""
        first, mishaps = self.samples, self._mishaps
        numbers = first + np.arange(len(chunk.samples))
        rows = encode(chunk.samples, numbers, probe)
        if mishaps.lose_at is not None:
            lost = (numbers >= mishaps.lose_at) & (numbers < mishaps.lose_at + mishaps.lose)
            rows = [row for row, gone in zip(rows, lost, strict=True) if not gone]
        if mishaps.stray_at is not None and first <= mishaps.stray_at < first + len(rows):
            at = mishaps.stray_at - first
            half = len(rows[at]) // 2
            rows[at] = rows[at][:half] + mishaps.stray + rows[at][half:]
            mishaps.stray_at = None
        return b"".join(rows)


def encode(samples: np.ndarray, numbers: np.ndarray, probe: Probe) -> list[bytes]:
    """Return an instant's bytes for each of `samples` (n, channels), in uV, with these numbers (n,)."""
    most = 2 ** (8 * probe.value_bytes - 1)
    table = np.zeros((len(samples), probe.values), np.int64)
    table[:, : probe.channels] = np.clip(np.rint(samples / probe.microvolts), -most, most - 1)
    angle = 2.0 * np.pi * numbers / probe.sampling_rate / TURN_S
    columns = {"trigger": (numbers // round(probe.sampling_rate)) % 2, "aux": numbers % 100}
    zero = np.zeros(len(numbers))
    quaternion = iter((np.cos(angle / 2) * 16384, zero, zero, np.sin(angle / 2) * 16384))
    for at, name in enumerate(ACCESSORIES[probe.accessories]):
        column = probe.channels + at
        if name == "counter":
            table[:, column] = (numbers + 32768) % 65536 - 32768  # signed: -32768 follows 32767
        else:
            table[:, column] = next(quaternion) if name == "quaternion" else columns[name]
    wide = table.astype(">i4").view(np.uint8).reshape(len(samples), probe.values, 4)
    narrow = np.ascontiguousarray(wide[:, :, 4 - probe.value_bytes :])
    return [row.tobytes() for row in narrow]


def asked(kind: str, command: bytes, accessories: int | None = None) -> Probe:
    """Return the probe that these command bytes ask for."""
    if kind.startswith("muovi"):
        signal, mode = ("emg" if command[0] & 8 else "eeg"), command[0] >> 1 & 3
        most = 64 if kind == "muovi+" else 32
        probe = probe_of(kind, f"signal={signal},mode={mode}" + (f",channels={most}" if mode == 1 else ""))
    else:
        word = int.from_bytes(command, "big")
        mode_name = next(name for name, code in MODES.items() if code == word >> 8 & 7)
        probe = probe_of(
            kind,
            f"channels={CHANNELS[word >> 11 & 3]},rate={RATES[word >> 13 & 3]},mode={mode_name},"
            f"bits={24 if word & 0x80 else 16},highpass={'on' if word & 0x40 else 'off'}",
        )
    return probe if accessories is None else replace(probe, accessories=accessories)
