"""Another model on the same windows: what a new one must be better than before it takes that one's place."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from app.emg.signal.filters import design, filter_all
from app.emg.signal.rates import same_rate
from app.emg.source import Samples
from app.emg.units import factor
from app.errors import ArtefactError, BackendUnavailableError, ConfigError, DataError
from app.inference.artefact import Artefact
from app.inference.history import with_history
from app.inference.onnx.backend import GRAPHS, OnnxBackend
from app.inference.reference import reference_logits
from app.learning.memory import taught_by
from app.learning.own.beside import UNKNOWN
from app.learning.own.judging import balanced
from app.learning.own.windows import OwnWindows

BATCH = 256

Ids = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """How the other model does on the repetitions left out."""

    model: str
    balanced_accuracy: float | None  # a gesture that it does not know counts as 0; None: it cannot be told
    why: str | None = None  # it cannot be told
    predicted: Ids | None = None  # of the windows that were judged, by the classes shown

    def as_json(self) -> dict[str, Any]:
        return {"model": self.model, "balanced_accuracy": self.balanced_accuracy, "why": self.why}


def compared(
    rival: Artefact,
    windows: OwnWindows,
    tests: Sequence[Ids],
    hashes: AbstractSet[str],
    mains: float | None,
) -> Comparison:
    """Return how that model does where each window ends that was judged; `hashes` are the recordings'."""
    manifest = rival.manifest
    why = _why_not(rival, windows, hashes)
    if why is None and not tests:
        why = "there is one repetition of each gesture, and none to judge by"
    if why is not None:
        return Comparison(model=manifest.name, balanced_accuracy=None, why=why)
    rows = np.concatenate(list(tests))
    try:
        predicted = _predicted(rival, windows, rows, mains)
    except (ConfigError, DataError) as error:
        return Comparison(model=manifest.name, balanced_accuracy=None, why=str(error))
    shown = windows.joined.classes
    as_shown = np.array([shown.index(name) if name in shown else UNKNOWN for name in manifest.classes])
    predicted = as_shown[predicted]
    accuracy = round(balanced(windows.label[rows], predicted), 4)
    return Comparison(model=manifest.name, balanced_accuracy=accuracy, predicted=predicted)


def without_comparison(base: Artefact, known: int, shown: int) -> Comparison:
    """Return how good a model could be at best that knows so many of the gestures shown."""
    return Comparison(model=base.manifest.name, balanced_accuracy=round(known / shown, 4))


def _why_not(rival: Artefact, windows: OwnWindows, hashes: AbstractSet[str]) -> str | None:
    manifest, joined = rival.manifest, windows.joined
    if manifest.gives_values:
        return f"{manifest.name} gives values, no gestures"
    if manifest.channels != joined.channels or not same_rate(manifest.sampling_rate, joined.rate):
        return (
            f"{manifest.name} reads {manifest.channels} channels at {manifest.sampling_rate:g} Hz, and the recordings "
            f"have {joined.channels} at {joined.rate:g} Hz"
        )
    if not hashes.isdisjoint({*manifest.training.get("hashes", ()), *taught_by(rival)}):
        return f"{manifest.name} was taught with these recordings, so its figures on them would mean nothing"
    return None


def _predicted(rival: Artefact, windows: OwnWindows, rows: Ids, mains: float | None) -> Ids:
    """Return the model's class at the end of each of those windows."""
    manifest, joined = rival.manifest, windows.joined
    scale = factor(joined.units, manifest.units) or 1.0
    sos = design(manifest.filters, joined.rate, mains)
    emg = joined.emg * np.float32(scale)
    signal = np.concatenate([filter_all(sos, emg[piece]) for piece in joined.pieces()])
    ends, firsts = windows.start[rows] + windows.plan.length, windows.first[rows]
    found = []
    with _running(rival) as logits_of:
        for begin in range(0, len(rows), BATCH):
            some = slice(begin, begin + BATCH)
            spans = zip(firsts[some].tolist(), ends[some].tolist(), strict=True)
            batch = np.stack([with_history(signal[first:end], manifest.reads) for first, end in spans])
            found.append(logits_of(np.asarray((batch - manifest.mean) / manifest.std, np.float32)))
    predicted: Ids = np.concatenate(found).argmax(1)
    return predicted


@contextmanager
def _running(rival: Artefact) -> Iterator[Callable[[Samples], npt.NDArray[Any]]]:
    """Yield what gives the logits of normalised windows: its graph where it has one, which is quicker.

    Raises:
        DataError: it cannot be run here.
    """
    if GRAPHS["fp32"] not in rival.manifest.files:
        yield lambda batch: reference_logits(rival, batch)
        return
    try:
        backend = OnnxBackend.open(rival)
    except (ArtefactError, BackendUnavailableError) as error:
        raise DataError(f"{rival.manifest.name} cannot be run: {error}") from None
    try:
        yield lambda batch: backend.infer(batch).logits
    finally:
        backend.close()
