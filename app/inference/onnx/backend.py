"""The model in ONNX Runtime on the CPU: on one core several times as fast as PyTorch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from app.errors import ArtefactError, BackendUnavailableError, NotReadyError, WindowError
from app.inference.artefact import CURE, Artefact
from app.inference.backend import Batch, Inference
from app.inference.batch import as_batch, as_steps
from app.inference.foreign.border import Border, border_of
from app.inference.manifest import CHANNELS_FIRST, FOREIGN, Manifest, shown
from app.inference.onnx.session import NAME, open_session
from app.inference.outputs import as_logits
from app.inference.prediction import Floats

GRAPHS = {"fp32": "model.onnx", "fp16": "model.fp16.onnx", "int8": "model.int8.onnx"}  # by precision


class OnnxBackend:
    """Fits Backend. The spiking steps are those that the graph was exported with."""

    name = NAME
    reentrant = (
        True  # "Multiple threads can invoke the Run() method on the same session": ONNX Runtime, C API
    )
    stem: str | None = None

    def __init__(self, session: Any, manifest: Manifest, precision: str) -> None:
        self.precision = precision
        self._session: Any | None = session
        self._manifest = manifest
        self.border = _border(session, manifest)
        self._outputs = [self.border.output, *_output_names(manifest)[1:]]

    @classmethod
    def open(cls, artefact: Artefact, *, precision: str = "fp32", threads: int = 1) -> OnnxBackend:
        """Load a graph.

        Args:
            artefact: the model.
            precision: "fp32", "fp16" or "int8".
            threads: CPU threads of one inference. One is fastest for networks this small.

        Raises:
            BackendUnavailableError: onnxruntime is not installed, or the artefact has no such graph.
            ArtefactError: the graph is damaged, or not the one that the manifest describes.
        """
        path = _graph(artefact, precision)
        session = open_session(path, path, threads)
        if artefact.manifest.architecture != FOREIGN:
            _check(session, artefact.manifest, path)
        return cls(session, artefact.manifest, precision)

    def infer(self, batch: Batch, steps: int | None = None) -> Inference:
        """Map normalised windows to logits.

        Raises:
            WindowError: the windows are not for this model, or `steps` are not those of a spiking graph.
            NotReadyError: it is closed.
        """
        if self._session is None:
            raise NotReadyError(f"the {self.name} backend is closed")
        self._check_steps(steps)
        answers = self._run(self._session, batch)
        spikes = answers[1] if len(answers) == 2 else np.zeros(len(batch), np.float32)
        return Inference(as_logits(answers[0], self._manifest.outputs.kind), spikes)

    def raw(self, batch: Batch) -> Floats:
        """Return what the graph gives for normalised windows (batch, length, channels): (batch, classes or values).

        Raises:
            NotReadyError: it is closed.
            ArtefactError: the graph fails, or gives something else.
        """
        if self._session is None:
            raise NotReadyError(f"the {self.name} backend is closed")
        try:
            found: Floats = self._run(self._session, batch)[0]
        except Exception as error:  # its exceptions have no base of their own
            raise ArtefactError(f"the graph fails on a window: {shown(str(error))}") from None
        wanted = (len(batch), len(self._manifest.columns))
        if found.shape != wanted:
            raise ArtefactError(
                f"the graph must give {wanted} for {wanted[0]} windows, got {shown(found.shape)}"
            )
        return found

    def _run(self, session: Any, batch: Batch) -> list[Any]:
        emg = as_batch(batch, self._manifest)
        if self._manifest.layout == CHANNELS_FIRST:
            emg = np.ascontiguousarray(emg.transpose(0, 2, 1))  # (batch, channels, length)
        answers: list[Any] = session.run(self._outputs, {self.border.input: emg})
        return answers

    def _check_steps(self, steps: int | None) -> None:
        exported = self._manifest.steps
        if as_steps(steps, self._manifest) != exported and len(self._outputs) == 2:
            raise WindowError(
                f"steps must be {exported} in {self.name}, whose graph was exported with them, got {steps}; "
                "the pytorch backend takes any"
            )

    @property
    def gives_spikes(self) -> bool:
        """Return whether the graph also gives the spikes of each window."""
        return len(self._outputs) == 2

    def close(self) -> None:
        """Free the session. Safe to call twice."""
        self._session = None


def _border(session: Any, manifest: Manifest) -> Border:
    if manifest.architecture != FOREIGN:
        return Border("emg", "logits")
    return border_of(session.get_inputs(), session.get_outputs(), manifest)


def _output_names(manifest: Manifest) -> list[str]:
    return ["logits", "spikes"] if manifest.architecture == "spiking_tcn" else ["logits"]


def _graph(artefact: Artefact, precision: str) -> Path:
    if precision not in GRAPHS:
        raise ArtefactError(f"precision must be one of {', '.join(GRAPHS)}, got {shown(precision)}")
    name = GRAPHS[precision]
    if name not in artefact.manifest.files:
        reason = f"{artefact.path} has no {name}"
        cure = f"Make it with `flask --app wsgi model export --model {artefact.manifest.name}`"
        if artefact.manifest.architecture == "covariance" and precision != "fp32":
            cure = "Leave EMG_PRECISION out: fp32 is the precision of a covariance model"
        raise BackendUnavailableError(OnnxBackend.name, reason, cure)
    return artefact.file(name)


def _check(session: Any, manifest: Manifest, path: Path) -> None:
    """Whether the graph has the border that the manifest describes."""
    border = {
        entry.name: (entry.type, entry.shape[1:]) for entry in session.get_inputs() + session.get_outputs()
    }
    expected = {"emg": ("tensor(float)", [manifest.reads, manifest.channels])}
    expected["logits"] = ("tensor(float)", [len(manifest.columns)])
    if "spikes" in _output_names(manifest):
        expected["spikes"] = ("tensor(float)", [])
    if border != expected:
        raise ArtefactError(f"{path} must have {expected}, got {shown(border)}. {CURE}")
