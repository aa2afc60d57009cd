#!/usr/bin/env bash
# pyxdf's default removal of jitter swallows pauses: they vanish, and the stamps of all samples around them move.
#
# Seen with pyxdf 1.17.5 and numpy 2.2.6, 29 November 2026. An XDF file, written byte by byte after the specification,
# holds 60 s of a stream at 100 Hz whose every sample has its own stamp, with a pause of 4 s in the middle.
# `load_xdf(file)` fits one straight line through all stamps, since a pause counts only from 1 s AND 500 samples on
# (here: 5 s). The pause is gone, no step is longer than 11 ms, stamps are moved by up to 2 s, and the effective rate is
# 90.91 Hz, which the device never had. Nothing is said of it: the one warning is the same without it. With
# `dejitter_timestamps=False` the stamps are what they were.
# For us: app/emg/files/binary/xdf.py reads with dejitter_timestamps=False and looks for pauses by itself.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pyxdf==1.17.5 numpy==2.2.6
cd "$folder"
"$folder/venv/bin/python" - <<'PY'
import struct

import numpy as np
import pyxdf


def chunk(tag, content):
    body = struct.pack("<H", tag) + content
    return b"\x04" + struct.pack("<I", len(body)) + body


stamps = 1000 + np.arange(6000) / 100
stamps[3000:] += 4.0
samples = b"".join(b"\x08" + struct.pack("<df", at, k) for k, at in enumerate(stamps))
header = (
    b"<info><name>a</name><type>EMG</type><channel_count>1</channel_count><nominal_srate>100</nominal_srate>"
    b"<channel_format>float32</channel_format></info>"
)
with open("a.xdf", "wb") as file:
    file.write(b"XDF:" + chunk(1, b"<info><version>1.0</version></info>") + chunk(2, struct.pack("<I", 1) + header))
    file.write(chunk(3, struct.pack("<I", 1) + b"\x04" + struct.pack("<I", 6000) + samples))

for dejitter in (True, False):
    (stream,), _ = pyxdf.load_xdf("a.xdf", dejitter_timestamps=dejitter)
    found = stream["time_stamps"]
    longest, moved = np.diff(found).max(), np.abs(found - stamps).max()
    print(
        f"dejitter_timestamps={dejitter}: longest step {longest:.4f} s, stamps moved by up to {moved:.2f} s, "
        f"effective rate {float(stream['info']['effective_srate']):.2f} Hz, segments {stream['info']['segments']}"
    )
    assert (longest < 0.02 and moved > 1.9) if dejitter else (abs(longest - 4.01) < 1e-6 and moved == 0)
PY
# Output seen:
#   dejitter_timestamps=True: longest step 0.0110 s, stamps moved by up to 2.00 s, effective rate 90.91 Hz, segments [(0, 5999)]
#   dejitter_timestamps=False: longest step 4.0100 s, stamps moved by up to 0.00 s, effective rate 93.75 Hz, segments [(0, 5999)]
