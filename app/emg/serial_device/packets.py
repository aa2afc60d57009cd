"""The binary format of a serial device: from frames, of either version, to samples without a gap among them."""

from __future__ import annotations

import math

import numpy as np

from app.counted import counted, verb
from app.emg.serial_device.decoder import NO_LIMIT, AuxPart, Run
from app.emg.serial_device.frame_scanner import FrameScanner
from app.emg.serial_device.frames import Form, Frame, values_of
from app.emg.serial_device.wrapping_counter import WrappingCounter

COUNTER_SIZE = 65536  # by its field; a sketch may count in fewer bits
RATE_TOLERANCE = 0.005  # a device may round what it says


class PacketDecoder:
    """Counts the frames of a device with so many channels, and what is missing between them.

    Frames that say another rate than `sampling_rate` are another device's; None takes any.
    """

    def __init__(self, channels: int, sampling_rate: float | None = None) -> None:
        self.channels, self.sampling_rate = channels, sampling_rate
        self.frames = self.lost_frames = self.lost_samples = self.repeated = self.restarts = 0
        self.not_numbers = 0  # frames with a value that is none
        self._scanner = FrameScanner(self._wanted)
        self._counter = WrappingCounter(COUNTER_SIZE)
        self.reset()

    def reset(self) -> None:
        self._scanner.reset()
        self._counter.reset()
        self._same_counter = 0  # frames since the last one that was taken

    @property
    def numbered(self) -> bool:
        return True

    @property
    def waiting(self) -> int:
        """Bytes of an unfinished frame."""
        return self._scanner.waiting

    @property
    def crc_errors(self) -> int:
        return self._scanner.crc_errors

    @property
    def garbage_bytes(self) -> int:
        return self._scanner.garbage_bytes

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
        other = self._scanner.other
        if other is not None and other.channels != self.channels:
            hold, are = counted(other.channels, "channel"), verb(self.channels, "is", "are")
            return f"the frames hold {hold}, and {self.channels} {are} expected (EMG_CH)"
        if other is not None:
            return f"the frames say {other.rate:.9g} Hz, and {self.sampling_rate:.9g} are expected (EMG_FS)"
        if self._same_counter:
            return "the counter of the frames stands still; it must be one more in each"
        if self._scanner.bad:
            return f"no good frame, {self._scanner.bad} with a wrong CRC: is EMG_BAUD right, is it CRC-16/CCITT-FALSE?"
        return "not one frame: are EMG_BAUD and EMG_FORMAT right?"

    def feed(self, data: bytes, most_lost: int = NO_LIMIT) -> list[Run]:
        runs: list[Run] = []
        frames: list[Frame] = []  # of the run that is being put together
        lost, restart = 0, False  # before it
        for frame in self._scanner.feed(data):
            if frame.form.type == 4 and not np.isfinite(values_of(frame.payload, frame.form)).all():
                self.not_numbers += 1  # lost, by the counter of the next
                continue
            ahead = self._ahead(frame, most_lost)
            if ahead == -1:
                self.repeated += 1
                self._same_counter += 1
                continue
            self.frames += 1
            self._same_counter = 0
            if ahead != 0 or (frames and frames[0].form != frame.form):
                runs += _run(frames, lost, restart)
                lost, restart = self._missing(ahead, frame.form.samples)
                frames = []
            frames.append(frame)
        return runs + _run(frames, lost, restart)

    def _wanted(self, form: Form) -> bool:
        fits = (
            self.sampling_rate is None
            or form.rate is None
            or math.isclose(form.rate, self.sampling_rate, rel_tol=RATE_TOLERANCE)
        )
        return form.channels == self.channels and fits

    def _ahead(self, frame: Frame, most_lost: int) -> int | None:
        """Return how many frames are missing before this one, -1 for the same again; None: the counter began anew."""
        most = min(most_lost // frame.form.samples, COUNTER_SIZE // 2 - 1)
        ahead = self._counter.missing(frame.counter, most)
        if ahead is None:
            self._counter.begin(frame.counter)
        return ahead

    def _missing(self, ahead: int | None, samples: int) -> tuple[int, bool]:
        """Return (samples lost, the counter began anew), for a counter that is so far ahead."""
        if ahead is None:
            self.restarts += 1
            return 0, True
        self.lost_frames += ahead
        self.lost_samples += ahead * samples
        return ahead * samples, False


def _run(frames: list[Frame], lost: int, restart: bool) -> list[Run]:
    if not frames:
        return []
    form = frames[0].form
    values = values_of(b"".join(frame.payload for frame in frames), form)
    return [Run(samples=values, lost=lost, restart=restart, scale=form.scale, aux=_aux(frames))]


def _aux(frames: list[Frame]) -> tuple[AuxPart, ...]:
    """Return the auxiliary blocks of a run's frames, joined where they follow one another."""
    parts: dict[int, list[AuxPart]] = {}
    for number, frame in enumerate(frames):
        for block in frame.blocks:
            offset = number * frame.form.samples
            so_far = parts.setdefault(block.kind, [])
            last = so_far[-1] if so_far else None
            follows = (
                last is not None
                and last.every == block.every
                and last.samples.shape[1] == block.samples.shape[1]
                and last.offset + len(last.samples) * last.every == offset
            )
            if last is not None and follows:
                so_far[-1] = last.with_more(block.samples)
            else:
                so_far.append(AuxPart(block.kind, offset, block.every, block.samples))
    return tuple(part for of_kind in parts.values() for part in of_kind)
