"""Run by Python 3.12: read what a probe sends with MyoGestic's own source, and print it.

    python3.12 myogestic_reader.py KIND SAMPLES

prints `listening PORT`, and at the end one line of JSON: channels, rate, and for EMG channels 0 and the last, and the
last auxiliary one, the values of so many samples.
"""

from __future__ import annotations

import json
import sys
import time

import numpy as np
from myogestic.sources.otb.muovi import MuoviSource
from myogestic.sources.otb.sessantaquattro import SessantaquattroSource


def main(kind: str, samples: int) -> None:
    options = {"host_ip": "127.0.0.1", "port": 0, "include_aux": True}
    if kind.startswith("muovi"):
        source = MuoviSource(plus=kind.endswith("+"), **options)
    else:
        source = SessantaquattroSource(**options)
    source.connect_listen()
    say(f"listening {source._server.getsockname()[1]}")
    info = source.accept_and_start()
    rows, until = [], time.monotonic() + 20.0
    while sum(map(len, rows)) < samples and time.monotonic() < until:
        data, _ = source.read()
        if data is None:
            time.sleep(0.005)
        else:
            rows.append(data)
    source.disconnect()
    table = np.concatenate(rows)[:samples].astype(float)
    say(json.dumps({"names": list(info.channel_names), "rate": info.fs, "table": table.tolist()}))


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
