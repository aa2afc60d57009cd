"""What a montage costs: time for each sample, delay, and accuracy where it brings a signal from another rate.

    python -m benchmarks.montage                      time and delay
    python -m benchmarks.montage --data FOLDER        accuracy too; people that the weights have not seen

The foreign signal is made by an independent tool (scipy.signal.resample_poly, linear phase, over the whole recording)
from one at the model's rate, and brought back by the montage in chunks of 20 ms, as it would come live. So what a real
device of that rate sees above the model's own Nyquist frequency is not in it.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
from scipy import signal

from app.emg.description import SourceDescription
from app.emg.files.recordings import Recording
from app.emg.signal.display_filters import display_filters
from app.emg.signal.filters import Sos, SosFilter
from app.emg.signal.fit import ModelNeed, band_of, fit
from app.emg.signal.montage import Montage
from app.emg.signal.resampler import STOPBAND_DB, Resampler
from app.emg.signal.windows import Grid, cut
from app.emg.source import UNLABELLED, Chunk, Samples
from app.inference import artefact
from app.inference.artefact import Artefact
from app.inference.history import with_history
from app.learning import datasets, lda, recipes
from app.learning.evaluation import Networks
from app.learning.metrics import Scores, confusion
from benchmarks.gaps import FPS, classics, predict_unseen

CHUNK_S = 0.02
CASES = (  # source Hz, model Hz, highest Hz that the model reads, channels
    (250.0, 200.0, 90.0, 8),
    (1259.259, 2000.0, 450.0, 16),
    (1925.926, 2000.0, 450.0, 16),
    (2048.0, 2000.0, 450.0, 64),
    (1000.0, 2000.0, 450.0, 16),
    (4000.0, 2000.0, 450.0, 64),
)
FOREIGN = {
    200.0: (250.0, 500.0, 1000.0, 34000 / 27),
    2000.0: (1000.0, 34000 / 27, 52000 / 27, 2048.0, 4000.0),
}


def cost() -> None:
    """Print what each resampling costs, beside other ways to do the same."""
    print(
        "Hz | channels | taps | us a chunk of 20 ms | ns a sample and channel | of a core | upfirdn | gather | "
        "delay ms | linear phase ms | worst alias or image dB"
    )
    for source, model, high, channels in CASES:
        resampler = Resampler(source, model, channels, high)
        samples = _noise(round(CHUNK_S * source), channels)
        us = 1e6 * _median_s(_stepper(resampler, samples))
        parts = [
            f"{source:g} to {model:g}",
            channels,
            resampler.taps,
            f"{us:.0f}",
            f"{1e3 * us / samples.size:.1f}",
            f"{1e-6 * us * source / len(samples):.2%}",
            f"{1e6 * _median_s(_by_upfirdn(resampler, samples)):.0f} us",
            f"{1e6 * _median_s(_by_gather(resampler, samples)):.0f} us",
            f"{resampler.delay_ms():.1f}",
            f"{_linear_ms(resampler):.1f}",
            f"{_worst_db(resampler):.1f}",
        ]
        print(" | ".join(map(str, parts)), flush=True)


def beside() -> None:
    """Print what the rest of a montage costs, and the filters of a source with a model and without."""
    samples = _noise(round(CHUNK_S * 2000), 16)
    chosen = Montage(16, tuple(range(15, -1, -1)), scale=0.5)
    synthetic = artefact.find("synthetic-16ch-2khz", Path("instance/models")).manifest
    with_model = datasets.filters_of(synthetic, 50.0)
    for what, call in (
        ("as it is", _process(Montage(16, tuple(range(16))), samples)),
        ("channels and scale", _process(chosen, samples)),
        (f"filters of the model, {len(with_model)} sections", _filtering(with_model, samples)),
        ("filters without a model", _filtering(display_filters(2000, 50.0).sos(2000), samples)),
    ):
        print(f"{what}, 16 channels of 2000 Hz: {1e6 * _median_s(call):.1f} us a chunk of 20 ms")


def _noise(number: int, channels: int) -> Samples:
    return np.random.default_rng(0).normal(0, 50, (number, channels)).astype(np.float32)


def _median_s(call: Callable[[], object], times: int = 500) -> float:
    found = []
    for _ in range(times):
        began = time.perf_counter()
        call()
        found.append(time.perf_counter() - began)
    return float(np.median(found))


def _stepper(resampler: Resampler, samples: Samples) -> Callable[[], object]:
    return lambda: resampler(resampler.end, samples)


def _process(montage: Montage, samples: Samples) -> Callable[[], object]:
    chunk = Chunk(index=0, samples=samples)
    return lambda: montage.process(chunk)


def _filtering(sos: Sos, samples: Samples) -> Callable[[], object]:
    running = SosFilter(sos, samples.shape[1])
    return lambda: running(samples)


def _weights(resampler: Resampler) -> np.ndarray:
    """(up, taps), oldest tap first."""
    return resampler._bank  # to compare ways to use the same weights


def _by_upfirdn(resampler: Resampler, samples: Samples) -> Callable[[], object]:
    weights = _weights(resampler)[:, ::-1].T.ravel()
    joined = _noise(resampler.taps - 1 + len(samples), samples.shape[1]).astype(np.float64)
    return lambda: signal.upfirdn(weights, joined, resampler.ratio.up, resampler.ratio.down, axis=0)


def _by_gather(resampler: Resampler, samples: Samples) -> Callable[[], object]:
    bank = _weights(resampler)
    joined = _noise(resampler.taps - 1 + len(samples), samples.shape[1]).astype(np.float64)

    def gather() -> np.ndarray:
        newest, phase = resampler.ratio.between(0, len(samples))
        windows = np.lib.stride_tricks.sliding_window_view(joined, resampler.taps, axis=0)[newest]
        return np.matmul(bank[phase][:, np.newaxis], windows.transpose(0, 2, 1))[:, 0]

    return gather


def _linear_ms(resampler: Resampler) -> float:
    """Delay of a linear phase with the same stopband."""
    rate = resampler.source_rate * resampler.ratio.up
    lower = min(resampler.source_rate, resampler.model_rate)
    count, _ = signal.kaiserord(STOPBAND_DB, (lower / 2 - resampler.high_hz) / (rate / 2))
    return 1e3 * (count - 1) / 2 / rate


def _worst_db(resampler: Resampler) -> float:
    """Largest gain from half of the lower rate on, in dB of that at 0 Hz."""
    weights = _weights(resampler)[:, ::-1].T.ravel()
    rate = resampler.source_rate * resampler.ratio.up
    hz, gain = np.fft.rfftfreq(1 << 21, 1 / rate), np.abs(np.fft.rfft(weights, 1 << 21))
    beyond = hz >= min(resampler.source_rate, resampler.model_rate) / 2
    return float(20 * np.log10(gain[beyond].max() / gain[0]))


def accuracy(model: Artefact, people: Sequence[Recording]) -> None:
    """Print a row for each rate that the signal has come from."""
    manifest = model.manifest
    data = datasets.read(people, manifest)
    classic, networks, sos = classics(data), Networks(model), datasets.filters_of(manifest, 50.0)
    rest = manifest.classes.index(manifest.rest_class)
    need = ModelNeed(
        manifest.name,
        manifest.channels,
        manifest.sampling_rate,
        manifest.units,
        *band_of(manifest.filters, manifest.sampling_rate),
    )
    print(f"{manifest.name}: {len(people)} people, windows of {manifest.length} samples, ", end="")
    print(f"chance {1 / len(manifest.classes):.3f}")
    print("from Hz | delay ms | windows | balanced accuracy | LDA")
    for rate in (manifest.sampling_rate, *FOREIGN[manifest.sampling_rate]):
        rows = []
        for who, recording in enumerate(people):
            montage = fit(
                SourceDescription(channels=manifest.channels, sampling_rate=rate, units=manifest.units), need
            )
            windows, labels = windows_of(recording, montage, rate, model, sos)
            content = datasets.content_hashes(recording).values()
            tables = [
                confusion(labels, predicted, len(manifest.classes))
                for predicted in (
                    predict_unseen(networks, content, windows),
                    classic[who].predict(lda.hudgins(windows[:, -manifest.length :])),
                )
            ]
            rows.append([len(labels), *(Scores(table, rest).balanced_accuracy for table in tables)])
        found = np.array(rows)
        count, (ours, theirs) = int(found[:, 0].sum()), np.nanmean(found[:, 1:], axis=0)
        print(f"{rate:.7g} | {montage.delay_ms:.1f} | {count} | {ours:.3f} | {theirs:.3f}", flush=True)


def windows_of(
    recording: Recording, montage: Montage, rate: float, model: Artefact, sos: Sos
) -> tuple[Samples, np.ndarray]:
    """Return the labelled windows (n, reads, channels) that the live path cuts, and their classes (n,)."""
    manifest = model.manifest
    to_class = {name: k for k, name in enumerate(manifest.classes)}
    chunks = (montage.process(chunk) for chunk in _chunks(recording, rate))
    windows, labels = [], []
    for found in cut(
        chunks, sos, manifest.length, Grid(manifest.sampling_rate, FPS), context=manifest.context
    ):
        name = None if found.label == UNLABELLED else recording.gesture_names[found.label]
        if name in to_class:
            windows.append(with_history(found.window, manifest.reads))
            labels.append(to_class[name])
    return np.array(windows, np.float32), np.array(labels)


def _chunks(recording: Recording, rate: float) -> Iterator[Chunk]:
    """The recording as a device of another rate would deliver it."""
    exact = Fraction(rate / recording.fs).limit_denominator(1000)
    number, index = round(CHUNK_S * rate), 0
    for piece in recording.pieces:
        emg, label = recording.emg[piece], recording.label[piece]
        if exact != 1:
            emg = signal.resample_poly(emg, exact.numerator, exact.denominator, axis=0).astype(np.float32)
            at = np.arange(len(emg)) * exact.denominator // exact.numerator
            label = label[np.minimum(at, len(label) - 1)]
        for first in range(0, len(emg), number):
            part = slice(first, first + number)
            yield Chunk(index=index + first, samples=emg[part], labels=label[part], restart=first == 0)
        index += len(emg)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="folder of recordings for myo-8ch-200hz")
    parser.add_argument("--people", type=int, help="only so many of them")
    options = parser.parse_args()
    if options.data is None:
        cost()
        beside()
        return
    models = Path("instance/models")
    myo = artefact.find("myo-8ch-200hz", models)
    people = datasets.load_people(options.data)[: options.people]
    accuracy(myo, datasets.named(people, myo.manifest.classes, myo.manifest.rest_class))
    synthetic = artefact.find("synthetic-16ch-2khz", models)
    accuracy(synthetic, recipes.simulate(synthetic.manifest, range(5000, 5010), seconds=60.0))


if __name__ == "__main__":
    main()
