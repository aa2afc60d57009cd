"""What `engine build` does: choose the graph and the target, build, write the plan and its side file."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.errors import ArtefactError, BackendUnavailableError, MyostreamError

if TYPE_CHECKING:
    from app.inference.artefact import Artefact
    from app.inference.manifest import Manifest
    from app.inference.tensorrt.builder import Batches, Progress
    from app.inference.tensorrt.flavour import Flavour


def build_plan(
    artefact: Artefact,
    folder: Path,
    *,
    onnx: Path | None,
    precision: str,
    max_batch: int,
    sm: str | None,
    ready: Path | None,
    out: Path | None,
) -> tuple[Path, Mapping[str, Any]]:
    """Write a plan and its side file; where the plan is, and what the side file says."""
    from app.inference.artefact import WEIGHTS
    from app.inference.tensorrt import flavour as tensorrt_flavour
    from app.inference.tensorrt import plan as tensorrt_plan
    from app.inference.tensorrt.builder import Batches
    from app.inference.tensorrt.cuda_memory import gpu_here

    tensorrt_plan.expect_own(artefact.manifest)
    gpu, manifest = gpu_here(), artefact.manifest
    flavour = tensorrt_flavour.for_building(gpu is not None)
    target = _target_sm(flavour, gpu.sm if gpu else None, sm)
    graph = onnx or _graph(artefact, precision, flavour.precision_flags)
    content, batches = _read(graph), Batches.up_to(max_batch)
    folder = _writable(out.parent if out else folder)
    plan = (
        _read(ready)
        if ready
        else _built(flavour, graph, content, manifest, precision, batches, target, folder)
    )
    note = tensorrt_plan.PlanNote(
        flavour=flavour.name,
        version=flavour.version,
        sm=target,
        gpu=gpu.name if gpu else None,
        precision=precision,
        min_batch=batches.least,
        opt_batch=batches.best,
        max_batch=batches.most,
        model=manifest.name,
        model_version=manifest.version,
        weights_sha256=manifest.files[WEIGHTS],
        onnx=graph.name,
        onnx_sha256=hashlib.sha256(content).hexdigest(),
        plan_sha256=hashlib.sha256(plan).hexdigest(),
        built_at=datetime.now(timezone.utc).isoformat(timespec="seconds"),
    )
    made = out or folder / note.file_name
    try:
        tensorrt_plan.write(made, plan, note)
    except OSError as error:
        raise MyostreamError(f"{made} cannot be written: {error.strerror}") from None
    return made, tensorrt_plan.described(note)


def _built(
    flavour: Flavour,
    graph: Path,
    content: bytes,
    manifest: Manifest,
    precision: str,
    batches: Batches,
    sm: str,
    folder: Path,
) -> bytes:
    from app.inference.tensorrt.builder import build
    from app.inference.tensorrt.flavour import SHORT

    cache = folder / f"{SHORT[flavour.name]}-{flavour.version}-{sm}.timing"
    with _progress() as progress:
        try:
            return build(
                flavour, content, manifest, precision, batches, sm=sm, timing_cache=cache, progress=progress
            )
        except ArtefactError as error:
            raise ArtefactError(f"{graph}: {error}") from None


def _writable(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise MyostreamError(f"{folder} cannot be made: {error.strerror}") from None
    return folder


def _graph(artefact: Artefact, precision: str, lowers: bool) -> Path:
    """Return the model's graph in that precision; TensorRT 10.x can make fp16 from the fp32 one."""
    from app.inference.onnx.backend import GRAPHS

    if artefact.manifest.architecture == "covariance" and precision != "fp32":
        raise ArtefactError(
            f"{artefact.path}: fp32 is the precision of a covariance model; leave --precision out"
        )
    name, files = GRAPHS[precision], artefact.manifest.files
    if name not in files and precision == "fp16" and lowers:
        name = GRAPHS["fp32"]
    if name not in files:
        model = artefact.manifest.name
        raise ArtefactError(
            f"{artefact.path} has no {name}: make it with `flask --app wsgi model export --model {model}`, "
            "or name a graph with --onnx"
        )
    return artefact.file(name)


def _target_sm(flavour: Flavour, here: str | None, asked: str | None) -> str:
    """Return what to build for. TensorRT-RTX's portable plans leave out Turing (7.5), which must be asked for alone."""
    from app.inference.tensorrt.plan import PORTABLE

    if flavour.rtx:
        return asked or (here if here == "7.5" else PORTABLE)
    if asked is not None:
        cure = "Leave --sm out, or use tensorrt_rtx"
        raise BackendUnavailableError("tensorrt", f"{flavour} builds for the GPU it runs on only", cure)
    assert here is not None  # for_building has seen to it
    return here


@contextmanager
def _progress() -> Iterator[Progress]:
    """Yield a bar on stderr for the phase that runs; phases of TensorRT nest, and one line is enough."""
    from tqdm import tqdm

    with tqdm(desc="build", file=sys.stderr, leave=False, disable=None) as bar:

        def tell(phase: str, step: int, steps: int) -> bool:
            bar.set_description_str(phase, refresh=False)
            bar.total, bar.n = steps, step
            bar.refresh()
            return True

        yield tell


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ArtefactError(f"{path} cannot be read: {error.strerror}") from None
