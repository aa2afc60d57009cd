"""A plan file and the side file that says what it is: `<plan>` and `<plan>.json`. No vendor's package needed."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from secrets import token_hex
from typing import Any

from app.errors import ArtefactError, BackendUnavailableError
from app.inference.artefact import WEIGHTS, Artefact
from app.inference.manifest import FOREIGN, Manifest, shown
from app.inference.tensorrt.flavour import FLAVOURS, NAME, SHORT

SCHEMA = 1
PRECISIONS = ("fp32", "fp16", "int8")
MAX_SIDE_BYTES = 1 << 16
PORTABLE = "portable"  # tensorrt_rtx's default: compute capability 8.0 and later
MAX_BATCH = 1024
NO_PLANS = "its plan could be checked against nothing but a few golden vectors"  # of somebody's own graph


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanNote:
    """What the side file says."""

    flavour: str  # one of FLAVOURS
    version: str  # of the flavour
    sm: str  # compute capability such as "8.9", or PORTABLE
    gpu: str | None  # the card it was built on; None: built without one
    precision: str  # one of PRECISIONS
    min_batch: int
    opt_batch: int
    max_batch: int
    model: str
    model_version: str
    weights_sha256: str  # of the artefact's weights: the model's identity
    onnx: str  # file name
    onnx_sha256: str
    plan_sha256: str
    built_at: str  # ISO 8601, UTC

    def __post_init__(self) -> None:
        _require(self.flavour in FLAVOURS, "flavour", f"one of {', '.join(FLAVOURS)}", self.flavour)
        _require(self.precision in PRECISIONS, "precision", f"one of {', '.join(PRECISIONS)}", self.precision)
        batches = (1, self.min_batch, self.opt_batch, self.max_batch, MAX_BATCH)
        _require(list(batches) == sorted(batches), "batches", "1 <= min <= opt <= max <= 1024", batches[1:4])

    @property
    def file_name(self) -> str:
        """`<model>.<flavour>-<version>-<sm>-<precision>.plan`."""
        sm = self.sm if self.sm == PORTABLE else f"sm{self.sm.replace('.', '')}"
        return f"{self.model}.{SHORT[self.flavour]}-{self.version}-{sm}-{self.precision}.plan"


def side_path(plan: Path) -> Path:
    """Return where a plan's side file lies."""
    return plan.with_name(plan.name + ".json")


def cache_path(plan: Path, sm: str) -> Path:
    """Where kernels compiled for that GPU are kept (tensorrt_rtx)."""
    return plan.with_name(f"{plan.name}.sm{sm.replace('.', '')}.cache")


def write(plan: Path, content: bytes, note: PlanNote) -> None:
    """Put both files in place, each whole or not at all, the plan last: it is never there without its note."""
    text = json.dumps({"schema": SCHEMA, **asdict(note)}, indent=2) + "\n"
    plan.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(side_path(plan), text.encode())
    write_atomically(plan, content)


def write_atomically(path: Path, content: bytes) -> None:
    """Write it anew: a reader sees the old content or the new one, never a part."""
    temporary = path.with_name(f".{path.name}.{token_hex(4)}")
    try:
        temporary.write_bytes(content)
        os.replace(temporary, path)  # noqa: PTH105  Path.replace says the same with more words
    finally:
        temporary.unlink(missing_ok=True)


def read_note(plan: Path) -> PlanNote:
    """Return the side file of a plan.

    Raises:
        ArtefactError: there is none, or it is not one of ours; one line.
    """
    path = side_path(plan)
    try:
        with path.open("rb") as file:
            text = file.read(MAX_SIDE_BYTES + 1)
    except OSError as error:
        raise ArtefactError(f"{path} cannot be read: {error.strerror}") from None
    if len(text) > MAX_SIDE_BYTES:
        raise ArtefactError(f"{path} is larger than {MAX_SIDE_BYTES} bytes")
    try:
        return _note(json.loads(text))
    except (ValueError, RecursionError) as error:
        raise ArtefactError(f"{path} is not JSON: {shown(str(error))}") from None
    except ArtefactError as error:
        raise ArtefactError(f"{path}: {error}") from None


def _note(values: Any) -> PlanNote:
    _require(isinstance(values, dict), "the file", "a JSON object", values)
    _require(values.get("schema") == SCHEMA, "schema", str(SCHEMA), values.get("schema"))
    known = {field.name: field.type for field in fields(PlanNote)}
    for name, kind in known.items():
        value = values.get(name)
        if kind == "int":
            holds = isinstance(value, int) and not isinstance(value, bool)
        else:
            holds = (isinstance(value, str) and value.isprintable()) or (
                value is None and "None" in str(kind)
            )
        _require(holds, name, f"of type {kind}", value)
    return PlanNote(**{name: values[name] for name in known})


def build_command(artefact: Artefact | str, precision: str = "fp32") -> str:
    """Return what makes a plan for that model here."""
    name = artefact if isinstance(artefact, str) else artefact.manifest.name
    return f"flask --app wsgi engine build --model {name} --precision {precision}"


def expect_own(manifest: Manifest) -> None:
    """See that plans of the model are run at all.

    Raises:
        BackendUnavailableError: it is somebody's own ONNX graph.
    """
    if manifest.architecture == FOREIGN:
        reason = f"{manifest.name} is somebody's own ONNX graph; {NO_PLANS}"
        raise BackendUnavailableError(NAME, reason, "Choose onnxruntime in EMG_BACKENDS")


def find(artefact: Artefact, plan: Path) -> Path:
    """Return the plan file: `plan` itself, or, where it is a folder, the newest in it for that model.

    One built for this very model goes before one built for another version of it.

    Raises:
        BackendUnavailableError: there is none; the cure is the command that builds it. Or the model has no plans.
    """
    expect_own(artefact.manifest)
    name = artefact.manifest.name
    if plan.is_dir():
        plans = sorted(plan.glob(f"{name}.*.plan"), key=lambda path: path.stat().st_mtime, reverse=True)
        plans.sort(key=lambda path: not _is_of(path, artefact))  # stable: the newest first among equals
        if plans:
            return plans[0]
        reason = f"{plan} has no plan of {name}"
    elif plan.is_file():
        return plan
    else:
        reason = f"there is no plan at {plan}"
    raise BackendUnavailableError(NAME, reason, _cure(artefact, "fp32"))


def _is_of(plan: Path, artefact: Artefact) -> bool:
    try:
        note = read_note(plan)
    except ArtefactError:
        return False
    return note.weights_sha256 == artefact.manifest.files[WEIGHTS]


def read(plan: Path, artefact: Artefact) -> tuple[bytes, PlanNote]:
    """Return a plan and its note, for that model.

    Raises:
        BackendUnavailableError: a file is missing or changed, or the plan was built from another model.
    """
    try:
        note = read_note(plan)
        content = plan.read_bytes()
    except ArtefactError as error:
        raise BackendUnavailableError(NAME, str(error), _cure(artefact, "fp32")) from None
    except OSError as error:
        reason = f"{plan} cannot be read: {error.strerror}"
        raise BackendUnavailableError(NAME, reason, _cure(artefact, "fp32")) from None
    if note.weights_sha256 != artefact.manifest.files[WEIGHTS]:
        manifest = artefact.manifest
        reason = (
            f"{plan.name} was built from {note.model} {note.model_version} (weights {note.weights_sha256[:12]}), "
            f"not from {manifest.name} {manifest.version} (weights {manifest.files[WEIGHTS][:12]})"
        )
        raise BackendUnavailableError(NAME, reason, _cure(artefact, note.precision))
    if hashlib.sha256(content).hexdigest() != note.plan_sha256:
        reason = f"{plan.name} is not the plan that its side file describes (sha256 differs)"
        raise BackendUnavailableError(NAME, reason, _cure(artefact, note.precision))
    return content, note


def expect_version(note: PlanNote, version: str, artefact: Artefact) -> None:
    """Refuse a plan of another version: it runs in the one that built it, and in no other.

    Raises:
        BackendUnavailableError: the installed one is another.
    """
    if note.version != version:
        reason = f"the plan was built with {note.flavour} {note.version}, and {version} is installed"
        raise BackendUnavailableError(NAME, reason, _cure(artefact, note.precision))


def expect_gpu(note: PlanNote, sm: str, gpu: str, artefact: Artefact) -> None:
    """Refuse a plan of another kind of GPU; a portable one is for TensorRT-RTX to judge.

    Raises:
        BackendUnavailableError: this GPU is another.
    """
    if note.sm not in (PORTABLE, sm):
        reason = f"the plan was built for compute capability {note.sm}, and {gpu} has {sm}"
        raise BackendUnavailableError(NAME, reason, _cure(artefact, note.precision))


def _cure(artefact: Artefact, precision: str) -> str:
    return f"Build it here with `{build_command(artefact, precision)}`"


def described(note: PlanNote) -> Mapping[str, Any]:
    """Return the note as JSON-ready values."""
    return asdict(note)


def _require(holds: bool, name: str, expected: str, value: object) -> None:
    if not holds:
        raise ArtefactError(f"{name} must be {expected}, got {shown(value)}")
