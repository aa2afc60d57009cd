"""`flask --app wsgi model import`: somebody's own ONNX graph becomes a model of this server."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from app.cli import model_folder
from app.cli.options import as_json, force, one_line_errors, say
from app.errors import DataError

if TYPE_CHECKING:
    from app.inference.artefact import Artefact
    from app.inference.verification.child import Proof

_a_file = click.Path(path_type=Path)


@click.command("import")
@click.option("--onnx", "graph", required=True, type=_a_file, help="The graph, weights inside.")
@click.option(
    "--manifest", "draft", required=True, type=_a_file, help="What it takes and gives: docs/models.md."
)
@click.option(
    "--golden",
    required=True,
    type=_a_file,
    help="An .npz of emg (n, length, channels) and output (n, classes).",
)
@click.option("--out", help="Name in instance/models, or a path; by default the name in the manifest.")
@force
@as_json
@one_line_errors
def import_model(graph: Path, draft: Path, golden: Path, out: str | None, force: bool, as_json: bool) -> None:
    """Take somebody's own ONNX graph in, once it answers as its author's golden vectors say."""
    from app.inference.foreign.drafts import completed

    text = _content(draft)
    manifest = completed(text, Path(out).name if out else None)
    place = model_folder.target_of(out or manifest.name, force)
    made, proof = _made(place, graph, text, golden, force)
    report: dict[str, Any] = {"model": str(made.path), "sha256": made.sha256, "windows": proof.windows}
    report["difference"] = proof.difference
    text_said = (
        f"wrote {made.path}: it answers as {proof.windows} golden vectors say (largest difference "
        f"{proof.difference:.2g})\n{model_folder.how_to_serve(made)}"
    )
    say(as_json, report, text_said)


def _made(place: Path, graph: Path, draft: bytes, golden: Path, force: bool) -> tuple[Artefact, Proof]:
    """Try it aside, so that nothing is left of what fails."""
    from app.inference import artefact
    from app.inference.foreign.make import make
    from app.inference.verification.child import verified_apart

    with tempfile.TemporaryDirectory() as aside:
        made = make(Path(aside) / place.name, graph, draft, golden)
        proof = verified_apart(made.path)
        try:
            return artefact.install(made, place, replacing=force), proof
        except OSError as error:
            raise DataError(f"{place} cannot be written: {error.strerror or error}") from None


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from None
