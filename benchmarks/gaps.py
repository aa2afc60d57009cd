"""What lost samples cost: the same windows with a share of them lost and filled, beside those that are whole.

    python -m benchmarks.gaps --data FOLDER      both shipped models; people that the weights have not seen

Each recording goes through the live path once for each loss: of every `every_s` a part is lost, and held at the last
value, as a source with a bad radio link delivers it. Windows count where they hold about that share of filled samples.
"""

from __future__ import annotations

import argparse
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch

from app.emg.files.recordings import Recording
from app.emg.signal.filters import Sos
from app.emg.signal.ring import Ring
from app.emg.signal.signal_path import SignalPath
from app.emg.signal.windows import Grid
from app.emg.source import UNLABELLED, Chunk, Samples
from app.inference import artefact
from app.inference.artefact import Artefact
from app.inference.history import with_history
from app.inference.networks import folded
from app.inference.prediction import normalise
from app.learning import datasets, lda, recipes
from app.learning.datasets import Dataset
from app.learning.evaluation import Networks
from app.learning.metrics import Scores, confusion

SHARES = (0.0, 0.05, 0.1, 0.2)
EVERY = 1.05  # windows from one loss to the next: regular, and no window is spared for long
FPS = 10.0


def windows_of(
    recording: Recording, model: Artefact, sos: Sos, share: float
) -> tuple[Samples, list[int], list[int]]:
    """Return the windows that hold about `share` filled samples, their labels, and how many each has lost."""
    manifest = model.manifest
    every = round(EVERY * manifest.length)
    lost = round(share * manifest.length)
    ring = Ring(len(recording.emg) + 1, manifest.channels, max_fill=every)
    path = SignalPath(ring, sos)
    for first, last in _kept(recording.pieces, every, lost):
        path.process(
            Chunk(
                index=first,
                samples=recording.emg[first:last],
                labels=recording.label[first:last],
                restart=any(piece.start == first for piece in recording.pieces),
            )
        )
    found, labels, missing = [], [], []
    to_class = {name: k for k, name in enumerate(manifest.classes)}
    grid = Grid(manifest.sampling_rate, FPS)
    for k in range(grid.last_at_or_before(ring.newest) + 1):
        end = grid.end_of(k)
        window, label = ring.recent(end, manifest.length, manifest.reads), int(recording.label[end - 1])
        gone = ring.missing(end, manifest.length)
        if window is None or label == UNLABELLED or abs(gone - lost) > 0.02 * manifest.length:
            continue
        name = recording.gesture_names[label]
        if name in to_class:
            found.append(with_history(window, manifest.reads))
            labels.append(to_class[name])
            missing.append(gone)
    return np.array(found, np.float32), labels, missing


def _kept(pieces: Sequence[slice], every: int, lost: int) -> Iterator[tuple[int, int]]:
    for piece in pieces:
        for first in range(piece.start, piece.stop, every):
            last = min(first + every - lost, piece.stop)
            if last > first:
                yield first, last


def judge(model: Artefact, people: Sequence[Recording]) -> None:
    """Print a row for each share."""
    manifest = model.manifest
    sos = datasets.filters_of(manifest, 50.0)
    networks = Networks(model)
    rest = manifest.classes.index(manifest.rest_class)
    data = datasets.read(people, manifest)
    classic = classics(data)
    print(f"{manifest.name}: {len(people)} people, windows of {manifest.length} samples, ", end="")
    print(f"chance {1 / len(manifest.classes):.3f}")
    print("filled | windows | balanced accuracy | LDA")
    for share in SHARES:
        scores, lda_scores, count = [], [], 0
        for who, recording in enumerate(people):
            windows, labels, _ = windows_of(recording, model, sos, share)
            predicted = predict_unseen(networks, datasets.content_hashes(recording).values(), windows)
            table = confusion(np.array(labels), predicted, len(manifest.classes))
            scores.append(Scores(table, rest).balanced_accuracy)
            table = confusion(
                np.array(labels),
                classic[who].predict(lda.hudgins(windows[:, -manifest.length :])),
                len(manifest.classes),
            )
            lda_scores.append(Scores(table, rest).balanced_accuracy)
            count += len(labels)
        print(f"{share:4.0%} | {count} | {np.nanmean(scores):.3f} | {np.nanmean(lda_scores):.3f}", flush=True)


def classics(data: Dataset) -> list[lda.Lda]:
    """For each person an LDA of all the others."""
    features = np.concatenate(
        [lda.hudgins(data.windows(rows)) for rows in np.array_split(np.arange(len(data.label)), 64)]
    )
    return [
        lda.fit(features[data.person != who], data.label[data.person != who])
        for who in range(len(data.people))
    ]


def predict_unseen(networks: Networks, content: Collection[str], windows: Samples) -> np.ndarray:
    """Classes (n,) by the weights that have never seen a recording of that content."""
    network, manifest = networks.unseen_by(content)
    batch = torch.from_numpy(normalise(windows, manifest.mean, manifest.std))
    plain = folded(network)
    with torch.inference_mode():
        return np.concatenate([plain(some).argmax(1).numpy() for some in batch.split(1024)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of recordings for myo-8ch-200hz")
    parser.add_argument("--people", type=int, help="only so many of them")
    options = parser.parse_args()
    models = Path("instance/models")
    myo = artefact.find("myo-8ch-200hz", models)
    synthetic = artefact.find("synthetic-16ch-2khz", models)
    judge(synthetic, recipes.simulate(synthetic.manifest, range(5000, 5010), seconds=60.0))
    people = datasets.load_people(options.data)[: options.people]
    judge(myo, datasets.named(people, myo.manifest.classes, myo.manifest.rest_class))


if __name__ == "__main__":
    main()
