#!/usr/bin/env bash
# emgio puts the slower signals of a Delsys EMGworks CSV on the EMG's clock: 2.0 s of accelerometer end at 0.235 s.
#
# Seen with emgio 0.6.0 (soon to be called biosigio) and Python 3.11, 29 November 2026.
# An EMGworks CSV has a time column for every signal: EMG at 1259.259 Hz, the accelerometer at 148.1481 Hz. The file made
# here holds 2.0 s of both, the accelerometer a sine of exactly 1 Hz. emgio's importer takes the first time column as the
# index of all signals, row by row. The sampling frequency that it notes for the channel is right, the times are not, and
# nothing is said: the sine has 8.5 Hz, and after 0.235 s there is none.
# For us: each signal stays on its own time (app/emg/files/text/delsys.py).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check emgio==0.6.0
cd "$folder"
"$folder/venv/bin/python" - <<'PY'
import warnings

import numpy as np

warnings.simplefilter("ignore", DeprecationWarning)  # its own, of its name
from emgio import EMG

fast, slow, seconds = 1259.259, 148.1481, 2.0
rows, slow_rows = round(seconds * fast), round(seconds * slow)
label = "Label: Mini sensor 10: {} 10 Sampling frequency: {:.6e} Number of points: {} start: 0.000000e+000 Unit: {} Domain Unit: s"
lines = [label.format("EMG", fast, rows, "V"), label.format("ACC.X", slow, slow_rows, "g")]
lines += ["Start Trigger Method: None", "Stop Trigger Method: None", ""]
lines += ['X[s],"Mini sensor 10: EMG 10",X[s],"Mini sensor 10: ACC.X 10"']
for k in range(rows):
    beside = f"{k / slow:.6g},{np.sin(2 * np.pi * k / slow):.6g}" if k < slow_rows else ","
    lines.append(f"{k / fast:.7g},{1e-5 * np.sin(k):.6g},{beside}")
with open("made.csv", "w") as file:
    file.write("\n".join(lines) + "\n")

read = EMG.from_file("made.csv", importer="trigno")
column = next(name for name in read.signals if "ACC" in name)
signal = read.signals[column].dropna()
ends, noted = float(signal.index[-1]), read.channels[column]["sample_frequency"]
print(f"written: {slow_rows} samples of the accelerometer at {slow} Hz, to {(slow_rows - 1) / slow:.3f} s")
print(f"read: {len(signal)} samples, noted at {noted} Hz, to {ends:.3f} s")
assert len(signal) == slow_rows, len(signal)
assert abs(ends - (slow_rows - 1) / fast) < 0.001, ends
PY
# Output seen:
#   written: 296 samples of the accelerometer at 148.1481 Hz, to 1.991 s
#   read: 296 samples, noted at 148.1481 Hz, to 0.234 s
