"""Whether a fleet serves the model that it should: its metadata, then its answers beside those that are known.

Compared at the largest batch that will be used: OpenVINO 2026.4.1 computes only some rows of one in int8 graphs of one
kind, and says nothing of it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import count
from typing import Any

import numpy as np

from app.inference.artefact import Artefact
from app.inference.backend import Batch
from app.inference.foreign import golden
from app.inference.manifest import FOREIGN, Manifest
from app.inference.outputs import VALUES, as_logits
from app.inference.parity import compare_logits, figures, fixed_windows
from app.inference.prediction import Floats, normalise
from app.inference.reference import reference_logits
from app.inference.remote.connection import Connection
from app.inference.remote.messages import NOT_FOUND, Answered, answered, question, read_json
from app.inference.remote.target import RemoteError, Target
from app.inference.remote.terms import MOST_JSON, Terms, terms_of

log = logging.getLogger(__name__)

EXAMINED_S = 3.0  # for each of its questions: a server may open the model at the first
TIMED = 5  # windows of which one has to be answered in time
BINARY = "binary_tensor_data"
_OTHERWISE = "Put this model there, and in the precision that EMG_PRECISION says"

_numbers = count(1)


@dataclass(frozen=True, slots=True, eq=False)
class KnownAnswers:
    """Normalised windows, and what the model says of them; which takes long to compute, and is computed once."""

    windows: Batch  # (n, reads, channels)
    expected: Floats  # (n, columns), as the graph gives it
    manifest: Manifest
    precision: str  # a key of ALLOWED: how near the answers of one of our own networks have to be

    def trouble(self, rows: Sequence[int], output: Floats) -> str | None:
        """Return how the answers to those windows differ from what they should be; None where they do not."""
        expected, manifest = self.expected[rows], self.manifest
        if manifest.architecture != FOREIGN:
            found = compare_logits(
                as_logits(output, manifest.outputs.kind), expected, self.precision, manifest
            )
            said = f"the reference of {manifest.name} by {figures(found, self.precision, len(rows))}"
            return None if found.holds else f"its answers differ from {said}"
        if manifest.outputs.kind == VALUES:  # another of our servers says them within their ranges
            low = np.array([value.low for value in manifest.outputs.values], np.float32)
            high = np.array([value.high for value in manifest.outputs.values], np.float32)
            output, expected = np.clip(output, low, high), np.clip(expected, low, high)
        differs = float((np.abs(output - expected) / golden.scale(self.expected, manifest)).max())
        if differs <= golden.ALLOWED:
            return None
        return f"its answers differ from the golden vectors of {manifest.name} by {differs:.2g}"


def known_answers(artefact: Artefact, precision: str) -> KnownAnswers:
    """Return windows whose answers are known: by the reference, or by golden vectors.

    Raises:
        ArtefactError: the weights, or the golden vectors, are damaged.
    """
    manifest = artefact.manifest
    if manifest.architecture == FOREIGN:
        given = golden.read(artefact.file(golden.GOLDEN), manifest)
        windows = normalise(given.emg, manifest.mean, manifest.std)
        return KnownAnswers(windows, given.output, manifest, precision)
    windows = fixed_windows(manifest)
    return KnownAnswers(windows, reference_logits(artefact, windows).astype(np.float32), manifest, precision)


def ask(
    connection: Connection,
    target: Target,
    terms: Terms,
    windows: Batch,
    deadline: float,
    *,
    again: bool = True,
) -> Answered:
    """Return what a fleet says of normalised windows; `again` as Connection has it.

    Raises:
        RemoteError: nothing that can be used, until `deadline`.
    """
    identity = str(next(_numbers))
    body, headers = question(windows, terms, identity)
    reply = connection.ask("POST", f"/v2/models/{target.model}/infer", deadline, body, headers, again=again)
    return answered(reply, terms, len(windows), identity)


def examine(
    target: Target, known: KnownAnswers, clock: Callable[[], float] = time.monotonic
) -> tuple[Terms, str]:
    """Return how a fleet is to be asked for the model, and the version that it has of it.

    Raises:
        RemoteError: it does not answer, or not as the model does, or not in time.
    """
    connection = Connection(target, clock)
    try:
        terms = _terms(connection, target, known.manifest, clock)
        terms = _compared(connection, target, terms, known, clock)
        version = _timed(connection, target, terms, known, clock)
    finally:
        connection.close()
    log.info(
        "remote: %s answers for %s as it should, %s, up to %d windows a call",
        target.address,
        target.model,
        "binary" if terms.binary else "JSON",
        terms.most,
    )
    return terms, version


def _terms(connection: Connection, target: Target, manifest: Manifest, clock: Callable[[], float]) -> Terms:
    def get(path: str) -> Any:
        return connection.ask("GET", path, clock() + EXAMINED_S)

    about = get("/v2")
    server = {} if about.status == NOT_FOUND else read_json(about)  # where a gateway shows models alone
    described = get(f"/v2/models/{target.model}")
    if described.status == NOT_FOUND:
        raise RemoteError(
            f"{target.address} has no model {target.model}",
            f"Put it there: `flask --app wsgi model export --model {target.model} --to triton` writes it",
            grave=True,
        )
    config = get(f"/v2/models/{target.model}/config")
    settled = read_json(config) if config.status == 200 else None
    terms = terms_of(read_json(described), settled, manifest, binary=True)
    extensions = server.get("extensions") if isinstance(server, dict) else None
    if isinstance(extensions, list) and BINARY in extensions:
        return terms
    return _tried_binary(connection, target, terms, manifest, clock)


def _tried_binary(
    connection: Connection, target: Target, terms: Terms, manifest: Manifest, clock: Callable[[], float]
) -> Terms:
    """Return the same with JSON, where a server that does not say so takes no binary tensors (some do not say)."""
    window = np.zeros((1, manifest.reads, manifest.channels), np.float32)
    try:
        ask(connection, target, terms, window, clock() + EXAMINED_S)
    except RemoteError:
        return replace(terms, binary=False, most=min(terms.most, MOST_JSON))
    return terms


def _compared(
    connection: Connection, target: Target, terms: Terms, known: KnownAnswers, clock: Callable[[], float]
) -> Terms:
    """Return the terms, where answers to one window and to the largest batch are those that are known."""
    for size in sorted({1, terms.most}):
        rows = [at % len(known.windows) for at in range(size)]
        found = ask(connection, target, terms, known.windows[rows], clock() + EXAMINED_S)
        trouble = known.trouble(rows, found.output)
        if trouble is not None:
            raise RemoteError(f"{trouble}, in a batch of {size}", _OTHERWISE, grave=True)
    return terms


def _timed(
    connection: Connection, target: Target, terms: Terms, known: KnownAnswers, clock: Callable[[], float]
) -> str:
    """Return the version that the answers name, where one of TIMED comes in time."""
    took = []
    for _ in range(TIMED):
        began = clock()
        found = ask(connection, target, terms, known.windows[:1], began + EXAMINED_S)
        took.append(clock() - began)
        if took[-1] <= target.timeout_s:
            return found.version
    raise RemoteError(
        f"it takes {min(took) * 1e3:.0f} ms for one window, and EMG_OIP_TIMEOUT is {target.timeout_s * 1e3:g} ms",
        "See how busy it is, or raise EMG_OIP_TIMEOUT",
        late=True,
    )
