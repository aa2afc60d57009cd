"""Files made to hurt whoever opens them: each is refused for what it is, with little memory and time (limited.py)."""

from __future__ import annotations

import io
import pickle
import re
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.limited import refuse

GIB = 2**30


def refusal(reader: str, path: Path) -> str:
    """What a process of its own, with limits, refuses the file with."""
    refused, said = refuse(reader, path)
    assert refused, said
    assert "MemoryError" not in said, "it was refused by the limit, not by the reader"
    assert "\n" not in said, said
    return said


def npy(header: str, values: bytes = b"") -> bytes:
    text = header.encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + values


def described(shape: str, descr: str = "'<f4'", fortran: bool = False) -> str:
    return f"{{'descr': {descr}, 'fortran_order': {fortran}, 'shape': {shape}, }}"


class Trap:
    """Unpickled, it would leave a file behind."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return Path.touch, (self.path,)


NPY = {
    "a header of 2 GiB": (b"\x93NUMPY\x02\x00" + (2 * GIB).to_bytes(4, "little") + b"{" * 100, "not a .npy"),
    "a header of 60 kB": (npy(described("(1,)") + " " * 60_000), "not a .npy"),
    "a nested header": (npy("(" * 4000), "not a .npy"),
    "a header that calls": (npy("__import__('os').abort()"), "not a .npy"),
    "a negative side": (npy(described("(-1, 4)"), b"0" * 16), r"says float32 \(-1, 4\)"),
    "a shape that overflows": (npy(described(f"({2**62}, 4)"), b"0" * 16), "says float32"),
    "a shape of huge numbers": (npy(described(f"({10**100}, 4)"), b"0" * 16), "says float32"),
    "a shape of 4 TiB": (npy(described(f"({2**40}, 1)"), b"0" * 16), "16 bytes follow"),
    "Fortran order of another size": (npy(described("(4, 4)", fortran=True), b"0" * 16), "16 bytes follow"),
    "objects": (npy(described("(1,)", "'|O'"), b"0" * 8), "holds object"),
    "records of 512 MiB": (npy(described("(1,)", f"[('a', '<f4', {2**27})]")), "it must be numbers"),
    "a text of 2 GiB": (npy(described("(1,)", f"'<U{2**29}'")), "holds <U|not a .npy"),
}


@pytest.mark.parametrize("name", NPY)
def test_a_hostile_npy_is_refused(tmp_path: Path, name: str) -> None:
    content, complaint = NPY[name]
    path = tmp_path / "hostile.npy"
    path.write_bytes(content)
    expect(refusal("npy", path), complaint)


def test_a_pickle_in_an_npy_is_not_unpickled(tmp_path: Path) -> None:
    trap = tmp_path / "sprung"
    path = tmp_path / "hostile.npy"
    path.write_bytes(npy(described("(1,)", "'|O'"), pickle.dumps(Trap(trap))))
    expect(refusal("npy", path), "holds object")
    assert not trap.exists()


def zipped(*members: tuple[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return file.getvalue()


def with_size(archive: bytes, size: int) -> bytes:
    """The directory says so of its first member."""
    at = archive.index(b"PK\x01\x02")
    return archive[: at + 24] + struct.pack("<I", size) + archive[at + 28 :]


def matlab(*elements: bytes) -> bytes:
    return b"MATLAB 5.0 MAT-file".ljust(124) + b"\x00\x01IM" + b"".join(elements)


def variable(shape: tuple[int, int], kind: int = 7, name: bytes = b"emg") -> bytes:
    """Of class single by default, without its values."""
    flags = struct.pack("<IIII", 6, 8, kind, 0)
    dims = struct.pack("<IIii", 5, 8, *shape)
    return flags + dims + struct.pack("<II", 1, len(name)) + name.ljust(8, b"\0")


def compressed(declared: int, head: bytes, zeros: int) -> bytes:
    """An element that says `declared` bytes and unpacks to `zeros` zeros behind its head."""
    packer = zlib.compressobj(9)
    packed = packer.compress(struct.pack("<II", 14, declared) + head)
    packed += b"".join(packer.compress(bytes(2**20)) for _ in range(zeros >> 20)) + packer.flush()
    return struct.pack("<II", 15, len(packed)) + packed


BOMB = 192 * 2**20  # bytes; twice what limited.py spares
RECORDINGS = {
    "pickle.npz": (
        lambda: zipped(("emg.npy", npy(described("(1,)", "'|O'"), pickle.dumps(1)))),
        "pickled objects",
    ),
    "declares 4 GiB.npz": (lambda: with_size(zipped(("emg.npy", b"0" * 9)), 2**32 - 2), "is no array"),
    "unpacks to more than it says.npz": (
        lambda: with_size(zipped(("emg.npy", npy(described(f"({BOMB // 4}, 1)")) + bytes(BOMB))), 256),
        "is damaged",
    ),
    "a shape of 4 TiB.npz": (lambda: zipped(("emg.npy", npy(described(f"({2**40}, 1)")))), "is damaged"),
    "a negative side.npz": (lambda: zipped(("emg.npy", npy(described("(-5, 4)")))), "is damaged"),
    "zeros without a header.npz": (lambda: zipped(("emg.npy", bytes(BOMB))), "is no array"),
    "an archive in an archive.npz": (
        lambda: zipped(("emg.npy", zipped(("emg.npy", bytes(BOMB)))), ("x.npz", bytes(64))),
        "is no array",
    ),
    "ten thousand members.npz": (lambda: zipped(*((f"m{k}.npy", b"") for k in range(10_000))), "emg"),
    "a bomb beside a small shape.mat": (
        lambda: matlab(compressed(BOMB, variable((10, 4)), BOMB)),
        "is damaged",
    ),
    "a bomb of another size.mat": (lambda: matlab(compressed(100, variable((10, 4)), BOMB)), "is damaged"),
    "a bomb without a variable.mat": (lambda: matlab(compressed(BOMB, b"", BOMB)), "is damaged"),
    "declares 4 GiB.mat": (
        lambda: matlab(struct.pack("<II", 14, 2**32 - 1) + variable((1, 1))),
        "is damaged",
    ),
    "a shape of 16 EiB.mat": (
        lambda: matlab(compressed(64, variable((2**31 - 1, 2**31 - 1)), 0)),
        "would unpack|is damaged",
    ),
    "a negative side.mat": (lambda: matlab(compressed(48, variable((-1, 4)), 0)), r"\(-1, 4\)"),
}


@pytest.mark.parametrize("name", RECORDINGS)
def test_a_hostile_recording_is_refused(tmp_path: Path, name: str) -> None:
    make, complaint = RECORDINGS[name]
    path = tmp_path / name
    path.write_bytes(make())
    expect(refusal("recording", path), complaint)


def tensors(header: bytes, length: int | None = None) -> bytes:
    return struct.pack("<Q", len(header) if length is None else length) + header


OVERLAPPING = (
    b'{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},'
    b'"b":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}}'
)
TENSORS = {
    "a header of 2**60 bytes": tensors(b"{}", 2**60),
    "a header of 100 MB": tensors(b"{}" + b" " * 40_000_000),
    "a deep header": tensors(b'{"a":' * 100_000),
    "overlapping tensors": tensors(OVERLAPPING) + bytes(12),
    "a tensor behind the end": tensors(
        b'{"a":{"dtype":"F32","shape":[1073741824],"data_offsets":[0,4294967296]}}'
    ),
}


@pytest.mark.parametrize("name", TENSORS)
def test_hostile_weights_are_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / "weights.safetensors"
    path.write_bytes(TENSORS[name])
    expect(refusal("tensors", path), "is cut short|is damaged")


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        pytest.param(b" " * 100_000_000, "is larger than", id="100 MB"),
        pytest.param(b"[" * 1_000_000, "nested too deeply", id="nested"),
        pytest.param(b'{"a":' * 200_000, "nested too deeply", id="objects"),
        pytest.param(b"9" * 1_000_000, "digits", id="digits"),
    ],
)
def test_a_hostile_manifest_is_refused(tmp_path: Path, content: bytes, complaint: str) -> None:
    path = tmp_path / "manifest.json"
    path.write_bytes(content)
    expect(refusal("artefact", path), complaint)


def test_sound_files_pass_the_same_limits(tmp_path: Path) -> None:
    """So it is not the limits that refuse."""
    path = tmp_path / "sound.npy"
    np.save(path, np.zeros((200, 16), np.float32))
    with pytest.raises(AssertionError, match="it was read"):
        refusal("npy", path)


def expect(text: str, complaint: str) -> None:
    assert re.search(complaint, text), text
