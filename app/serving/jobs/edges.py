"""What a training has found of its recordings' labels, kept beside them."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from app.emg.recording import refined_edges
from app.emg.recording.refined_edges import RefinedEdges
from app.errors import DataError
from app.inference.artefact import Artefact

log = logging.getLogger(__name__)


def keep_edges(root: Path, model: Artefact, found: Mapping[str, Mapping[str, Any]]) -> None:
    """Write them beside each recording. Where that cannot be, the model is none the worse: it is logged.

    It blocks.
    """
    for name, told in found.items():
        edges = RefinedEdges(
            model=model.manifest.name,
            sha256=model.sha256,
            edges=tuple((cue, at) for cue, at in told["edges"]),
            left_out=tuple((begin, end) for begin, end in told["left_out"]),
        )
        try:
            refined_edges.write(root, name, edges)
        except (DataError, OSError) as error:  # it was deleted meanwhile, or the disk is full
            log.warning("the edges that %s found in %s are not kept: %s", model.manifest.name, name, error)
