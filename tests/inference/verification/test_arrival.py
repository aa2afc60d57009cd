"""Zips that somebody sends: taken apart without trusting a byte, and nothing outside their folder is touched."""

from __future__ import annotations

import io
import stat
import zipfile
from collections.abc import Iterable
from pathlib import Path

import pytest

from app.errors import ArtefactError
from app.inference import artefact
from app.inference.verification import archive
from app.inference.verification.archive import pack
from app.inference.verification.arrival import arrived
from tests.inference.artefacts import make_artefact
from tests.inference.foreign_models import draft, foreign, golden, graph

Entry = tuple[str | zipfile.ZipInfo, bytes]


def zipped(entries: Iterable[Entry], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as made:
        for name, content in entries:
            made.writestr(name, content)
    return file.getvalue()


def files_of(folder: Path) -> list[Entry]:
    return [(str(p.relative_to(folder)), p.read_bytes()) for p in sorted(folder.rglob("*")) if p.is_file()]


@pytest.fixture
def tiny(tmp_path: Path) -> list[Entry]:
    """The files of a sound model."""
    return files_of(make_artefact(tmp_path / "tiny").path)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    folder = tmp_path / "aside"
    folder.mkdir()
    return folder / "model.zip"


def take(place: Path, content: bytes) -> artefact.Artefact:
    place.write_bytes(content)
    return arrived(place).artefact


def test_a_models_archive_is_what_is_taken_in(tmp_path: Path, place: Path) -> None:
    one = make_artefact(tmp_path / "tiny", files={"folds/fold0.safetensors": _weights(tmp_path)})
    (one.path / "README.md").write_text("a card")
    first, again = io.BytesIO(), io.BytesIO()
    for file in (first, again):
        pack(one, file)

    kept = take(place, first.getvalue())

    assert first.getvalue() == again.getvalue()
    assert (kept.sha256, kept.path.name) == (one.sha256, "tiny")
    assert (kept.path / "README.md").read_text() == "a card"
    assert kept.manifest.files.keys() == {"weights.safetensors", "folds/fold0.safetensors"}


def test_somebodys_own_graph_comes_with_a_draft_and_golden_vectors(place: Path) -> None:
    content = zipped(
        [("manifest.json", draft()), ("model.onnx", graph().SerializeToString()), ("golden.npz", golden())]
    )

    kept = take(place, content)

    assert (kept.manifest.name, kept.manifest.architecture) == ("mine", "onnx")
    assert kept.manifest.files.keys() == {"model.onnx", "golden.npz"}


def test_a_draft_alone_says_what_is_missing(place: Path) -> None:
    with pytest.raises(ArtefactError, match=r"the zip lacks golden.npz, model.onnx: with .* and golden.npz$"):
        take(place, zipped([("manifest.json", draft())]))


def link(name: str, target: str) -> Entry:
    entry = zipfile.ZipInfo(name)
    entry.external_attr = (stat.S_IFLNK | 0o777) << 16
    return entry, target.encode()


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (("../evil.safetensors", b"x"), r"'../evil.safetensors' cannot be a file of a model"),
        (("/etc/evil", b"x"), r"'/etc/evil' cannot be a file of a model"),
        (("a/../../evil", b"x"), r"cannot be a file of a model"),
        (("..\\evil", b"x"), r"cannot be a file of a model"),
        (("C:evil", b"x"), r"cannot be a file of a model"),
        ((".hidden", b"x"), r"'.hidden' cannot be a file of a model"),
        (link("README.md", "/etc/passwd"), r"'README.md' is a link or a device; a model has files only"),
        (("folds/manifest.json", b"{}"), r"'folds/manifest.json' twice or another manifest"),
        (("Manifest.json", b"{}"), r"twice or another manifest"),
        (("notes.txt", b"x"), r"the zip holds 'notes.txt', which its manifest.json does not name"),
        (("weights.pkl", b"cos\nsystem\n"), r"the zip holds 'weights.pkl', which its manifest.json"),
        (("model.onnx", graph().SerializeToString()), r"the zip holds 'model.onnx', which its manifest"),
    ],
)
def test_what_no_model_has_is_refused(
    tmp_path: Path, tiny: list[Entry], place: Path, more: Entry, says: str
) -> None:
    before = {path for path in tmp_path.rglob("*") if "aside" not in path.parts}

    with pytest.raises(ArtefactError, match=says):
        take(place, zipped([*tiny, more]))
    assert {path for path in tmp_path.rglob("*") if "aside" not in path.parts} == before


def test_two_manifests_are_refused(tiny: list[Entry], place: Path) -> None:
    with pytest.warns(UserWarning, match="Duplicate name"):
        content = zipped([*tiny, ("manifest.json", b"{}")])
    with pytest.raises(ArtefactError, match=r"'manifest.json' twice"):
        take(place, content)


def test_a_folder_in_the_zip_is_told_how_it_would_be_right(tiny: list[Entry], place: Path) -> None:
    nested = [(f"tiny/{name}", content) for name, content in tiny]

    with pytest.raises(
        ArtefactError, match=r"'tiny/manifest.json': zip the files of the model's folder, not"
    ):
        take(place, zipped(nested))


def test_a_bomb_is_counted_and_not_believed(
    tiny: list[Entry], place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive, "MOST_BYTES", 1 << 20)
    content = zipped([*tiny, ("model.onnx", bytes(1 << 22))])
    assert len(content) < 1 << 16

    with pytest.raises(ArtefactError, match="the files of the zip are larger than 1 MiB together"):
        take(place, content)


def test_ten_thousand_files_are_refused_before_one_is_written(tiny: list[Entry], place: Path) -> None:
    with pytest.raises(ArtefactError, match=r"the zip holds 300[0-9] files; a model has at most 256"):
        take(place, zipped([*tiny, *((f"f{k}", b"") for k in range(3000))]))
    assert not place.with_name("unpacked").exists()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "it is damaged or no zip"),
        (b"PK\x03\x04 no more", "it is damaged or no zip"),
        (zipped([("model.onnx", b"x")]), r"the zip holds no manifest.json; it has \['model.onnx'\]"),
        (zipped([("manifest.json", b"[1]")]), "the manifest must be an object"),
        (zipped([("manifest.json", b"\xff")]), "it is not JSON"),
        (
            zipped([("manifest.json", b"{}")], zipfile.ZIP_LZMA),
            "packed in a way that is not taken; use deflate",
        ),
    ],
)
def test_what_is_no_model_at_all_is_refused(place: Path, content: bytes, says: str) -> None:
    with pytest.raises(ArtefactError, match=says) as refused:
        take(place, content)
    assert "\n" not in str(refused.value)


def test_a_zip_that_was_cut_or_changed_on_its_way_is_refused(tiny: list[Entry], place: Path) -> None:
    content = bytearray(zipped(tiny, zipfile.ZIP_STORED))
    content[len(content) // 2] ^= 0xFF

    with pytest.raises(ArtefactError, match=r"it is damaged or no zip: .*Bad CRC-32"):
        take(place, bytes(content))


def test_weights_that_are_not_those_of_the_manifest_are_refused(tiny: list[Entry], place: Path) -> None:
    changed = [(name, content if name == "manifest.json" else b"other") for name, content in tiny]

    with pytest.raises(ArtefactError, match=r"is not the file that manifest.json names"):
        take(place, zipped(changed))


def test_a_foreign_model_that_went_out_comes_in(tmp_path: Path, place: Path) -> None:
    one, file = foreign(tmp_path), io.BytesIO()
    pack(one, file)

    assert take(place, file.getvalue()).sha256 == one.sha256


def _weights(tmp_path: Path) -> bytes:
    return (make_artefact(tmp_path / "fold").path / "weights.safetensors").read_bytes()
