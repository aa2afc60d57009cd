"""The model in PyTorch, as it was trained; the only backend free in `steps`. On a GPU by CUDA graphs."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import numpy as np

from app.errors import ArtefactError, BackendUnavailableError, NotReadyError
from app.inference.artefact import CURE, WEIGHTS, Artefact
from app.inference.backend import Batch, Inference
from app.inference.batch import as_batch, as_steps
from app.inference.manifest import Manifest

if TYPE_CHECKING:
    import torch

    from app.inference.networks import Classifier
    from app.inference.pytorch.graphs import FixedSizes

log = logging.getLogger(__name__)


class TorchBackend:
    """Fits Backend. `device` says where it runs: "cuda" where there is one, else "cpu"."""

    name = "pytorch"
    reentrant = False
    stem: str | None = None
    precision = "fp32"

    def __init__(
        self, network: Classifier, manifest: Manifest, device: str, graphs: FixedSizes | None = None
    ) -> None:
        self.device = device
        self._network: Classifier | None = network
        self._manifest = manifest
        self._graphs = graphs

    @classmethod
    def open(cls, artefact: Artefact, *, device: str | None = None, threads: int = 1) -> TorchBackend:
        """Load the weights; torch is imported here, so a server that does not use it does not pay for it.

        Args:
            artefact: the model.
            device: "cpu" or "cuda"; None takes the GPU when there is one that runs the network. On a GPU
                TF32 is switched off, for the whole process: fp32 means fp32.
            threads: CPU threads of one inference, for the whole process. One is fastest for networks this
                small, and more would fight with the other workers.

        Raises:
            BackendUnavailableError: torch is not installed, or cannot use the device that was asked for.
            ArtefactError: the weights do not fit the network that the manifest describes.
        """
        try:
            import torch
        except ImportError as error:
            cure = "Install it with `pip install -r requirements.txt`"
            raise BackendUnavailableError(cls.name, str(error), cure) from None
        torch.set_num_threads(threads)
        if device is None and torch.cuda.is_available():
            try:
                return cls._on_gpu(artefact, "cuda")
            except BackendUnavailableError as error:
                log.warning("%s It runs on the CPU", error)
        if device is None or device == "cpu":
            return cls(_network(artefact, "cpu"), artefact.manifest, "cpu")
        return cls._on_gpu(artefact, device)

    @classmethod
    def _on_gpu(cls, artefact: Artefact, device: str) -> TorchBackend:
        import torch

        from app.inference.pytorch.graphs import FixedSizes

        torch.backends.cudnn.allow_tf32 = False
        torch.backends.cuda.matmul.allow_tf32 = False
        manifest = artefact.manifest
        try:
            network = _network(artefact, device)
            graphs = FixedSizes(network, (manifest.reads, manifest.channels), device)
        except (RuntimeError, AssertionError) as error:  # the latter: torch was built without CUDA
            reason = f"torch {torch.__version__} cannot use {device}: {str(error).splitlines()[0]}"
            cure = "Install the torch of your CUDA version from https://pytorch.org."
            raise BackendUnavailableError(cls.name, reason, cure) from None
        return cls(network, manifest, device, graphs)

    def infer(self, batch: Batch, steps: int | None = None) -> Inference:
        """Map normalised windows to logits; `steps` counts for spiking networks only.

        Raises:
            WindowError: the windows or steps are not for this model.
            NotReadyError: it is closed.
        """
        import torch

        emg = as_batch(batch, self._manifest)
        steps = as_steps(steps, self._manifest)
        with torch.inference_mode():  # thread-local, so it is entered where the work is done
            answer = self._replay(emg, steps)
            logits, spikes = answer or self._run(torch.from_numpy(emg).to(self.device), steps)
            return Inference(logits.cpu().numpy(), _spike_array(spikes, len(emg)))

    def _replay(self, emg: Batch, steps: int) -> tuple[torch.Tensor, torch.Tensor | None] | None:
        """One pass by a graph recorded at opening; None where none fits: other steps, many windows, a CPU."""
        if self._network is None or self._graphs is None:
            return None
        if self._network.spiking and steps != self._manifest.steps:
            return None
        return self._graphs.infer(emg)

    def _run(self, emg: torch.Tensor, steps: int) -> tuple[torch.Tensor, torch.Tensor | None]:
        """One pass on the device, kernel by kernel."""
        if self._network is None:
            raise NotReadyError(f"the {self.name} backend is closed")
        if self._network.spiking:
            logits, spikes = self._network(emg, steps)
            return logits, spikes
        return self._network(emg), None

    def close(self) -> None:
        """Free the weights and the graphs. Safe to call twice."""
        self._network = self._graphs = None


def _network(artefact: Artefact, device: str) -> Classifier:
    import torch

    from app.inference.networks import build_for, folded, load_arrays

    arrays = artefact.weights()
    try:
        network = build_for(artefact.manifest)
        load_arrays(network, arrays)
    except ArtefactError as error:
        raise ArtefactError(f"{artefact.path / WEIGHTS}: {error}. {CURE}") from None
    # Channels last: the convolutions run on the layout the samples come in, a quarter faster for one window.
    network = folded(network)
    network.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stub lacks it
    return network


def _spike_array(spikes: torch.Tensor | None, windows: int) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    return np.zeros(windows, np.float32) if spikes is None else spikes.cpu().numpy()
