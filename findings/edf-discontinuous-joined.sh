#!/usr/bin/env bash
# edfio and MNE-Python join a discontinuous EDF+ file (EDF+D) over its holes: samples get times that they never had.
#
# Seen with edfio 0.4.18, mne 1.13.2 and pyedflib 0.1.42, 29 November 2026. A file is written byte by byte after the
# EDF+ specification: four data records of 1 s that begin 0, 1, 61 and 62 s after the start, each with the timekeeping
# annotation that EDF+ asks for, and an annotation at 61.5 s. edfio gives 4 s of signal (its `is_continuous` says False,
# if asked; that annotations and samples then have two clocks is documented). MNE gives 4 s as well, marks no BAD
# segment, and drops the annotation at 61.5 s with a warning that it is outside of the data range.
# pyedflib refuses the file. The header (bytes 192-197) and the first annotation of each data record say the truth.
# For us: app/emg/files/binary/edf.py reads where each data record begins, and a hole is a gap.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check edfio==0.4.18 mne==1.13.2 pyEDFlib==0.1.42
cd "$folder"
"$folder/venv/bin/python" - <<'PY'
import warnings

import edfio
import mne
import numpy as np
import pyedflib

onsets = [0, 1, 61, 62]
fields = [
    ("0", 8), ("X X X X", 80), ("Startdate 29-NOV-2026 X X X", 80), ("29.11.26", 8), ("12.00.00", 8), ("768", 8),
    ("EDF+D", 44), ("4", 8), ("1", 8), ("2", 4),
    ("EMG1", 16), ("EDF Annotations", 16), ("", 160), ("uV", 8), ("", 8), ("-100", 8), ("-1", 8), ("100", 8), ("1", 8),
    ("-100", 8), ("-32768", 8), ("100", 8), ("32767", 8), ("", 160), ("100", 8), ("30", 8), ("", 64),
]
with open("a.edf", "wb") as file:
    file.write(b"".join(text.ljust(width).encode() for text, width in fields))
    for record, onset in enumerate(onsets):
        text = f"+{onset}\x14\x14\x00" + ("+61.5\x14fist\x14\x00" if onset == 0 else "")
        file.write(np.full(100, record, "<i2").tobytes() + text.encode().ljust(60, b"\0"))

read = edfio.read_edf("a.edf")
print(f"edfio: {read.duration:g} s, is_continuous={read.is_continuous}, annotations {list(read.annotations)}")
assert read.duration == 4 and not read.is_continuous

with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    raw = mne.io.read_raw_edf("a.edf", preload=True, verbose="warning")
marks = [str(text) for text in raw.annotations.description]
print(f"MNE: {len(raw.times) / raw.info['sfreq']:g} s, annotations {marks}, at 2.5 s the value {raw.get_data()[0, 250] * 1e6:.0f}")
print("MNE warns:", [str(one.message).splitlines()[0] for one in said])
assert len(raw.times) == 400 and not any("BAD" in mark or "EDGE" in mark for mark in marks)
assert round(raw.get_data()[0, 250] * 1e6) == 2  # of the record that begins at 61 s

try:
    pyedflib.EdfReader("a.edf").close()
    raise SystemExit("pyedflib reads it now")
except OSError as error:
    print("pyedflib:", error)
PY
# Output seen:
#   edfio: 4 s, is_continuous=False, annotations [EdfAnnotation(onset=61.5, duration=None, text='fist')]
#   MNE: 4 s, annotations [], at 2.5 s the value 2
#   MNE warns: ['Omitted 1 annotation(s) that were outside data range.']
#   pyedflib: a.edf: The file is discontinuous and cannot be read
