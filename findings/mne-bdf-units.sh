#!/usr/bin/env bash
# MNE-Python reads a BDF+ channel whose physical dimension is `UV`, `counts` or empty as volts, without a warning.
#
# Seen with mne 1.13.2, edfio 0.4.18 (writes the file) and pyedflib 0.1.42 (reads it beside), 29 November 2026.
# A channel with the values 0..99 is written five times, with other texts in the header's field "physical dimension".
# MNE multiplies by 1e-6 for uV, by 1e-3 for mV, and takes every other text for volts: a device's counts, or microvolts
# that are spelt UV, come out a million times too large. pyedflib gives the values and the text as they are.
# For us: the export writes uV or mV only, leaves other units empty, and names them in an annotation.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check mne==1.13.2 edfio==0.4.18 pyEDFlib==0.1.42
cd "$folder"
"$folder/venv/bin/python" - <<'PY'
import warnings

import edfio
import mne
import numpy as np
import pyedflib

warnings.simplefilter("error")  # a warning would be a word
expected = {"uV": 1e-6, "mV": 1e-3, "UV": 1.0, "counts": 1.0, "": 1.0}
for units, volts in expected.items():
    path = f"signal-{units or 'empty'}.bdf"
    signal = edfio.BdfSignal(np.arange(100.0), 100, label="EMG1", physical_dimension=units, physical_range=(0, 100))
    edfio.Bdf([signal]).write(path)
    raw = mne.io.read_raw_bdf(path, verbose="error")
    found = raw.get_data()[0, 50] / 50
    with pyedflib.EdfReader(path) as reader:
        beside = reader.readSignal(0)[50], reader.getPhysicalDimension(0)
    print(f"{units!r:9} MNE: one count is {found:.3g} V; pyedflib: 50 reads {beside[0]:.3f} {beside[1]!r}")
    assert np.isclose(found, volts, rtol=1e-3), (units, found)
    assert np.isclose(beside[0], 50, rtol=1e-3), beside
PY
# Output seen:
#   'uV'      MNE: one count is 1e-06 V; pyedflib: 50 reads 50.000 'uV'
#   'mV'      MNE: one count is 0.001 V; pyedflib: 50 reads 50.000 'mV'
#   'UV'      MNE: one count is 1 V; pyedflib: 50 reads 50.000 'UV'
#   'counts'  MNE: one count is 1 V; pyedflib: 50 reads 50.000 'counts'
#   ''        MNE: one count is 1 V; pyedflib: 50 reads 50.000 ''
