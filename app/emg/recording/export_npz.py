"""From a recording's own form to the `.npz` that everything here reads (`recordings.py`, `model train`)."""

from __future__ import annotations

import re
import secrets
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from app.emg.auxiliary import AuxChunk, AuxStream
from app.emg.recording.contents import Contents, opened
from app.emg.recording.header import Imported

PIECE_BYTES = 2**20
_AUX_ENDS = ("", "_at", "_fs", "_channels", "_units")


@dataclass(frozen=True, slots=True)
class Summary:
    """What was exported, in numbers."""

    samples: int
    seconds: float
    gaps: int
    lost_samples: int
    labelled_seconds: dict[str, float]


@dataclass(frozen=True, slots=True)
class Column:
    """An array that is made piece by piece."""

    dtype: str
    shape: tuple[int, ...]
    pieces: Callable[[], Iterable[npt.NDArray[Any]]]


def write_npz(root: Path, name: str, target: Path, *, refined: bool = True) -> Summary:
    """Write the recording to `target`, which is there in full or not at all.

    With `refined`, what a training has found of its labels is in it too.

    Samples and columns go from log to file piece by piece: an hour needs no more memory than a minute.

    Raises:
        DataError: there is no such recording, or it holds no sample.
        OSError: the target cannot be written.
    """
    with (
        opened(root, name) as held,
        replacing(target) as part,
        zipfile.ZipFile(part, "w", zipfile.ZIP_STORED, allowZip64=True) as file,
    ):
        columns = {**_columns(held), **(_refined_columns(held) if refined else {})}
        for key, column in columns.items():
            with file.open(f"{key}.npy", "w", force_zip64=True) as member:
                _write_column(member, column)
        arrays = {**_arrays(held), **(_refined_arrays(held) if refined else {})}
        for key, array in arrays.items():
            with file.open(f"{key}.npy", "w") as member:
                np.lib.format.write_array(member, np.asarray(array), version=(1, 0), allow_pickle=False)
        return summary_of(held)


def summary_of(held: Contents) -> Summary:
    """Return what a recording holds, in numbers."""
    rate = held.header.sampling_rate
    labelled = {label: round(count / rate, 3) for label, count in held.labelled_samples().items()}
    return Summary(held.samples, held.seconds, held.gaps, held.lost_samples, labelled)


@contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """Yield the path of a new file beside `target` that takes its place, unless the block fails.

    Nobody can guess its name, and plant a link there to a file that would then be written.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.{secrets.token_hex(8)}.part")
    part.open("xb").close()
    try:
        yield part
        part.replace(target)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def _write_column(file: IO[bytes], column: Column) -> None:
    """In small pieces: numpy's own 16 MiB at a time hold the interpreter, and every stream with it, for 30 ms."""
    about = {"descr": column.dtype, "fortran_order": False, "shape": column.shape}
    np.lib.format.write_array_header_1_0(file, about)
    for piece in column.pieces():
        content = np.ascontiguousarray(piece, column.dtype).reshape(-1).view(np.uint8)
        for begin in range(0, len(content), PIECE_BYTES):
            file.write(content[begin : begin + PIECE_BYTES].data)


def _columns(held: Contents) -> dict[str, Column]:
    n, judged = held.samples, held.predictions

    def of_rows(name: str, dtype: str) -> Column:
        return Column(dtype, (n,), lambda: (getattr(rows, name) for rows in held.rows()))

    def of_predictions(name: str) -> Column:
        return Column(
            judged.dtype[name].str, (len(judged),), lambda: (piece[name] for piece in judged.pieces())
        )

    return {
        "emg": Column("<f4", (n, held.header.channels), lambda: (chunk.samples for chunk in held.chunks())),
        "label": of_rows("label", "<i2"),
        "repetition": of_rows("repetition", "<i2"),
        "session": Column("<i2", (n,), lambda: (np.ones(len(rows.label)) for rows in held.rows())),
        "recording": of_rows("segment", "<i2"),
        "sample_index": of_rows("sample_index", "<i8"),
        "source_label": of_rows("source_label", "<i2"),
        "gaps": Column("<i8", (held.gaps, 2), lambda: (gaps[:, :2] for gaps in held.gap_pieces())),
        "restarts": Column("<i8", (held.restarts,), lambda: (found[:, 0] for found in held.restart_pieces())),
        "prediction_sample_index": of_predictions("sample_index"),
        "prediction": of_predictions("prediction"),
        "confidence": of_predictions("confidence"),
        "decision": of_predictions("decision"),
        "prediction_model": of_predictions("model"),
        **_aux_columns(held),
    }


def _refined_columns(held: Contents) -> dict[str, Column]:
    """Return labels and repetitions as a training found them, and where each edge is; nothing where none has."""
    found, n = held.refined, held.samples
    if found is None:
        return {}

    def edges() -> Iterator[npt.NDArray[np.int64]]:
        """Yield (k, 2): the sample indices of a cue and of what the person did; -1 where nobody can tell."""
        rows = np.array([(cue, -1 if at is None else at) for cue, at in found.edges], np.int64).reshape(-1, 2)
        index = held.indices_of(rows[rows >= 0])
        rows[rows >= 0] = index
        yield rows

    return {
        "label_refined": Column("<i2", (n,), lambda: (label for label, _ in held.refined_rows())),
        "repetition_refined": Column("<i2", (n,), lambda: (number for _, number in held.refined_rows())),
        "edges": Column("<i8", (len(found.edges), 2), edges),
    }


def _refined_arrays(held: Contents) -> dict[str, Any]:
    found = held.refined
    if found is None:
        return {}
    return {"edges_model": np.array(found.model), "edges_model_sha256": np.array(found.sha256)}


def _aux_columns(held: Contents) -> dict[str, Column]:
    """Return samples and places of each auxiliary stream."""
    found: dict[str, Column] = {}
    for stream, (key, about) in enumerate(zip(aux_keys(held.header.aux), held.header.aux, strict=True)):
        n, chunks = held.aux_samples[stream], partial(held.aux_chunks, stream)
        found[key] = Column("<f4", (n, about.channels), partial(_aux_samples, chunks))
        found[f"{key}_at"] = Column("<f8", (n,), partial(_aux_places, held, chunks))
    return found


def _aux_samples(chunks: Callable[[], Iterable[AuxChunk]]) -> Iterator[npt.NDArray[Any]]:
    return (chunk.samples for chunk in chunks())


def _aux_places(held: Contents, chunks: Callable[[], Iterable[AuxChunk]]) -> Iterator[npt.NDArray[Any]]:
    return (held.aux_places(chunk) for chunk in chunks())


def aux_keys(streams: Sequence[AuxStream]) -> list[str]:
    """Return what the arrays of each stream are called: `aux_<name>`, with `_at`, `_fs`, `_channels` and `_units`."""
    taken = {"aux_names"}
    keys = []
    for stream in streams:
        plain = "aux_" + (re.sub(r"[^0-9A-Za-z]+", "_", stream.name).strip("_")[:40] or "stream")
        numbered = (plain if k == 1 else f"{plain}_{k}" for k in count(1))
        key = next(key for key in numbered if taken.isdisjoint(f"{key}{end}" for end in _AUX_ENDS))
        taken.update(f"{key}{end}" for end in _AUX_ENDS)
        keys.append(key)
    return keys


def _arrays(held: Contents) -> Mapping[str, Any]:
    header = held.header
    models = held.models
    return {
        "fs": np.float64(header.sampling_rate),
        "gesture_names": np.array(held.gesture_names),
        "subject": np.array(header.subject or header.name),
        "units": np.array(header.units),
        "source": np.array(header.source),
        "source_gesture_names": np.array(header.gesture_names or ("",)),
        "started_at": np.float64(header.started_at),
        "model": np.array((models.names or [""])[0]),
        "model_sha256": np.array((models.sha256 or [""])[0]),
        "model_classes": np.array(models.classes or [""]),
        "model_values": np.array((header.model.values if header.model else ()) or ("",)),
        "models": np.array(models.names or [""]),
        "models_sha256": np.array(models.sha256 or [""]),
        "model_changes": np.array(models.changes, np.int64).reshape(-1, 2),
        "channel_names": np.array(header.names),
        **_aux_arrays(header.aux),
        **({} if header.imported is None else _import_arrays(header.imported)),
    }


def _aux_arrays(streams: Sequence[AuxStream]) -> dict[str, Any]:
    found: dict[str, Any] = {"aux_names": np.array([stream.name for stream in streams] or [""])}
    for key, stream in zip(aux_keys(streams), streams, strict=True):
        found[f"{key}_fs"] = np.float64(stream.sampling_rate)
        found[f"{key}_channels"] = np.array(stream.channel_names)
        found[f"{key}_units"] = np.array(stream.units)
    return found


def _import_arrays(imported: Imported) -> dict[str, Any]:
    return {
        "imported_format": np.array(imported.format),
        "imported_files": np.array(imported.files),
        "imported_sha256": np.array(imported.sha256),
        "imported_found": np.array(imported.found or ("",)),
        "imported_assumed": np.array(imported.assumed or ("",)),
    }
