"""An LSL stream in a process of its own: `python -m tests.emg.lsl_sender NAME CHANNELS RATE ...`, until it is ended.

Every sample tells its number: channel c of sample k is k + 1000 c, in the units that it says.
"""

from __future__ import annotations

import argparse
import sys
import time

import numpy as np
import pylsl


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("name")
    parser.add_argument("channels", type=int)
    parser.add_argument("rate", type=float)
    parser.add_argument("--type", default="EMG")
    parser.add_argument("--source-id", default="")
    parser.add_argument("--unit", default="microvolts")
    parser.add_argument("--skip-every", type=float, default=0.0, help="s between losses of 0.2 s")
    parser.add_argument("--never", type=int, help="the channel, from 1, that is never a number")
    parser.add_argument("--silent", action="store_true", help="there, but no sample is sent")
    parser.add_argument("--set-clock", type=float, default=0.0, help="s by which stamps jump after 2 s")
    parser.add_argument(
        "--chunk", type=int, default=0, help="samples sent at once, about one a second stamped 52 ms late"
    )
    parser.add_argument("--noise", action="store_true", help="instead of numbers")
    parser.add_argument("--types", help="of the channels, separated by commas; default: all EMG")
    parser.add_argument(
        "--beside",
        type=float,
        help="rate of a second stream NAME-beside, of whose samples each tells its time in s",
    )
    chosen = parser.parse_args()
    info = pylsl.StreamInfo(
        chosen.name, chosen.type, chosen.channels, chosen.rate, "float32", chosen.source_id or chosen.name
    )
    info.set_channel_labels([f"E{channel + 1}" for channel in range(chosen.channels)])
    info.set_channel_types(chosen.types.split(",") if chosen.types else ["EMG"] * chosen.channels)
    info.set_channel_units(chosen.unit)
    beside = None
    if chosen.beside:
        name = f"{chosen.name}-beside"
        beside = pylsl.StreamOutlet(pylsl.StreamInfo(name, "ACC", 1, chosen.beside, "float32", name))
    send(pylsl.StreamOutlet(info), chosen, beside)


def send(
    outlet: pylsl.StreamOutlet, chosen: argparse.Namespace, beside: pylsl.StreamOutlet | None = None
) -> None:
    random = np.random.default_rng(1)
    began, sent = pylsl.local_clock(), 0
    sys.stdout.write("sending\n")
    sys.stdout.flush()
    late = sent_beside = 0
    while True:
        time.sleep(0.01)
        while beside and sent_beside / chosen.beside < pylsl.local_clock() - began:
            beside.push_sample([sent_beside / chosen.beside], began + sent_beside / chosen.beside)
            sent_beside += 1
        due = int((pylsl.local_clock() - began) * chosen.rate)
        if chosen.chunk:
            due = max(due // chosen.chunk * chosen.chunk, sent)
            if due > sent and pylsl.local_clock() - began > late + 1:
                late += 1
                time.sleep(0.052)
        numbers = np.arange(sent, due)
        if chosen.skip_every:
            numbers = numbers[numbers / chosen.rate % chosen.skip_every >= 0.2]
        if len(numbers) and not chosen.silent:
            samples = numbers[:, None] + 1000.0 * np.arange(chosen.channels)
            if chosen.noise:
                samples = random.normal(scale=20.0, size=samples.shape)
            if chosen.never:
                samples[:, chosen.never - 1] = np.nan
            # the stamp is of the last sample; each piece without a loss has its own
            for piece in np.split(np.arange(len(numbers)), np.flatnonzero(np.diff(numbers) > 1) + 1):
                stamp = began + numbers[piece[-1]] / chosen.rate
                if chosen.chunk:
                    stamp = pylsl.local_clock()
                if numbers[piece[-1]] > 2.0 * chosen.rate:
                    stamp += chosen.set_clock
                outlet.push_chunk(samples[piece].astype(np.float32), stamp)
        sent = due


if __name__ == "__main__":
    main()
