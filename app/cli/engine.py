"""`flask --app wsgi engine build|inspect|benchmark`: TensorRT plans, and how fast each backend is."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np
from flask.cli import AppGroup

from app.cli.options import as_json, expect_free_file, force, one_line_errors
from app.counted import counted
from app.errors import BackendUnavailableError, MyostreamError

if TYPE_CHECKING:
    from app.inference.artefact import Artefact
    from app.inference.latency import Times
    from app.inference.openers import OpenBackend

engine = AppGroup("engine", help="Build TensorRT plans, look into them, time the backends.")

PRECISIONS = ("fp32", "fp16", "int8")
of_model = click.option("--model", "name", help="A name in instance/models, or a path. Default: EMG_MODEL.")
a_file = click.Path(path_type=Path, dir_okay=False)


@engine.command()
@of_model
@click.option("--onnx", type=a_file, help="Another graph of the model than the one in its folder.")
@click.option(
    "--precision",
    type=click.Choice(PRECISIONS),
    default="fp32",
    show_default=True,
    help="What it computes in.",
)
@click.option(
    "--max-batch", type=click.IntRange(1, 1024), default=64, show_default=True, help="Most windows in a call."
)
@click.option("--sm", help="Compute capability to build for, such as 7.5; tensorrt_rtx only.")
@click.option("--plan", "ready", type=a_file, help="Take this plan of trtexec instead of building one.")
@click.option(
    "--out", type=a_file, help="Default: instance/engines/<model>.<flavour>-<version>-<sm>-<precision>.plan"
)
@force
@as_json
@one_line_errors
def build(name: str | None, as_json: bool, force: bool, **options: Any) -> None:
    """Build a plan from the model's ONNX graph. One of that name in instance/engines is replaced, any other is not."""
    from app.cli.plans import build_plan

    expect_free_file(options["out"], force)
    made, note = build_plan(_artefact(name), _engines(), **options)
    if as_json:
        click.echo(json.dumps({"plan": str(made), **note}))
        return
    click.echo(f"wrote {made}")
    click.echo(
        f"  {note['flavour']} {note['version']}, {note['precision']}, up to {counted(note['max_batch'], 'window')}"
    )
    if note["gpu"] is None:
        click.echo("  built without a GPU; running it needs one")


@engine.command()
@click.argument("plan", required=False, type=click.Path(path_type=Path))
@of_model
@as_json
@one_line_errors
def inspect(plan: Path | None, name: str | None, as_json: bool) -> None:
    """Say what a plan is, and whether it can run here. Default: the plan that the server would take."""
    from app.inference.tensorrt import plan as tensorrt_plan

    artefact = _artefact(name)
    path = tensorrt_plan.find(artefact, plan or _plans())
    note = tensorrt_plan.read_note(path)
    refusal = _refusal(artefact, path)
    report = {"plan": str(path), **tensorrt_plan.described(note), "runs_here": refusal is None}
    report |= {"reason": refusal.reason, "cure": refusal.cure} if refusal else {"reason": None, "cure": None}
    if as_json:
        click.echo(json.dumps(report))
        return
    for key, value in report.items():
        if value is not None:
            click.echo(f"{key:15}  {value}")


@engine.command()
@of_model
@click.option(
    "--iterations", type=click.IntRange(1, 100_000), default=1000, show_default=True, help="Calls of each."
)
@click.option("--batch", type=click.IntRange(1, 256), default=1, show_default=True, help="Windows in a call.")
@click.option("--backend", "only", multiple=True, help="Only this one; may be given more than once.")
@as_json
@one_line_errors
def benchmark(name: str | None, iterations: int, batch: int, only: tuple[str, ...], as_json: bool) -> None:
    """Time each backend directly: no server, no queue."""
    from app.inference.latency import summary
    from app.inference.openers import openers

    artefact = _artefact(name)
    found = openers(artefact, _plans())
    for unknown in set(only) - set(found):
        raise MyostreamError(f"there is no backend {unknown!r}; choose from {', '.join(found)}")
    times = {
        key: _timed(artefact, key, found[key], iterations, batch) for key in found if key in (only or found)
    }
    figures = {key: None if some is None else asdict(summary(some, batch)) for key, some in times.items()}
    click.echo(json.dumps(figures) if as_json else _table(artefact.manifest.name, batch, figures, times))
    if not any(figures.values()):
        raise MyostreamError("no backend is available")


def _refusal(artefact: Artefact, path: Path) -> BackendUnavailableError | None:
    """Why the plan would not be taken here. First what a plan can be blamed for, then the machine."""
    from app.inference.tensorrt import cuda_memory
    from app.inference.tensorrt import flavour as tensorrt_flavour
    from app.inference.tensorrt import plan as tensorrt_plan

    try:
        _, note = tensorrt_plan.read(path, artefact)
        flavour = tensorrt_flavour.load(note.flavour)
        tensorrt_plan.expect_version(note, flavour.version, artefact)
        gpu = cuda_memory.require_gpu()
        tensorrt_plan.expect_gpu(note, gpu.sm, gpu.name, artefact)
    except BackendUnavailableError as refusal:
        return refusal
    return None


def _timed(artefact: Artefact, name: str, opener: OpenBackend, iterations: int, batch: int) -> Times | None:
    """Return the times of one backend; None where it cannot be opened, which is said on stderr."""
    from tqdm import tqdm

    from app.inference.latency import time_calls

    manifest = artefact.manifest
    emg = np.random.default_rng(0).standard_normal((batch, manifest.reads, manifest.channels), np.float32)
    try:
        backend = opener()
    except MyostreamError as error:
        click.echo(str(error), err=True)
        return None
    try:
        return time_calls(
            backend, emg, tqdm(range(iterations), desc=name, file=sys.stderr, leave=False, disable=None)
        )
    finally:
        backend.close()


def _table(
    model: str,
    batch: int,
    figures: Mapping[str, Mapping[str, float] | None],
    times: Mapping[str, Times | None],
) -> str:
    from app.inference.latency import histogram

    lines = [
        f"{model}, {batch} window{'s' if batch > 1 else ''} in a call",
        "backend         mean ms  median ms     p99 ms  windows/s",
    ]
    for name, found in figures.items():
        cells = "not available" if found is None else "".join(f"{x:11.3f}" for x in list(found.values())[:3])
        lines.append(f"{name:12}{cells}" + (f"{found['throughput_qps']:11.0f}" if found else ""))
    for name, some in times.items():
        if some is not None:
            lines += ["", name, *histogram(some)]
    return "\n".join(lines)


def _settings() -> Any:
    from app.config import Settings

    return Settings.from_env()


def _artefact(name: str | None) -> Artefact:
    from app.config import DEFAULT_MODEL, NO_MODEL
    from app.inference import artefact
    from app.serving.profiles.chosen import with_profile

    settings = with_profile(_settings())
    chosen = None if settings.model == NO_MODEL else settings.model
    return artefact.find(name or chosen or DEFAULT_MODEL, settings.model_folders)


def _engines() -> Path:
    return Path(_settings().instance) / "engines"


def _plans() -> Path:
    """Return the plan that the server takes: TENSORRT_ENGINE, or the folder in which it looks for one."""
    return _settings().tensorrt_engine or _engines()
