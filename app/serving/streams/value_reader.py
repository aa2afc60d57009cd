"""What a model of values says of the windows of one source, each asked for once, however many groups look at it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from app.emg.signal.ring import Ring
from app.inference.manifest import Manifest
from app.inference.values import Values
from app.serving.engine.engine import Engine
from app.serving.streams.same_question import SameQuestion
from app.serving.streams.window_facts import WindowFacts, window_at

HISTORY = 64  # windows: groups that differ in what they show come to the same one within a frame


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueWindow:
    """One window's values and what else depends on its samples alone."""

    values: list[float]  # in the manifest's order, each in its range
    clipped: bool  # whether the model said one outside of it
    backend: str
    latency_ms: float  # of the engine
    wait_ms: float
    facts: WindowFacts
    segment: int  # where the unbroken signal began


class ValueReader:
    """Reads the windows of one source."""

    def __init__(self, engine: Engine, manifest: Manifest, ring: Ring, gesture_names: Sequence[str]) -> None:
        self._engine, self._manifest, self._ring, self._names = engine, manifest, ring, gesture_names
        self._history: dict[tuple[int, str, bool], ValueWindow] = {}
        self._asking: SameQuestion[ValueWindow] = SameQuestion()

    def quick(self, backend: str) -> bool:
        """Whether a window is asked about in place, on whatever thread that is."""
        return self._engine.in_place(backend)

    def read(self, end: int, backend: str, preprocess: bool) -> ValueWindow | None:
        """Return what is known of the window that ends before sample `end`; None where none is usable.

        Raises:
            NoNumberError: the model says no number.
            MyostreamError: the engine refused.
        """
        key = (end, backend, preprocess)
        found = self._history.get(key)
        if found is None:
            if self._engine.in_place(backend):
                found = self._read(end, backend, preprocess)
            else:
                found = self._asking.once(key, lambda: self._read(end, backend, preprocess))
            if found is not None:
                self._history[key] = found
                while len(self._history) > HISTORY:
                    self._history.pop(next(iter(self._history)), None)
        return found

    def _read(self, end: int, backend: str, preprocess: bool) -> ValueWindow | None:
        segment = self._ring.segment_start
        there = window_at(self._ring, end, self._manifest, self._names)
        if there is None:
            return None
        signal, facts = there
        answer = self._engine.infer(signal[np.newaxis], preprocess=preprocess, backend=backend)
        assert isinstance(answer.told, Values)
        told = answer.told.expect_numbers()
        return ValueWindow(
            values=told.rows()[0],
            clipped=bool(told.clipped[0]),
            backend=answer.backend,
            latency_ms=answer.latency_ms,
            wait_ms=answer.wait_ms,
            facts=facts,
            segment=segment,
        )
