"""The model's folder: what is written can be read, what was touched is refused."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.errors import ArtefactError
from app.inference import artefact as artefacts
from app.inference.artefact import (
    Artefact,
    Parent,
    find,
    list_artefacts,
    load,
    save,
    save_child,
    weights_bytes,
)
from app.inference.manifest_json import MAX_BYTES, encode, parse
from app.inference.strength import Effort
from tests.inference.artefacts import make_artefact, make_manifest

WEIGHTS = {"head.weight": np.arange(6, dtype=np.float32).reshape(2, 3)}


def write(path: Path, files: dict[str, bytes] | None = None, **changes: Any) -> Artefact:
    """Write one, in place of what is there."""
    contents = {"weights.safetensors": weights_bytes(WEIGHTS), **(files or {})}
    return save(path, make_manifest(**changes), contents, replacing=True)


def edit(folder: Path, **changes: Any) -> None:
    path = folder / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_what_was_saved_is_loaded_again(tmp_path: Path) -> None:
    write(tmp_path / "tiny", {"folds/1.safetensors": b"fold"}, parent=Parent("origin", "0" * 64))

    loaded = load(tmp_path / "tiny")

    manifest, wanted = loaded.manifest, make_manifest()
    for field in (
        "name",
        "classes",
        "rest_class",
        "hyper_parameters",
        "steps",
        "rest_rms",
        "training",
        "units",
    ):
        assert getattr(manifest, field) == getattr(wanted, field), field
    np.testing.assert_array_equal(manifest.mean, wanted.mean)
    assert manifest.std.dtype == np.float32
    assert manifest.parent == Parent("origin", "0" * 64)
    assert loaded.file("folds/1.safetensors").read_bytes() == b"fold"
    np.testing.assert_array_equal(loaded.weights()["head.weight"], WEIGHTS["head.weight"])


EFFORT = {"weights": [1.0] * 4, "rest_rms": 1.0, "comfortable_rms": 4.0}
NOTCH = {"kind": "notch", "frequency_hz": 50, "q": 30}


@pytest.mark.parametrize(
    ("spec", "complaint"),
    [
        ({"kind": "highpass", "hz": 20}, r"input\.filters\[1\] takes exactly kind, low_hz, order, got"),
        ({"kind": "wavelet"}, r"input\.filters\[1\]\.kind must be one of bandpass, .*, got 'wavelet'"),
        ({"kind": ["notch"]}, r"input\.filters\[1\]\.kind must be one of"),
        ({"kind": "highpass", "order": 2, "low_hz": 100}, r"input\.filters\[1\]\.low_hz must be .* 100 Hz"),
        ({"kind": "highpass", "order": 2, "low_hz": 10**400}, r"input\.filters\[1\]\.low_hz must be"),
        ({"kind": "lowpass", "order": 2, "high_hz": 1e-9}, r"input\.filters\[1\]\.high_hz must be"),
        ({"kind": "notch", "frequency_hz": "mains", "q": 1e-3}, r"input\.filters\[1\]\.q must leave"),
    ],
    ids=["key", "kind", "kind of no text", "nyquist", "huge", "too slow", "wider than the band"],
)
def test_a_filter_that_cannot_be_built_is_refused_by_its_field(spec: dict[str, Any], complaint: str) -> None:
    """It came through, and whoever looked at the models' bands got a KeyError: `GET /models` a 500."""
    with pytest.raises(ArtefactError, match=complaint):
        make_manifest(filters=(NOTCH, spec))


def test_the_manifest_is_laid_out_for_people() -> None:
    layout = json.loads(encode(make_manifest(filters=(NOTCH,))))

    assert layout["input"] == {
        "channels": 4,
        "length": 20,
        "sampling_rate_hz": 200,
        "units": "uV",
        "filters": [NOTCH],
    }
    assert set(layout["normalisation"]) == {"mean", "std"}
    assert layout["schema"] == 1


def test_context_is_written_where_there_is_any_and_read_back(tmp_path: Path) -> None:
    write(tmp_path / "tiny", context=30)
    layout = json.loads((tmp_path / "tiny" / "manifest.json").read_text())

    assert layout["input"]["context"] == 30
    assert load(tmp_path / "tiny").manifest.context == 30
    assert load(tmp_path / "tiny").manifest.reads == 50
    assert make_manifest().reads == 20


@pytest.mark.parametrize("context", [-1, 100_000, 1.5, True, None])
def test_a_context_that_cannot_be_is_refused(tmp_path: Path, context: object) -> None:
    write(tmp_path / "tiny", context=30)
    layout = json.loads((tmp_path / "tiny" / "manifest.json").read_text())
    edit(tmp_path / "tiny", input={**layout["input"], "context": context})

    with pytest.raises(ArtefactError, match=r"input\.context must be"):
        load(tmp_path / "tiny")


def test_a_missing_folder_is_an_artefact_error(tmp_path: Path) -> None:
    with pytest.raises(ArtefactError, match=r"manifest\.json is missing"):
        load(tmp_path / "nowhere")


def test_a_file_that_changed_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "tiny", {"model.onnx": b"graph"})
    (tmp_path / "tiny" / "model.onnx").write_bytes(b"grapg")

    with pytest.raises(
        ArtefactError, match=r"model\.onnx is not the file that manifest\.json names.*Restore"
    ):
        load(tmp_path / "tiny")


def test_a_file_that_is_gone_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "tiny", {"model.onnx": b"graph"})
    (tmp_path / "tiny" / "model.onnx").unlink()

    with pytest.raises(ArtefactError, match=r"model\.onnx is missing"):
        load(tmp_path / "tiny")


@pytest.mark.parametrize(
    "name", ["../secret", "/etc/passwd", "a/../../b", "", ".", "C:\\x", "a\nb", ".hidden", "manifest.json"]
)
def test_no_file_outside_the_folder_can_be_named(tmp_path: Path, name: str) -> None:
    write(tmp_path / "tiny")
    files = json.loads((tmp_path / "tiny" / "manifest.json").read_text())["files"]
    edit(tmp_path / "tiny", files={**files, name: "0" * 64})

    with pytest.raises(ArtefactError, match="files must be names of files inside the folder"):
        load(tmp_path / "tiny")


def test_a_link_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "tiny", {"model.onnx": b"graph"})
    (tmp_path / "outside").write_bytes(b"graph")
    (tmp_path / "tiny" / "model.onnx").unlink()
    (tmp_path / "tiny" / "model.onnx").symlink_to(tmp_path / "outside")

    with pytest.raises(ArtefactError, match="leads out of the folder"):
        load(tmp_path / "tiny")


def test_a_link_that_leads_to_itself_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "tiny", {"model.onnx": b"graph"})
    (tmp_path / "tiny" / "model.onnx").unlink()
    (tmp_path / "tiny" / "model.onnx").symlink_to("model.onnx")

    with pytest.raises(ArtefactError, match=r"model\.onnx"):
        load(tmp_path / "tiny")


def test_a_pipe_in_place_of_a_file_is_refused_without_waiting_for_a_writer(tmp_path: Path) -> None:
    write(tmp_path / "tiny")
    (tmp_path / "tiny" / "manifest.json").unlink()
    os.mkfifo(tmp_path / "tiny" / "manifest.json")

    with pytest.raises(ArtefactError, match="is not a file"):
        load(tmp_path / "tiny")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"schema": 2}, "schema must be 1"),
        ({"name": "../x"}, "name must be"),
        ({"architecture": "lstm"}, "architecture must be one of tcn, spiking_tcn"),
        ({"steps": True}, "steps must be an integer"),
        ({"steps": 0}, "steps must be from 1"),
        ({"classes": ["rest", "rest"]}, "classes must be names that differ"),
        ({"classes": ["rest", 3]}, r"classes\[\] must be a text"),
        ({"classes": ["rest", "\ud800"]}, "classes must be short printable names"),
        ({"rest_class": "sleep"}, "rest_class must be one of rest, a, b"),
        ({"normalisation": {"mean": [0] * 4, "std": [1, 1, 1, 0]}}, r"normalisation\.std must be above 0"),
        (
            {"normalisation": {"mean": [0] * 3, "std": [1] * 4}},
            r"normalisation\.mean must be one number for each of the 4",
        ),
        ({"normalisation": {"mean": [1e300] * 4, "std": [1] * 4}}, r"normalisation\.mean must be finite"),
        ({"normalisation": {"mean": ["0"] * 4, "std": [1] * 4}}, r"normalisation\.mean\[\] must be a number"),
        ({"intensity": {"rest_rms": 2, "active_rms": 1}}, "0 <= rest_rms < active_rms"),
        ({"strength": {"a": {"weights": [1] * 4}}}, r"strength\.a\.rest_rms is missing"),
        ({"strength": {"a": {**EFFORT, "gain": 1}}}, r"strength\.a has 'gain'; it takes weights, rest_rms"),
        (
            {"strength": {"a": {**EFFORT, "weights": [1]}}},
            r"strength\.a\.weights must be one number for each",
        ),
        ({"strength": {"rest": EFFORT}}, "strength must be of classes other than rest_class, got 'rest'"),
        ({"strength": {"a": {**EFFORT, "rest_rms": 9}}}, "must be 0 <= rest_rms < comfortable_rms"),
        ({"outputs": {"kind": "values"}}, "outputs.values must be 1 to"),
        (
            {
                "outputs": {"kind": "values", "values": [{"name": "a", "low": 0, "high": 1}]},
                "classes": [],
                "rest_class": "",
            },
            "outputs.kind of tcn must be one of logits, got 'values'",
        ),
        ({"outputs": {"kind": "probabilities"}}, "outputs.kind of tcn must be one of logits"),
        ({"input": []}, "input must be an object"),
        ({"input": {}}, r"input\.channels is missing"),
        ({"files": {}}, r"files does not name weights\.safetensors"),
        ({"files": {"weights.safetensors": "abc"}}, "64 hexadecimal digits"),
        ({"files": {"a\nb": 1}}, r"files\['a\\nb'\] must be a text"),
        ({"parent": {"name": "x"}}, r"parent\.sha256 is missing"),
        ({"hyper_parameters": "x" * 500}, r"hyper_parameters must be an object, got 'x+\.\.\."),
    ],
    ids=lambda value: ",".join(value) if isinstance(value, dict) else "",
)
def test_a_hand_edited_value_is_named_with_what_it_must_be(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    write(tmp_path / "tiny")
    edit(tmp_path / "tiny", **changes)

    with pytest.raises(ArtefactError, match=message) as refusal:
        load(tmp_path / "tiny")

    assert "manifest.json" in str(refusal.value)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"\xff\xfe",
        b"null",
        b'{"schema": NaN}',
        b'{"schema": -Infinity}',
        b'{"schema": 1e999}',
        b'{"schema": 1, "schema": 1}',
        b"9" * 100_000,
        b"[" * 900_000,
        b'{"a":' * 150_000,
        b" " * (MAX_BYTES + 1),
    ],
    ids=[
        "empty",
        "binary",
        "null",
        "nan",
        "infinity",
        "overflow",
        "twice",
        "digits",
        "arrays",
        "objects",
        "huge",
    ],
)
def test_hostile_json_is_an_artefact_error(text: bytes) -> None:
    with pytest.raises(ArtefactError):
        parse(text)


T = TypeVar("T")


def refused_in_one_line_or(call: Callable[[], T]) -> T | None:
    """What `call` gives, or None after an ArtefactError of one line; any other exception fails the test."""
    with contextlib.suppress(ArtefactError):
        return call()
    with pytest.raises(ArtefactError) as refusal:
        call()
    assert "\n" not in str(refusal.value)
    return None


JUNK: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)


def spots(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path] * bool(path) + [spot for key, child in inner for spot in spots(child, (*path, key))]


LAYOUT = json.loads(
    encode(make_manifest(strength={"a": Effort(**EFFORT)}, filters=(NOTCH,), parent=Parent("p", "0" * 64)))
)


@given(spot=st.sampled_from(spots(LAYOUT)), junk=JUNK)
@settings(max_examples=300, deadline=None)
def test_a_manifest_with_any_value_replaced_is_read_or_refused_but_nothing_else(
    spot: tuple[Any, ...], junk: Any
) -> None:
    mutated = json.loads(json.dumps(LAYOUT))
    holder = mutated
    for key in spot[:-1]:
        holder = holder[key]
    holder[spot[-1]] = junk

    manifest = refused_in_one_line_or(lambda: parse(json.dumps(mutated).encode()))

    if manifest is not None:
        assert encode(parse(encode(manifest))) == encode(manifest)


@given(at=st.integers(0, len(encode(make_manifest())) - 1), byte=st.integers(0, 255))
@settings(max_examples=200, deadline=None)
def test_a_manifest_with_any_byte_replaced_is_read_or_refused_but_nothing_else(at: int, byte: int) -> None:
    text = bytearray(encode(make_manifest()))
    text[at] = byte

    refused_in_one_line_or(lambda: parse(bytes(text)))


def bomb(header: bytes) -> bytes:
    return len(header).to_bytes(8, "little") + header


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x01",
        (1 << 62).to_bytes(8, "little") + b"{}",
        weights_bytes(WEIGHTS)[:-4],
        weights_bytes(WEIGHTS)[:20],
        bomb(b"[" * 900_000),
        bomb(b"[]"),
        bomb(b'{"a":{"dtype":"F32","shape":[1000000,1000000],"data_offsets":[0,4]}}') + b"0000",
        bomb(b'{"a":{"dtype":"F32","shape":[18446744073709551615,2],"data_offsets":[0,4]}}') + b"0000",
        bomb(b'{"a":{"dtype":"BF16","shape":[2],"data_offsets":[0,4]}}') + b"0000",
        bomb(b'{"a":{"dtype":"F8_E8M0","shape":[4],"data_offsets":[0,4]}}') + b"0000",
    ],
    ids=["empty", "byte", "length", "tail", "header", "nested", "list", "shape", "overflow", "bf16", "f8"],
)
def test_a_damaged_weights_file_is_an_artefact_error(tmp_path: Path, content: bytes) -> None:
    saved = write(tmp_path / "tiny", {"folds/1.safetensors": content})

    with pytest.raises(ArtefactError, match=r"folds/1\.safetensors is (cut short|damaged)"):
        saved.weights("folds/1.safetensors")


@given(at=st.integers(0, 90), byte=st.integers(0, 255))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_weights_with_any_header_byte_replaced_are_read_or_refused_but_nothing_else(
    tmp_path: Path, at: int, byte: int
) -> None:
    content = bytearray(weights_bytes(WEIGHTS))
    content[at] = byte
    saved = write(tmp_path / "tiny", {"weights.safetensors": bytes(content)})

    refused_in_one_line_or(saved.weights)


def test_an_artefact_is_found_by_name_and_by_path(tmp_path: Path) -> None:
    write(tmp_path / "models" / "tiny")

    assert find("tiny", tmp_path / "models").manifest.name == "tiny"
    assert find(tmp_path / "models" / "tiny", tmp_path / "empty").manifest.name == "tiny"


@pytest.mark.parametrize(
    "name", ["unknown", "", "..", "a\0b", "x" * 5000, "~nobody-of-that-name/x", "two\nlines"]
)
def test_an_unknown_model_is_refused_with_the_list_of_those_there(tmp_path: Path, name: str) -> None:
    write(tmp_path / "one")
    write(tmp_path / "two")

    with pytest.raises(ArtefactError, match="one, two") as refusal:
        find(name, tmp_path)

    assert "\n" not in str(refusal.value)


def test_only_folders_with_a_manifest_are_listed(tmp_path: Path) -> None:
    write(tmp_path / "b")
    write(tmp_path / "a")
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("")

    assert list_artefacts(tmp_path) == ("a", "b")
    assert list_artefacts(tmp_path / "nowhere") == ()


def test_saving_again_replaces_the_whole_folder(tmp_path: Path) -> None:
    write(tmp_path / "tiny", {"model.onnx": b"old"})
    write(tmp_path / "tiny", version="2")

    assert load(tmp_path / "tiny").manifest.version == "2"
    assert not (tmp_path / "tiny" / "model.onnx").exists()
    assert [entry.name for entry in tmp_path.iterdir()] == ["tiny"]


@pytest.mark.parametrize(
    ("files", "changes"),
    [
        ({"../x": b""}, {}),
        ({"weights.safetensors": Path("nowhere")}, {}),
        ({}, {"metrics": {"accuracy": float("nan")}}),
        ({}, {"training": {"folder": Path()}}),
    ],
    ids=["path", "absent", "nan", "type"],
)
def test_a_refused_save_leaves_the_old_folder_and_nothing_else(
    tmp_path: Path, files: dict[str, Any], changes: dict[str, Any]
) -> None:
    before = write(tmp_path / "tiny").sha256

    with pytest.raises(ArtefactError):
        write(tmp_path / "tiny", files, version="2", **changes)

    assert load(tmp_path / "tiny").sha256 == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["tiny"]


def test_weights_are_a_must(tmp_path: Path) -> None:
    with pytest.raises(ArtefactError, match=r"weights\.safetensors"):
        save(tmp_path / "tiny", make_manifest(), {})

    assert list(tmp_path.iterdir()) == []


def test_a_rename_that_fails_brings_the_old_folder_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = write(tmp_path / "tiny").sha256
    rename = Path.rename

    def fails_to_put(self: Path, target: Path) -> Path:
        if target.name == "tiny" and (self / "new").exists():
            raise OSError("disk full")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", fails_to_put)
    with pytest.raises(ArtefactError, match="tiny cannot be written: disk full"):
        write(tmp_path / "tiny", {"new": b""})

    assert load(tmp_path / "tiny").sha256 == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["tiny"]


def test_a_folder_that_is_no_artefact_is_never_overwritten(tmp_path: Path) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter1.tex").write_text("years of work")

    with pytest.raises(ArtefactError, match="not a model's folder"):
        write(tmp_path / "thesis")

    assert (tmp_path / "thesis" / "chapter1.tex").read_text() == "years of work"


def test_a_child_names_its_parent_and_leaves_its_stale_graph_behind(tmp_path: Path) -> None:
    parent = write(tmp_path / "tiny", {"model.onnx": b"graph", "README.md": b"card"})

    child = save_child(
        parent,
        tmp_path / "mine",
        {"weights.safetensors": weights_bytes({"w": np.ones(1, np.float32)})},
        keep=["README.md"],
        name="mine",
        metrics={"balanced_accuracy": 0.9},
    )

    assert child.manifest.parent == Parent("tiny", parent.sha256)
    assert child.manifest.name == "mine"
    assert child.manifest.classes == parent.manifest.classes
    assert sorted(child.manifest.files) == ["README.md", "weights.safetensors"]
    assert load(tmp_path / "tiny").sha256 == parent.sha256


def test_a_file_the_manifest_does_not_name_is_not_given(tmp_path: Path) -> None:
    saved = write(tmp_path / "tiny")

    with pytest.raises(ArtefactError, match=r"has no 'model\.onnx'; it has weights\.safetensors"):
        saved.file("model.onnx")


def test_the_artefact_is_read_without_torch() -> None:
    code = f"import sys, {artefacts.__name__}; sys.exit('torch' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_new_model_is_for_its_owner_alone_and_another_for_whom_it_was(tmp_path: Path) -> None:
    """One is calibrated to a person; the shipped ones, trained anew, stay readable."""
    before = os.umask(0)
    try:
        model = make_artefact(tmp_path / "models" / "tiny", files={"folds/1.safetensors": weights_bytes({})})
        new = _modes(model.path)
        for path in (model.path, *model.path.rglob("*")):
            path.chmod(0o750 if path.is_dir() else 0o640)
        again = _modes(make_artefact(model.path).path)
    finally:
        os.umask(before)
    assert new == {0o700, 0o600}
    assert again == {0o750, 0o640}


def _modes(folder: Path) -> set[int]:
    return {path.stat().st_mode & 0o777 for path in (folder, *folder.rglob("*"))}
