"""Golden vectors: windows and what the author's own program makes of them. They are what vouches for such a model.

`golden.npz` holds `emg` (n, samples, channels), windows as they come to the server: filtered, in the manifest's units,
not normalised, time before channels whatever the graph's layout; and `output` (n, classes or values), what the graph
is to give.
So normalisation and layout are proven with it.
"""

from __future__ import annotations

import io
import math
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

import numpy as np
import numpy.typing as npt

from app.errors import ArtefactError, BackendUnavailableError
from app.inference.artefact import Artefact
from app.inference.backend import Batch
from app.inference.manifest import Manifest, shown
from app.inference.outputs import PROBABILITIES, VALUES
from app.inference.prediction import normalise

GOLDEN = "golden.npz"
LEAST, MOST = 2, 1024  # windows
MAX_BYTES = 64 << 20  # of one array
ALLOWED = (
    1e-3  # of a probability, the largest logit or a value's range: float32 here, float64 with many authors
)

_OF = {PROBABILITIES: "a probability", VALUES: "a value's range"}  # what a difference is a share of

Floats = npt.NDArray[np.float32]


class RawBackend(Protocol):
    """What runs the graph."""

    name: str

    def raw(self, batch: Batch) -> Floats:
        """Return the graph's output (batch, classes) of normalised windows."""


@dataclass(frozen=True, slots=True, eq=False)
class Golden:
    """Windows as they come, and what is to come of them."""

    emg: Floats  # (n, samples, channels)
    output: Floats  # (n, classes or values)


def read(path: Path, manifest: Manifest) -> Golden:
    """Read golden vectors without trusting them; nothing in the file is ever executed.

    Raises:
        ArtefactError: they are damaged, or not of that model; says what would be right.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(path.read_bytes())) as archive:
            golden = Golden(_array(archive, "emg", 3), _array(archive, "output", 2))
    except ArtefactError as error:
        raise ArtefactError(f"{GOLDEN}: {error}") from None
    except (
        OSError,
        ValueError,
        KeyError,
        zipfile.BadZipFile,
        NotImplementedError,
        EOFError,
        RuntimeError,
    ) as error:
        raise ArtefactError(f"{GOLDEN} is damaged or no .npz: {shown(str(error))}") from None
    except Exception as error:  # zlib.error, and whatever else a damaged archive makes of itself
        raise ArtefactError(f"{GOLDEN} is damaged: {shown(str(error))}") from None
    _expect(golden, manifest)
    return golden


def _array(archive: zipfile.ZipFile, name: str, dimensions: int) -> Floats:
    entry = f"{name}.npy"
    if entry not in archive.namelist():
        raise ArtefactError(
            f"it has no array {name}; np.savez({GOLDEN!r}, emg=windows, output=answers) makes it"
        )
    with archive.open(entry) as file:
        shape, dtype = _header(file, name)
        if len(shape) != dimensions:
            raise ArtefactError(f"{name} must have {dimensions} dimensions, got {shown(shape)}")
        size = math.prod(shape) * dtype.itemsize
        if size > MAX_BYTES:
            raise ArtefactError(f"{name} is larger than {MAX_BYTES} bytes")
        content = file.read(size + 1)
    if len(content) != size:
        raise ArtefactError(f"{name} has {len(content)} bytes where its header says {size}")
    with np.errstate(over="ignore"):  # infinity is refused with the rest
        values = np.frombuffer(content, dtype).reshape(shape).astype(np.float32)
    if not np.isfinite(values).all():
        raise ArtefactError(f"{name} holds NaN or infinity")
    return values


def _header(file: IO[bytes], name: str) -> tuple[tuple[int, ...], np.dtype[np.generic]]:
    """Return shape and type; numbers in the order of rows only, and never objects, which are pickles."""
    version = np.lib.format.read_magic(file)
    reader = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    if version not in reader:
        raise ArtefactError(f"{name} is in a version of .npy that is not read: {shown(version)}")
    shape, by_columns, dtype = reader[version](file)
    if dtype.hasobject or dtype.kind != "f":
        raise ArtefactError(f"{name} must be float32 or float64, got {shown(str(dtype))}")
    if by_columns:
        raise ArtefactError(f"{name} is in Fortran order; save np.ascontiguousarray of it")
    return shape, dtype


def _expect(golden: Golden, manifest: Manifest) -> None:
    windows, wanted = len(golden.emg), (manifest.reads, manifest.channels)
    if golden.emg.shape[1:] != wanted:
        said = f"(n, {wanted[0]}, {wanted[1]}), time before channels whatever the graph's layout"
        raise ArtefactError(f"{GOLDEN}: emg must be {said}, got {shown(golden.emg.shape)}")
    if golden.output.shape != (windows, len(manifest.columns)):
        of = "value" if manifest.gives_values else "class"
        said = f"({windows}, {len(manifest.columns)}), a row for each window and a column for each {of}"
        raise ArtefactError(f"{GOLDEN}: output must be {said}, got {shown(golden.output.shape)}")
    if not LEAST <= windows <= MOST:
        raise ArtefactError(f"{GOLDEN}: it must hold {LEAST} to {MOST} windows, got {windows}")


def difference(golden: Golden, given: Floats, manifest: Manifest) -> float:
    """Return the largest difference: of a probability, or as a share of `scale`. NaN where one is."""
    return float((np.abs(given - golden.output) / scale(golden.output, manifest)).max())


def scale(output: Floats, manifest: Manifest) -> Floats:
    """Return what differences of each column are shares of: a value's range, or the largest logit."""
    if manifest.gives_values:
        return np.array([value.high - value.low for value in manifest.outputs.values], np.float32)
    largest = 1.0 if manifest.outputs.kind == PROBABILITIES else max(float(np.abs(output).max()), 1e-12)
    return np.full(output.shape[1], largest, np.float32)


def answers(backend: RawBackend, golden: Golden, manifest: Manifest) -> Floats:
    """Return what a backend gives for the golden windows (n, classes or values)."""
    return backend.raw(normalise(golden.emg, manifest.mean, manifest.std))


def expect_agreement(backend: RawBackend, artefact: Artefact) -> float:
    """Return by how much the backend's answers differ from the golden ones.

    Raises:
        ArtefactError: the golden vectors are damaged.
        BackendUnavailableError: the answers are others.
    """
    manifest = artefact.manifest
    golden = read(artefact.file(GOLDEN), manifest)
    found = difference(golden, answers(backend, golden, manifest), manifest)
    if not found <= ALLOWED:
        of = _OF.get(manifest.outputs.kind, "the largest output")
        reason = f"its answers differ from the golden vectors of {manifest.name} by {found:.2g} of {of}"
        cure = (
            f"{ALLOWED:g} is allowed; see that the manifest's normalisation, layout and outputs are those of the "
            "graph, that the network was exported in eval mode, and that emg in golden.npz is not normalised yet"
        )
        raise BackendUnavailableError(backend.name, reason, cure)
    return found
