"""From somebody's graph, a draft of its manifest and golden vectors to an artefact."""

from __future__ import annotations

from pathlib import Path

from app.inference import artefact
from app.inference.artefact import Artefact
from app.inference.foreign.drafts import completed
from app.inference.foreign.golden import GOLDEN
from app.inference.onnx.backend import GRAPHS


def make(folder: Path, graph: Path, draft: bytes, vectors: Path, card: bytes | None = None) -> Artefact:
    """Write the artefact, which nobody has tried yet, into a new folder whose name is the model's.

    Raises:
        ArtefactError: the draft lacks something, or says what cannot be.
    """
    manifest = completed(draft, folder.name)
    return artefact.save(folder, manifest, {GRAPHS["fp32"]: graph, GOLDEN: vectors}, card=card)
