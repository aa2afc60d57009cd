"""A BDF+ file, written data record by data record: a day needs no more memory than a minute.

Source of the form: Kemp, Olivan, "European data format plus (EDF+)", Clin. Neurophysiol. 114 (2003), with the 24 bits
of BioSemi's BDF. edfio reads and writes it, but holds the whole file, and its onsets are floats: EDFlib wants each
record's to be an exact multiple of the duration in the header, to seven decimals. Here time is counted in whole ticks.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from typing import IO

import numpy as np
import numpy.typing as npt

from app.emg.recording.plain_text import plain
from app.emg.source import Samples
from app.errors import DataError

TICKS = 10**7  # a second; EDFlib's own
DIGITAL_MAX = 2**23 - 1
RECORD_S, MIN_RECORD_S, MAX_RECORD_S = 0.1, 0.02, 1.0  # wanted, and the bounds where the rate leaves a choice
RECORD_BYTES = 4096  # wanted where that is longer: each record has 20 bytes or more that say when it is
LONGEST_S = 60.0  # which readers take
MAX_RECORD_SAMPLES = 10_000
MAX_RECORD_BYTES = 2**22  # EDFlib takes 15 MiB
MAX_RECORDS = 10**8 - 1  # a header field has eight digits
BLOCK_VALUES = 2**17  # that are packed at a time
BESIDE_ERROR = 1e-6  # relative, of a rate beside: 4 ms an hour
RATE_ERROR = 1e-8  # relative: 36 us an hour, where a crystal is off by 1e-5
MAX_ERA = 2084  # the years that the header can hold begin with 1985
NO_DATE = "01.01.85"
MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")


@dataclass(frozen=True, slots=True)
class Annotation:
    """Something that begins at a sample of the file."""

    sample: int
    samples: int
    text: str


@dataclass(frozen=True, slots=True)
class RecordLength:
    """A data record: so many samples of each channel in so many ticks."""

    samples: int
    ticks: int

    @property
    def seconds(self) -> float:
        return self.ticks / TICKS

    @property
    def rate(self) -> Fraction:
        """What readers take the sampling rate for, in Hz."""
        return Fraction(self.samples * TICKS, self.ticks)

    def time_of(self, sample: int) -> int:
        """Return when that sample is, in ticks from the file's begin."""
        return round(Fraction(sample * self.ticks, self.samples))


@dataclass(frozen=True, slots=True)
class Scale:
    """What the whole numbers of a channel are worth: `bound` at DIGITAL_MAX; samples are times `factor` first."""

    bound: str  # as the header has it
    factor: float

    @property
    def gain(self) -> float:
        """Whole numbers in a unit of the samples."""
        return DIGITAL_MAX / float(self.bound) * self.factor


@dataclass(frozen=True, slots=True, kw_only=True)
class BdfGroup:
    """Channels beside the signal, of a rate of their own."""

    labels: tuple[str, ...]
    units: str
    scales: tuple[Scale, ...]
    samples: int  # in a data record


@dataclass(frozen=True, slots=True, kw_only=True)
class BdfHeader:
    """What the file says of itself."""

    patient: str  # a code of letters and digits
    equipment: str
    began: datetime
    labels: tuple[str, ...]  # one a channel
    units: str
    scales: tuple[Scale, ...]
    record: RecordLength
    samples: int  # of each channel; the last data record is filled with the last of them
    beside: tuple[BdfGroup, ...] = ()

    @property
    def records(self) -> int:
        return -(-self.samples // self.record.samples)

    @property
    def padding(self) -> int:
        """How many samples at the end are filling."""
        return self.records * self.record.samples - self.samples


def record_length(rate: float, samples: int, channels: int, beside: Sequence[float] = ()) -> RecordLength:
    """Return the data records for a file: of a duration that the header can hold, short, and with little padding.

    The duration is whole microseconds. Of those that give the rate to RATE_ERROR, or as nearly as can be, the one is
    taken that leaves the least of the last record to be filled; of these the one nearest to what is wanted. Where
    there are some with whole samples also at the rates `beside`, it is one of these.

    Raises:
        DataError: there is none for that rate.
    """
    most = min(rate * MAX_RECORD_S, MAX_RECORD_SAMPLES, MAX_RECORD_BYTES / (3 * channels))
    count = np.arange(1, max(1, int(most)) + 1)
    if not count[-1] / rate <= LONGEST_S:
        raise DataError(f"BDF+ cannot hold a rate of {rate:g} Hz; take --format npz")
    exact = count / rate * 1e6  # us
    step = 1 if exact[-1] < 1e7 else 10  # a field of eight characters
    rounded = np.maximum(np.rint(exact / step), 1) * step
    error = np.abs(rounded - exact) / exact
    good = error <= max(RATE_ERROR, 1.5 * error.min())
    for other in beside:
        fits = good & whole_samples(other, rounded / 1e6)
        good = fits if fits.any() else good
    short = good & (exact < MIN_RECORD_S * 1e6)
    good = good & ~short if (good & ~short).any() else good
    wanted = min(max(RECORD_S, RECORD_BYTES / (3 * channels * rate)), MAX_RECORD_S)
    padding, distance = -samples % count, np.abs(np.log(exact / (wanted * 1e6)))
    best = np.lexsort((distance[good], padding[good]))[0]
    return RecordLength(int(count[good][best]), int(rounded[good][best]) * (TICKS // 10**6))


def whole_samples(rate: float, seconds: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    """Return whether a data record of so many seconds has a whole number of samples of that rate."""
    exact = rate * seconds
    return (np.rint(exact) >= 1) & (np.abs(np.rint(exact) - exact) <= BESIDE_ERROR * exact)


def scale_of(peak: float, whole: bool, factor: float) -> Scale:
    """Return how a channel is scaled: whole numbers, as converters give them, are kept; others to 2^-23 of the peak.

    Raises:
        DataError: the largest value, `peak`, is too large for the header or no number.
    """
    largest = peak * factor
    if whole and factor == 1 and peak <= DIGITAL_MAX:
        return Scale(str(DIGITAL_MAX), factor)
    if not largest < 10**7 - 1:
        raise DataError(f"BDF+ cannot hold values up to {largest:g}; take --format npz")
    # eight characters: "-", those before the point, the point; never 0, since readers refuse an empty range
    digits = max(0, 6 - len(str(math.floor(largest))))
    bound = Decimal(max(1, math.ceil(largest * 10**digits))).scaleb(-digits)
    return Scale(_plain(bound), factor)


def write(
    file: IO[bytes],
    header: BdfHeader,
    samples: Iterable[Samples],
    notes: Callable[[], Iterable[Annotation]],
    beside: Sequence[Iterable[Samples]] = (),
) -> None:
    """Write a file of `header.samples` rows, in pieces (any number, channels) as they come.

    `notes` gives the annotations, and is asked twice: how much room they take is part of the header. `beside` gives as
    many samples of each group as its data records hold.

    Raises:
        DataError: more records than a header can count.
        OSError: the file cannot be written.
    """
    if header.records > MAX_RECORDS:
        raise DataError("the recording is too long for one BDF+ file; take --format npz")
    room = _room(header, notes())
    file.write(_header(header, room))
    lists = _annotation_records(header, notes(), room)
    groups = [
        (header.record.samples, header.scales),
        *((group.samples, group.scales) for group in header.beside),
    ]
    together = max(1, BLOCK_VALUES // sum(rows * len(scales) for rows, scales in groups))
    parts = [
        _packed_blocks(pieces, rows, scales, together)
        for pieces, (rows, scales) in zip([samples, *beside], groups, strict=True)
    ]
    for packed in zip(*parts, strict=True):
        records = len(packed[0])
        texts = np.frombuffer(b"".join(next(lists) for _ in range(records)), np.uint8).reshape(records, room)
        file.write(np.concatenate([*packed, texts], axis=1).tobytes())


def _packed_blocks(
    pieces: Iterable[Samples], rows: int, scales: Sequence[Scale], records: int
) -> Iterator[npt.NDArray[np.uint8]]:
    gain = np.array([scale.gain for scale in scales])
    return (_packed(block, rows, gain) for block in _blocks(pieces, rows, records))


def _blocks(samples: Iterable[Samples], rows: int, records: int) -> Iterator[Samples]:
    """Yield whole data records, up to `records` at a time; the last is filled with the last sample."""
    waiting: list[Samples] = []
    count, most = 0, rows * records
    for piece in samples:
        waiting.append(piece)
        count += len(piece)
        if count >= most:
            joined = np.concatenate(waiting)
            for begin in range(0, count - most + 1, most):
                yield joined[begin : begin + most]
            waiting, count = [joined[count - count % most :].copy()], count % most
    if count:
        joined = np.concatenate(waiting)
        yield np.concatenate([joined, np.repeat(joined[-1:], -count % rows, axis=0)])


def _packed(block: Samples, rows: int, gain: npt.NDArray[np.float64]) -> npt.NDArray[np.uint8]:
    """(samples, channels) -> (records, bytes): 24 bits a sample, little-endian, one channel after the other."""
    scaled = np.rint(block.astype(np.float64) * gain).clip(-DIGITAL_MAX, DIGITAL_MAX).astype("<i4")
    by_channel = np.ascontiguousarray(scaled.reshape(-1, rows, block.shape[1]).transpose(0, 2, 1))
    records = len(by_channel)
    return np.ascontiguousarray(by_channel.view(np.uint8).reshape(records, -1, 4)[:, :, :3]).reshape(
        records, -1
    )


def _room(header: BdfHeader, notes: Iterable[Annotation]) -> int:
    """Return the bytes of each record's annotations: taken as they fit, from the first record on, all find a place."""
    most = total = 0
    for note in notes:
        size = len(_annotation(header.record, note))
        most, total = max(most, size), total + size
    clock = len(f"+{header.records * header.record.ticks // TICKS}.1234567") + 3  # as long as any
    needed = clock + most + -(-total // header.records)
    return needed + -needed % 3


def _annotation_records(header: BdfHeader, notes: Iterable[Annotation], room: int) -> Iterator[bytes]:
    """Yield what stands in each record: when it begins, and annotations as they fit."""
    texts = (_annotation(header.record, note) for note in notes)
    waiting = next(texts, b"")
    for number in range(header.records):
        content = _clock(header.record, number)
        while waiting and len(content) + len(waiting) <= room:
            content += waiting
            waiting = next(texts, b"")
        yield content.ljust(room, b"\0")


def _clock(record: RecordLength, number: int) -> bytes:
    return b"+%s\x14\x14\0" % _seconds(number * record.ticks)


def _annotation(record: RecordLength, note: Annotation) -> bytes:
    begin = record.time_of(note.sample)
    duration = record.time_of(note.sample + note.samples) - begin
    lasts = b"\x15" + _seconds(duration) if duration else b""
    text = plain(note.text)  # 0x14, 0x15 and 0 have a meaning here
    return b"+%s%s\x14%s\x14\0" % (_seconds(begin), lasts, text.encode())


def _seconds(ticks: int) -> bytes:
    """Return the time in decimals, seven after the point at most."""
    return _plain(Decimal(ticks) / TICKS).encode()


def _plain(number: Decimal) -> str:
    """Return its digits without exponent, and no more than there must be."""
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _header(header: BdfHeader, room: int) -> bytes:
    groups, record = header.beside, header.record
    labels = [*header.labels, *(label for group in groups for label in group.labels)]
    units = [header.units] * len(header.labels) + [group.units for group in groups for _ in group.labels]
    counts = [record.samples] * len(header.labels) + [group.samples for group in groups for _ in group.labels]
    n = len(labels)
    in_era = 1985 <= header.began.year <= MAX_ERA
    date = f"{header.began.day:02d}-{MONTHS[header.began.month - 1]}-{header.began.year}" if in_era else "X"
    fields: list[tuple[str, int]] = [
        (f"{header.patient} X X X", 80),
        (f"Startdate {date} X X {header.equipment or 'X'}", 80),
        (header.began.strftime("%d.%m.%y") if in_era else NO_DATE, 8),
        (header.began.strftime("%H.%M.%S"), 8),
        (str(256 * (n + 2)), 8),
        ("BDF+C", 44),
        (str(header.records), 8),
        (_seconds(record.ticks).decode(), 8),
        (str(n + 1), 4),
    ]
    bounds = [scale.bound for scales in (header.scales, *(g.scales for g in groups)) for scale in scales]
    columns: list[tuple[list[str], int]] = [
        ([*labels, "BDF Annotations"], 16),
        ([""] * (n + 1), 80),  # transducers
        ([*units, ""], 8),
        ([*(f"-{bound}" for bound in bounds), "-1"], 8),
        ([*bounds, "1"], 8),
        ([*[str(-DIGITAL_MAX)] * n, str(-DIGITAL_MAX - 1)], 8),
        ([str(DIGITAL_MAX)] * (n + 1), 8),
        ([""] * (n + 1), 80),  # filters
        ([*map(str, counts), str(room // 3)], 8),
        ([""] * (n + 1), 32),
    ]
    fields += [(text, width) for texts, width in columns for text in texts]
    return b"\xffBIOSEMI" + b"".join(_field(text, width) for text, width in fields)


def _field(text: str, width: int) -> bytes:
    content = text.encode("ascii")
    if len(content) > width:
        raise DataError(f"{text[:80]!r} is too long for a BDF+ header; take --format npz")
    return content.ljust(width)
