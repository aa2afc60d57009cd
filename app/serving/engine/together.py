"""Windows of several sources in one call: for one engine, or for models that share a stem and differ in the head."""

from __future__ import annotations

import threading
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from app.inference.backend import Backend, Batch, Inference
from app.inference.covariance.shared_stem import StemBackend, infer_many
from app.inference.prediction import Prediction
from app.inference.values import Values
from app.serving.engine.answer import Answer
from app.serving.engine.engine import INLINE_S, Engine

Told = Prediction | Values


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """One window (1, samples, channels) for one model."""

    engine: Engine
    windows: Batch
    preprocess: bool
    backend: str

    @property
    def standing(self) -> str:
        """Return the backend that would answer just now, where `backend` is several."""
        return self.engine.backends.standing(self.backend)

    @property
    def kind(self) -> Hashable:
        """Return what it has in common with others that one call can answer; None: nothing, it is asked alone."""
        name = self.standing
        backend = self.engine.backends.opened.get(name)
        if backend is None or self.engine.inline_s(name) > INLINE_S:
            return None  # it goes to the engine's thread, which batches by itself
        return backend.stem or id(backend)

    @property
    def most(self) -> int:
        """Return how many like it one call may take, so that nobody else waits for long."""
        return self.engine.most_together(self.standing)


def infer_together(asked: Sequence[Asked]) -> list[Answer]:
    """Return the answers to windows of one `kind`, in their order.

    Raises:
        MyostreamError: one of them is not for its model, or a model is closed.
    """
    first = asked[0].engine
    began = first.clock()
    of_one = all(one.engine is first and one.preprocess == asked[0].preprocess for one in asked)
    ready = _ready(asked, of_one)
    names = [one.standing for one in asked]
    backends = [one.engine.backends.opened[name] for one, name in zip(asked, names, strict=True)]
    thread = threading.get_ident()
    first.calls[thread] = (names[0], first.clock())
    try:
        found = [backends[0].infer(ready[0])] if of_one else _inferred(backends, ready)
    finally:
        del first.calls[thread]
    latency_s = first.clock() - began
    if first.meter is not None:
        first.meter.served(names[0], len(asked), latency_s, [0.0] * len(asked))
    _meter_models(asked, latency_s)
    parts = _parts(first, found[0], len(asked)) if of_one else _told(asked, found)
    return [
        Answer(
            told=told,
            logits=inference.logits,
            spikes=inference.spikes,
            backend=name,
            latency_ms=latency_s * 1e3,
            wait_ms=0.0,
        )
        for name, (told, inference) in zip(names, parts, strict=True)
    ]


def _ready(asked: Sequence[Asked], of_one: bool) -> list[Batch]:
    """Return the windows as their backends take them: of one engine all in one array."""
    first = asked[0]
    if of_one and len({one.windows.shape[1:] for one in asked}) == 1:  # nearly always
        return [first.engine.ready(np.concatenate([one.windows for one in asked]), first.preprocess)]
    ready = [one.engine.ready(one.windows, one.preprocess) for one in asked]
    return [np.concatenate(ready)] if of_one else ready


def _parts(engine: Engine, inference: Inference, number: int) -> Iterator[tuple[Told, Inference]]:
    """Yield what a call of one engine says of each window."""
    told = engine.model.told(inference.logits)
    for row in (slice(at, at + 1) for at in range(number)):
        yield told[row], Inference(inference.logits[row], inference.spikes[row])


def _told(asked: Sequence[Asked], found: Sequence[Inference]) -> Iterator[tuple[Told, Inference]]:
    for one, inference in zip(asked, found, strict=True):
        yield one.engine.model.told(inference.logits), inference


def _meter_models(asked: Sequence[Asked], latency_s: float) -> None:
    """Count the call once for each model that took part, with its own windows."""
    windows: dict[int, int] = {}
    engines = {id(one.engine): one.engine for one in asked}
    for one in asked:
        windows[id(one.engine)] = windows.get(id(one.engine), 0) + len(one.windows)
    for key, engine in engines.items():
        if engine.of_model is not None:
            engine.of_model.served(windows[key], latency_s)


def _inferred(backends: Sequence[Backend], batches: Sequence[Batch]) -> list[Inference]:
    stems = [
        (one, batch) for one, batch in zip(backends, batches, strict=True) if isinstance(one, StemBackend)
    ]
    if len(stems) == len(backends) and len({id(one) for one in backends}) > 1:
        return infer_many(stems)
    every = backends[0].infer(np.concatenate(batches))
    ends = np.cumsum([len(batch) for batch in batches])[:-1]
    parts = zip(np.split(every.logits, ends), np.split(every.spikes, ends), strict=True)
    return [Inference(logits, spikes) for logits, spikes in parts]
