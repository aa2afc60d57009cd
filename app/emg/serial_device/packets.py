"""The binary frame of a serial device: its bytes, and the decoder that finds frames among anything else.

    offset  bytes  field
    0       2      sync A5 5A
    2       2      counter, uint16 little-endian, one more in each frame
    4       1      channels, 1..255
    5       1      samples in this frame, 1..255; always as many (channels x samples at most 2048)
    6       2n     n = samples x channels values, int16 little-endian, all channels of the first sample first
    6 + 2n  2      CRC-16 of the bytes 2 .. 5 + 2n, little-endian

The CRC is CRC-16/CCITT-FALSE, also named CRC-16/IBM-3740: polynomial 0x1021, initial value 0xFFFF, nothing
reflected; of "123456789" it is 0x29B1 (https://reveng.sourceforge.io/crc-catalogue/16.htm#crc.cat.crc-16-ibm-3740).
"""

from __future__ import annotations

import struct
from binascii import crc_hqx  # in C: the same polynomial, with the initial value as argument

import numpy as np
import numpy.typing as npt

from app.emg.serial_device.decoder import NO_LIMIT, Run
from app.emg.serial_device.wrapping_counter import WrappingCounter

SYNC = b"\xa5\x5a"
HEADER_BYTES, CRC_BYTES = 6, 2
COUNTER_SIZE = 65536  # by its field; a sketch may count in fewer bits
FRAME_BYTES = HEADER_BYTES + CRC_BYTES  # around the samples
MAX_VALUES = 2048  # of one frame, so that a false header is found out within 4 KiB
_HEADER = struct.Struct("<2xHBB")
_CRC = struct.Struct("<H")

Counts = npt.NDArray[np.int16]


def crc16(data: bytes | memoryview) -> int:
    """CRC-16/CCITT-FALSE."""
    return crc_hqx(data, 0xFFFF)


def most_samples(channels: int) -> int:
    """How many samples one frame can hold."""
    return min(255, MAX_VALUES // channels)


def encode(samples: Counts, counter: int, per_frame: int = 1) -> bytes:
    """Frames of `per_frame` samples each; `samples` (frames x per_frame, channels), the first with `counter`.

    Raises:
        ValueError: the samples do not fill whole frames, or a frame cannot hold so many.
    """
    channels = samples.shape[1]
    if not 1 <= channels <= 255 or not 1 <= per_frame <= most_samples(channels) or len(samples) % per_frame:
        raise ValueError(f"{samples.shape} does not make frames of {per_frame} samples")
    values = np.ascontiguousarray(samples, dtype="<i2").reshape(-1, per_frame * channels)
    frames = []
    for number, row in enumerate(values):
        body = struct.pack("<HBB", (counter + number) % 65536, channels, per_frame) + row.tobytes()
        frames.append(SYNC + body + _CRC.pack(crc16(body)))
    return b"".join(frames)


class PacketDecoder:
    """Finds the frames of a device with so many channels.

    Once a frame was good, only headers of that size are believed: bytes that look like another header never
    make it wait for more than one frame. After 4 KiB without a good frame any size is believed again.
    """

    def __init__(self, channels: int) -> None:
        self.channels = channels
        self.frames = self.crc_errors = self.lost_frames = self.lost_samples = 0
        self.repeated = self.restarts = self.garbage_bytes = 0
        self._counter = WrappingCounter(COUNTER_SIZE)
        self.reset()

    def reset(self) -> None:
        self._buffer = bytearray()
        self._counter.reset()
        self._per_frame: int | None = None
        self._skipped = 0  # bytes since the last good frame
        self._bad_crc = self._same_counter = 0  # frames since the last one that was taken
        self.other_channels: int | None = None  # of frames that are good, but not for us

    @property
    def numbered(self) -> bool:
        return True

    @property
    def notes(self) -> tuple[str, ...]:
        wrap = self._counter.wrap
        return (
            ()
            if wrap is None
            else (f"the counter of the frames begins again after {wrap}, not {COUNTER_SIZE}",)
        )

    def paused(self) -> None:
        self._counter.interrupt()

    @property
    def sums(self) -> dict[str, int]:
        names = (
            "frames",
            "crc_errors",
            "lost_frames",
            "lost_samples",
            "repeated",
            "restarts",
            "garbage_bytes",
        )
        return {name: getattr(self, name) for name in names}

    @property
    def complaint(self) -> str:
        if self.other_channels is not None:
            return (
                f"the frames hold {self.other_channels} channels, and {self.channels} are expected (EMG_CH)"
            )
        if self._same_counter:
            return "the counter of the frames stands still; it must be one more in each"
        if self._bad_crc:
            return f"no good frame, {self._bad_crc} with a wrong CRC: is EMG_BAUD right, is it CRC-16/CCITT-FALSE?"
        return "not one frame: are EMG_BAUD and EMG_FORMAT right?"

    def feed(self, data: bytes, most_lost: int = NO_LIMIT) -> list[Run]:
        self._buffer += data
        runs: list[Run] = []
        payloads: list[bytes] = []  # of the run that is being put together
        lost, restart = 0, False  # before it
        at = 0
        while (found := self._next_frame(at)) is not None:
            at, counter, payload = found
            ahead = self._ahead(counter, len(payload), most_lost)
            if ahead == -1:
                self.repeated += 1
                self._same_counter += 1
                continue
            self.frames += 1
            self._bad_crc = self._same_counter = 0
            if ahead != 0:
                runs += self._run(payloads, lost, restart)
                lost, restart = self._missing(ahead, len(payload))
                payloads = []
            payloads.append(payload)
        return runs + self._run(payloads, lost, restart)

    def _ahead(self, counter: int, payload_bytes: int, most_lost: int) -> int | None:
        """Return how many frames are missing before this one, -1 for the same again; None: the counter began anew."""
        most = min(most_lost * 2 * self.channels // payload_bytes, COUNTER_SIZE // 2 - 1)
        ahead = self._counter.missing(counter, most)
        if ahead is None:
            self._counter.begin(counter)
        return ahead

    def _missing(self, ahead: int | None, payload_bytes: int) -> tuple[int, bool]:
        """Return (samples lost, the counter began anew), for a counter that is so far ahead."""
        if ahead is None:
            self.restarts += 1
            return 0, True
        lost = ahead * (payload_bytes // (2 * self.channels))
        self.lost_frames += ahead
        self.lost_samples += lost
        return lost, False

    def _run(self, payloads: list[bytes], lost: int, restart: bool) -> list[Run]:
        if not payloads:
            return []
        values = np.frombuffer(b"".join(payloads), "<i2").reshape(-1, self.channels)
        return [Run(samples=values.astype(np.float32), lost=lost, restart=restart)]

    def _next_frame(self, at: int) -> tuple[int, int, bytes] | None:
        """(where it ends, counter, payload) of the next good frame from `at`; None: what is left is kept."""
        buffer = self._buffer
        start = at
        while (at := buffer.find(SYNC, at)) >= 0 and len(buffer) - at >= HEADER_BYTES:
            counter, channels, samples = _HEADER.unpack_from(buffer, at)
            if not self._plausible(channels, samples):
                at += 1
                continue
            end = at + FRAME_BYTES + 2 * channels * samples
            if end > len(buffer):
                break
            body = bytes(buffer[at + 2 : end - CRC_BYTES])
            if crc16(body) != _CRC.unpack_from(buffer, end - CRC_BYTES)[0]:
                self.crc_errors += 1
                self._bad_crc += 1
                at += 1
                continue
            if channels != self.channels:
                self.other_channels = channels
                at = end
                continue
            self.garbage_bytes += at - start
            self._per_frame, self._skipped, self.other_channels = samples, 0, None
            return end, counter, body[HEADER_BYTES - 2 :]
        self._keep_from(start, at if at >= 0 else len(buffer) - buffer.endswith(SYNC[:1]))
        return None

    def _plausible(self, channels: int, samples: int) -> bool:
        if self._per_frame is not None:
            return channels == self.channels and samples == self._per_frame
        return channels > 0 and samples > 0 and channels * samples <= MAX_VALUES

    def _keep_from(self, start: int, at: int) -> None:
        """Drop what can no longer begin a frame."""
        self.garbage_bytes += at - start
        self._skipped += at - start
        if self._skipped > 2 * MAX_VALUES:
            self._per_frame = None
        del self._buffer[:at]
