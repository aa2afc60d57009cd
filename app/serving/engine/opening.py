"""From settings to the model that EMG_MODEL names, and to the engine that runs it."""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np

from app.config import DEFAULT_MODEL, NO_MODEL, REMOTE, EmgMode, Settings
from app.emg.signal.rates import same_rate
from app.errors import ConfigError
from app.fleet_address import parse_address
from app.inference import artefact
from app.inference.artefact import Artefact
from app.inference.manifest import FOREIGN, Manifest
from app.inference.onnx.backend import GRAPHS
from app.inference.openers import openers
from app.inference.pytorch.library import prepare as prepare_torch
from app.inference.remote.target import Target
from app.serving.engine.backends import BackendOpener
from app.serving.engine.engine import Engine
from app.serving.engine.model_input import ModelInput


def expected_artefact(settings: Settings) -> Artefact | None:
    """Return the model that EMG_MODEL names, without it DEFAULT_MODEL; None where it says that there is none.

    Raises:
        ConfigError, ArtefactError: as `open_artefact`.
    """
    return None if settings.model == NO_MODEL else open_artefact(settings)


def open_artefact(settings: Settings) -> Artefact:
    """Return the model that EMG_MODEL names, without it DEFAULT_MODEL.

    Raises:
        ConfigError: EMG_WIN, EMG_CH or EMG_FS contradicts it.
        ArtefactError: it is not there or damaged.
    """
    found = artefact.find(settings.model or DEFAULT_MODEL, settings.model_folders)
    expect_no_contradiction(settings, found.manifest)
    return found


def expect_no_contradiction(settings: Settings, manifest: Manifest) -> None:
    """See that EMG_WIN, EMG_CH and EMG_FS say what the model takes; of a serial device the last two are its own.

    Raises:
        ConfigError: one of them contradicts it; names both.
    """
    of_device = settings.emg_mode is EmgMode.REALTIME
    for name, chosen, own in (
        ("EMG_WIN", settings.window, manifest.length),
        ("EMG_CH", None if of_device else settings.channels, manifest.channels),
        ("EMG_FS", None if of_device else settings.sampling_rate, manifest.sampling_rate),
    ):
        if chosen is not None and not same_rate(chosen, own):
            raise ConfigError(
                f"{name}={chosen:g} contradicts the model {manifest.name}, which takes {own:g}: "
                f"leave {name} out, or choose another EMG_MODEL"
            )


def make_engine(settings: Settings, model: Artefact, beside: Engine | None = None) -> Engine:
    """Return an engine with the backends of EMG_BACKENDS, not yet open; on the thread of the one `beside` it."""
    manifest = model.manifest
    shape = ModelInput(
        length=manifest.length,
        context=manifest.context,
        channels=manifest.channels,
        mean=manifest.mean,
        std=manifest.std,
        reject_below=manifest.reject_below,
        values=manifest.outputs.values,
    )
    plan = settings.instance / "engines"
    if beside is None and settings.tensorrt_engine is not None:  # that file is of the server's own model
        plan = settings.tensorrt_engine
    found = openers(
        model,
        plan,
        onnx_precision=_precision(settings, model),
        or_fp32=settings.onnx_precision is None,
        target=_target(settings, model),
    )
    foreign = manifest.architecture == FOREIGN  # then nothing is imported, and /health says at once why
    # the others open at the start, before anybody streams
    prepare = {} if foreign else {"pytorch": prepare_torch}
    named = {
        name: BackendOpener(
            found[name],
            not foreign and _is_lazy(name, settings),
            prepare.get(name),
            anywhere=name in ("onnxruntime", REMOTE),
        )
        for name in settings.backends
    }
    return Engine(shape, named) if beside is None else beside.sibling(shape, named)


def no_engine() -> Engine:
    """Return an engine without a backend, for a server without a model."""
    nothing = np.zeros(0, np.float32)
    return Engine(ModelInput(length=0, channels=0, mean=nothing, std=nothing), {})


def _precision(settings: Settings, model: Artefact) -> str:
    """Return the one chosen; by default int8 where there is such a graph: as accurate, and twice as fast on a CPU."""
    if settings.onnx_precision is not None:
        return settings.onnx_precision
    return "int8" if GRAPHS["int8"] in model.manifest.files else "fp32"


def _target(settings: Settings, model: Artefact) -> Target | None:
    """Return where the fleet has that model, where one is to be asked."""
    if settings.oip_url is None or REMOTE not in settings.backends:
        return None
    return Target(
        address=parse_address(settings.oip_url),
        model=model.path.name,
        timeout_s=settings.oip_timeout_s,
        precision=_remote_precision(settings, model),
        header=settings.oip_header,
    )


def _remote_precision(settings: Settings, model: Artefact) -> str:
    """Return how near a fleet has to come: as EMG_PRECISION says, else as int8 where there is such a graph, or fp16."""
    if settings.onnx_precision is not None:
        return settings.onnx_precision
    return "int8" if GRAPHS["int8"] in model.manifest.files else "fp16"


def _is_lazy(backend: str, settings: Settings) -> bool:
    """torch takes 200 MB and a second to import: where it is not the first choice, not before it is wanted."""
    first = next(
        (name for name in settings.backends if name != REMOTE), None
    )  # what answers where a fleet does not
    return backend == "pytorch" and first != "pytorch" and find_spec("torch") is not None
