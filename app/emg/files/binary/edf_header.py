"""The header of an EDF or BDF file, looked over before edfio reads it, and the texts between its samples.

Forms: Kemp and others, "A simple format for exchange of digitized polygraphic recordings" (1992) and "European data
format plus" (2003); BioSemi's BDF. edfio joins what lies on both sides of a hole, so where each data record begins is
read here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from app.errors import DataError

FIXED = 256  # bytes of the header, and as many for each signal
MAX_SIGNALS = 4096
MAX_RECORD_BYTES = 64 * 2**20  # EDFlib takes 15 MiB
EDF, BDF = b"0       ", b"\xffBIOSEMI"

_BEGAN = re.compile(rb"\d\d\.\d\d\.\d\d\d\d\.\d\d\.\d\d")  # date and time, which stand at byte 168
_TAL = re.compile(rb"([+-]\d+(?:\.\d*)?)(?:\x15(\d+(?:\.\d*)?))?\x14([^\x00]*)\x14\x00")


@dataclass(frozen=True, slots=True)
class Annotation:
    """A text that begins `onset_s` after the file's start time."""

    onset_s: float
    duration_s: float | None
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """What the header says: bytes of `raw`, of a data record, and where in a record the annotations are."""

    raw: bytes
    bdf: bool
    records: int
    duration_s: float  # of a data record
    record_bytes: int
    texts: tuple[slice, ...]  # bytes of a record that hold annotations; the first says when the record is
    discontinuous: bool

    @property
    def kind(self) -> str:
        return "BDF" if self.bdf else "EDF"


def read(path: Path) -> Header:
    """Return the header.

    Raises:
        DataError: says what is wrong with it, or that the file ends before what it promises.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        fixed = file.read(FIXED)
        kind = "BDF" if fixed[:1] == b"\xff" else "EDF"
        if len(fixed) < FIXED:
            raise DataError(
                f"{path.name}: is cut off: the header of {kind} has {FIXED} bytes, {size} are there"
            )
        count = _signals(path, fixed, kind)
        raw = fixed + file.read(FIXED * count)
    if len(raw) < FIXED * (count + 1):
        raise DataError(
            f"{path.name}: is cut off: its header has {FIXED * (count + 1)} bytes, {size} are there"
        )
    return _checked(path, raw, kind, count, size)


def texts_of(record: bytes, header: Header) -> tuple[float | None, list[Annotation]]:
    """Return when a data record begins, in seconds from the start time, and its texts; None: it does not say."""
    begins: float | None = None
    texts: list[Annotation] = []
    for number, part in enumerate(header.texts):
        for k, (onset, lasts, said) in enumerate(_TAL.findall(record[part])):
            words = [word.decode("utf-8", "replace") for word in said.split(b"\x14")]
            if number == k == 0:
                begins = float(onset)
                words = words[1:] if words and not words[0] else words
            duration = float(lasts) if lasts else None
            texts.extend(Annotation(float(onset), duration or None, word) for word in words if word.strip())
    return begins, texts


def _signals(path: Path, fixed: bytes, kind: str) -> int:
    """Return the number of signals; raise DataError where fields are not in their places."""
    began = _BEGAN.search(fixed)
    if began and began.start() != 168:
        off = 168 - began.start()
        raise DataError(
            f"{path.name}: is a malformed {kind}: its header is {abs(off)} byte{'s' * (abs(off) != 1)} too "
            f"{'short' if off > 0 else 'long'} (the start date is at byte {began.start()}, and 168 is right); "
            "export it again"
        )
    count, said = _whole(path, fixed[252:256], "number of signals", kind), fixed[184:192]
    if not 1 <= count <= MAX_SIGNALS:
        raise DataError(
            f"{path.name}: is a malformed {kind}: its header says {count} signals; export it again"
        )
    if _whole(path, said, "header size", kind) != FIXED * (count + 1):
        raise DataError(
            f"{path.name}: is a malformed {kind}: its header says that it has {said.decode('latin-1').strip()} "
            f"bytes, and {FIXED * (count + 1)} with {count} signals would be right; export it again"
        )
    return count


def _checked(path: Path, raw: bytes, kind: str, count: int, size: int) -> Header:
    fields = list(_fields(raw, FIXED + 216 * count, count, 8))
    samples = [_whole(path, field, "samples of a signal", kind) for field in fields]
    if min(samples) < 0 or not sum(samples):
        raise DataError(
            f"{path.name}: is a malformed {kind}: its data records hold no samples; export it again"
        )
    width = 3 if kind == "BDF" else 2
    record_bytes = width * sum(samples)
    if record_bytes > MAX_RECORD_BYTES:
        raise DataError(
            f"{path.name}: has data records of {record_bytes >> 20} MiB; at most {MAX_RECORD_BYTES >> 20} are read"
        )
    names = [name.strip() for name in _fields(raw, FIXED, count, 16)]
    return Header(
        raw=raw,
        bdf=kind == "BDF",
        records=_records(path, raw, kind, record_bytes, size),
        duration_s=_duration(path, raw[244:252], kind),
        record_bytes=record_bytes,
        texts=tuple(_texts(names, samples, f"{kind} Annotations".encode(), width)),
        discontinuous=raw[192:197] in (b"EDF+D", b"BDF+D"),
    )


def _records(path: Path, raw: bytes, kind: str, record_bytes: int, size: int) -> int:
    """Return how many data records there are; -1 in the header means that the writer did not know."""
    said, there = _whole(path, raw[236:244], "number of data records", kind), (size - len(raw)) / record_bytes
    if said < -1 or said == 0 or there < 1:
        raise DataError(f"{path.name}: holds no data records; the recording was not finished, or is cut off")
    if said > there:
        raise DataError(
            f"{path.name}: is cut off: its header promises {said} data records of {record_bytes} bytes, "
            f"{there:.10g} are there; copy or export it again"
        )
    return int(there) if said == -1 else said


def _duration(path: Path, field: bytes, kind: str) -> float:
    """Return how long a data record is, in s: eight bytes, whatever digits come behind them."""
    try:
        seconds = float(field.decode("ascii").replace(",", ".").strip())
    except ValueError:
        seconds = 0.0
    if not 1e-6 <= seconds <= 1e6:
        said = field.decode("latin-1").strip()
        raise DataError(
            f"{path.name}: is a malformed {kind}: its data records last {said!r} s; that must be a number above 0"
        )
    return seconds


def _whole(path: Path, field: bytes, what: str, kind: str) -> int:
    text = field.decode("latin-1").strip(" \x00")
    if not re.fullmatch(r"[+-]?\d{1,9}", text):
        raise DataError(
            f"{path.name}: is a malformed {kind}: its {what} is {text!r}, no whole number; export it again"
        )
    return int(text)


def _fields(raw: bytes, at: int, count: int, width: int) -> Iterator[bytes]:
    return (raw[at + k * width : at + (k + 1) * width] for k in range(count))


def _texts(names: list[bytes], samples: list[int], called: bytes, width: int) -> Iterator[slice]:
    at = 0
    for name, count in zip(names, samples, strict=True):
        if name == called:
            yield slice(at * width, (at + count) * width)
        at += count
