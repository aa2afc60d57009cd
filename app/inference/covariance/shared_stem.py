"""Models of one stem: one ONNX session for all of them, and one call for windows of many.

The stem is what a covariance model computes before its head: the raw vector of constants.py. `model calibrate` changes
the head alone, so it writes `stem.onnx` beside `model.onnx`: the same graph with the head as inputs, the same bytes for
every child. Its sha256 is the stem's name. See docs/decisions/0018-children-share-a-stem.md.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any
from weakref import WeakValueDictionary

import numpy as np

from app.errors import ArtefactError, NotReadyError
from app.inference.artefact import CURE, WEIGHTS, Artefact
from app.inference.backend import Batch, Inference, Logits
from app.inference.batch import as_batch, as_steps, expect_windows
from app.inference.covariance.constants import constants
from app.inference.covariance.head import Floats, Head, logits_of
from app.inference.manifest import Manifest, shown
from app.inference.onnx.session import NAME, open_session
from app.inference.parity import ALLOWED, fixed_windows

STEM = "stem.onnx"
EMG, MATRIX, BIAS, SQUARES = "emg", "head.weight", "head.bias", "head.squares"  # inputs
LOGITS, RAW = "logits", "raw"  # outputs

Feed = Mapping[str, Floats]


class Stem:
    """An open session of a stem's graph. It is freed with the last backend that holds it."""

    __slots__ = ("__weakref__", "session", "sha256")

    def __init__(self, sha256: str, session: Any) -> None:
        self.sha256 = sha256
        self.session = session


_open: WeakValueDictionary[str, Stem] = WeakValueDictionary()


class StemBackend:
    """Fits Backend: a head of its own, on a session that all models of the stem share."""

    name = NAME
    reentrant = True  # as OnnxBackend
    precision = "fp32"

    def __init__(self, held: Stem, head: Head, manifest: Manifest) -> None:
        self.stem: str | None = held.sha256
        self.head = head
        self.manifest = manifest
        self._held: Stem | None = held
        self._feed: Feed = {MATRIX: head.matrix, BIAS: head.bias}
        if len(head.curvature):
            self._feed = {**self._feed, SQUARES: head.squares}

    @classmethod
    def open(cls, artefact: Artefact) -> StemBackend:
        """Take the stem that is open, or open it.

        Raises:
            BackendUnavailableError: onnxruntime is not installed.
            ArtefactError: the graph is damaged or not of this model, or the weights are not.
        """
        manifest = artefact.manifest
        held = constants(manifest)
        try:
            head = Head.of(held, artefact.weights())
        except (KeyError, ValueError) as error:  # a tensor is missing, or of another shape
            reason = shown(str(error))
            raise ArtefactError(
                f"{artefact.path / WEIGHTS} is not of this network: {reason}. {CURE}"
            ) from None
        backend = cls(_stem_of(artefact), head, manifest)
        try:
            backend._check(artefact)
        except Exception:
            backend.close()
            raise
        return backend

    def infer(self, batch: Batch, steps: int | None = None) -> Inference:
        """Map normalised windows to logits.

        Raises:
            WindowError: the windows are not for this model.
            NotReadyError: it is closed.
        """
        held = self.held
        as_steps(steps, self.manifest)
        return _inference(self.run(held, LOGITS, as_batch(batch, self.manifest)))

    @property
    def held(self) -> Stem:
        """Return the stem.

        Raises:
            NotReadyError: it is closed.
        """
        if self._held is None:
            raise NotReadyError(f"the {self.name} backend is closed")
        return self._held

    def run(self, held: Stem, output: str, emg: Batch) -> Floats:
        """Return one output of the graph with this head."""
        found: Floats = held.session.run([output], {**self._feed, EMG: emg})[0]
        return found

    def close(self) -> None:
        """Let go of the stem. Safe to call twice."""
        self._held = None

    def _check(self, artefact: Artefact) -> None:
        """See that the graph has the border of this model, and gives the raw vector that its logits are made of.

        Raises:
            ArtefactError: it does not.
        """
        path, manifest, head = artefact.path / STEM, self.manifest, self.head
        border = _border_of(self.held.session)
        expected = {
            EMG: [manifest.reads, manifest.channels],
            MATRIX: [len(head.matrix)],
            BIAS: [],
            LOGITS: [],
            RAW: [len(head.matrix)],
        } | ({SQUARES: [len(head.squares)]} if len(head.curvature) else {})
        if border != expected:
            raise ArtefactError(f"{path} must have {expected}, got {shown(border)}. {CURE}")
        if head.linear != head.placements * len(manifest.classes):
            raise ArtefactError(f"{artefact.path / WEIGHTS} has no row for each class. {CURE}")
        windows = fixed_windows(manifest)
        together, alone = infer_many([(self, windows)] * 2)[1].logits, self.infer(windows).logits
        if not np.abs(together - alone).max() <= ALLOWED[self.precision] * np.abs(alone).max():
            raise ArtefactError(
                f"{path}: `{RAW}` is not what its logits are made of, or its numbers are not finite. {CURE}"
            )


def infer_many(parts: Sequence[tuple[StemBackend, Batch]]) -> list[Inference]:
    """Return what each model says of its own normalised windows, by one run of the stem that they share.

    The same as `infer` of each, to 1e-5 of the largest logit: products of several rows round otherwise than of one.

    Raises:
        ValueError: the models are not of one stem.
        WindowError: windows are not for their model; none is run.
        NotReadyError: one of the models is closed.
    """
    if len(parts) == 1:
        backend, windows = parts[0]
        return [backend.infer(windows)]
    held = [backend.held for backend, _ in parts]
    if len({stem.sha256 for stem in held}) > 1:
        raise ValueError("only models of one stem run together")
    if not parts:
        return []
    for backend, windows in parts:
        expect_windows(windows, backend.manifest)
    first, every = parts[0][0], np.concatenate([windows for _, windows in parts])
    raw = first.run(held[0], RAW, as_batch(every, first.manifest))  # any head will do: `raw` comes before it
    ends = np.cumsum([len(windows) for _, windows in parts])
    logits = logits_of([backend.head for backend, _ in parts], np.split(raw, ends[:-1]))
    return [_inference(found) for found in logits]


def _inference(logits: Logits) -> Inference:
    return Inference(logits, np.zeros(len(logits), np.float32))


def _stem_of(artefact: Artefact) -> Stem:
    """Return the artefact's stem, opened if no backend holds it.

    Without a lock, which must not be waited for across gevent's threads and native ones: two that open a stem at the
    same instant make two sessions, and the second goes as soon as it is seen to be too many.
    """
    sha256 = artefact.manifest.files[STEM]
    found = _open.get(sha256)
    if found is not None:
        return found
    path = artefact.file(STEM)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ArtefactError(f"{path} cannot be read: {error.strerror}. {CURE}") from None
    if (
        hashlib.sha256(content).hexdigest() != sha256
    ):  # other models will run on it, so not what was put there since
        raise ArtefactError(f"{path} has changed since the model was loaded. {CURE}")
    return _open.setdefault(sha256, Stem(sha256, open_session(content, path)))


def _border_of(session: Any) -> dict[str, list[int]]:
    """Return the fixed sizes of each input and output, by name; those of float32 alone."""
    every = [*session.get_inputs(), *session.get_outputs()]
    return {
        entry.name: [size for size in entry.shape if isinstance(size, int)]
        for entry in every
        if entry.type == "tensor(float)"
    }
