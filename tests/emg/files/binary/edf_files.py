"""Writes EDF+ and BDF+ byte by byte, after the specification: pyedflib cannot write holes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt


def tal(onset: float, duration: float | None, text: str) -> bytes:
    lasts = b"" if duration is None else b"\x15%s" % f"{duration:g}".encode()
    return f"{onset:+.6f}".encode() + lasts + b"\x14" + text.encode() + b"\x14\x00"


def write_discontinuous(
    path: Path,
    records: Sequence[npt.NDArray[np.int16]],  # each (samples, channels), of one rate
    onsets: Sequence[float],
    duration: float,
    notes: Sequence[tuple[float, float | None, str]] = (),
    *,
    kind: str = "EDF+D",
    bound: int = 2048,
    labels: Sequence[str] | None = None,
    units: str = "uV",
) -> Path:
    """`notes` are (onset, duration, text); all lie in the first record. Physical values are the digital ones."""
    samples, channels = records[0].shape
    width = 3 if kind.startswith("BDF") else 2
    texts = [tal(onset, None, "") for onset in onsets]
    texts[0] += b"".join(tal(*note) for note in notes)
    room = -(-max(len(text) for text in texts) // width)
    names = [*(labels or [f"EMG{k + 1}" for k in range(channels)]), f"{kind[:3]} Annotations"]
    count = channels + 1
    full = 2**23 if width == 3 else 2**15

    def column(values: Sequence[object], size: int) -> bytes:
        return b"".join(str(value).ljust(size).encode() for value in values)

    header = (b"\xffBIOSEMI" if width == 3 else b"0".ljust(8)) + b"S07 X X X".ljust(80)
    header += (
        b"Startdate 29-NOV-2026 X X X".ljust(80)
        + b"29.11.2612.00.00"
        + str(256 * (count + 1)).ljust(8).encode()
    )
    header += (
        kind.encode().ljust(44) + str(len(records)).ljust(8).encode() + f"{duration:g}".ljust(8).encode()
    )
    header += str(count).ljust(4).encode()
    header += column(names, 16) + column([""] * count, 80) + column([units] * channels + [""], 8)
    header += column([-bound] * channels + [-1], 8) + column([bound - 1] * channels + [1], 8)
    header += column([-bound] * channels + [-full], 8) + column([bound - 1] * channels + [full - 1], 8)
    header += column([""] * count, 80) + column([samples] * channels + [room], 8) + column([""] * count, 32)
    body = []
    for record, text in zip(records, texts, strict=True):
        values = record.T.astype("<i4").reshape(-1, 1).view(np.uint8).reshape(-1, 4)[:, :width]
        body.append(values.tobytes() + text.ljust(room * width, b"\x00"))
    path.write_bytes(header + b"".join(body))
    return path
