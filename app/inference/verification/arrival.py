"""From a zip that somebody sent to a model's folder that is proven: what `process.py` does with an upload."""

from __future__ import annotations

from pathlib import Path

from app.errors import ArtefactError
from app.inference.artefact import CARD, MANIFEST
from app.inference.foreign.drafts import completed, is_draft
from app.inference.foreign.golden import GOLDEN
from app.inference.foreign.make import make
from app.inference.manifest import shown
from app.inference.manifest_json import parse
from app.inference.onnx.backend import GRAPHS
from app.inference.verification.archive import unpack
from app.inference.verification.verify import Verified, verified


def arrived(path: Path) -> Verified:
    """Unpack a zip beside itself, and try what is in it. A draft with graph and golden vectors becomes an artefact.

    Raises:
        ArtefactError: what is wrong with it, in one line.
        OSError: the disk does not take it.
    """
    unpacked = path.with_name("unpacked")
    unpack(path, unpacked)
    text = (unpacked / MANIFEST).read_bytes()
    there = {str(file.relative_to(unpacked)) for file in unpacked.rglob("*") if file.is_file()}
    if is_draft(text):
        return _of_draft(unpacked, text, there)
    manifest = parse(text)
    _expect_nothing_else(there, {MANIFEST, CARD, *manifest.files})
    folder = path.with_name("whole") / manifest.name
    folder.parent.mkdir()
    unpacked.rename(folder)
    return verified(folder)


def _of_draft(unpacked: Path, text: bytes, there: set[str]) -> Verified:
    wanted = {MANIFEST, GRAPHS["fp32"], GOLDEN}
    if missing := sorted(wanted - there):
        raise ArtefactError(
            f"the zip lacks {', '.join(missing)}: with a manifest that names no files come {GRAPHS['fp32']} "
            f"and {GOLDEN}"
        )
    _expect_nothing_else(there, wanted | {CARD})
    card = (unpacked / CARD).read_bytes() if CARD in there else None
    folder = unpacked.with_name("whole") / completed(text).name
    return verified(make(folder, unpacked / GRAPHS["fp32"], text, unpacked / GOLDEN, card).path)


def _expect_nothing_else(there: set[str], wanted: set[str]) -> None:
    if more := sorted(there - wanted):
        raise ArtefactError(f"the zip holds {shown(more[0])}, which its {MANIFEST} does not name")
