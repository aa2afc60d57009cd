"""Plan files and their side files: written whole, read without trust."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from app.errors import ArtefactError
from app.inference.tensorrt.plan import PlanNote, cache_path, read_note, side_path, write, write_atomically

NOTE = PlanNote(
    flavour="tensorrt",
    version="10.16.1.11",
    sm="8.9",
    gpu="NVIDIA Fake",
    precision="fp16",
    min_batch=1,
    opt_batch=8,
    max_batch=64,
    model="tiny",
    model_version="1.0.0",
    weights_sha256="ab" * 32,
    onnx="model.fp16.onnx",
    onnx_sha256="cd" * 32,
    plan_sha256="ef" * 32,
    built_at="2026-01-01T00:00:00+00:00",
)


@pytest.mark.parametrize(
    ("note", "name"),
    [
        (NOTE, "tiny.trt-10.16.1.11-sm89-fp16.plan"),
        (
            replace(NOTE, flavour="tensorrt_rtx", version="1.7.1.116", sm="portable", precision="int8"),
            "tiny.rtx-1.7.1.116-portable-int8.plan",
        ),
    ],
    ids=["tensorrt", "rtx"],
)
def test_the_file_name_says_what_the_plan_is_for(note: PlanNote, name: str) -> None:
    assert note.file_name == name


@pytest.mark.parametrize("gpu", ["NVIDIA Fake", None])
def test_what_is_written_is_read_again(tmp_path: Path, gpu: str | None) -> None:
    plan, note = tmp_path / "engines" / NOTE.file_name, replace(NOTE, gpu=gpu)

    write(plan, b"plan", note)

    assert read_note(plan) == note
    assert plan.read_bytes() == b"plan"
    assert sorted(plan.parent.iterdir()) == [plan, side_path(plan)]


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"old")

    with pytest.raises(TypeError):
        write_atomically(tmp_path / "file", "no bytes")  # type: ignore[arg-type]  # fails within the write

    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("file", b"old")]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"schema": 2}, "schema must be 1, got 2"),
        ({"flavour": "openvino"}, "flavour must be one of tensorrt, tensorrt_rtx"),
        ({"precision": "fp8"}, "precision must be one of fp32, fp16, int8"),
        ({"max_batch": 4}, "batches must be 1 <= min <= opt <= max"),
        ({"max_batch": 10**9}, "batches must be"),
        ({"max_batch": "64"}, "max_batch must be of type int"),
        ({"max_batch": True}, "max_batch must be of type int"),
        ({"model": None}, "model must be of type str"),
        ({"model": "a\nb"}, "model must be of type str"),
    ],
    ids=str,
)
def test_a_side_file_that_is_not_ours_is_refused_in_one_line(
    tmp_path: Path, change: dict[str, object], reason: str
) -> None:
    plan = tmp_path / "x.plan"
    write(plan, b"plan", NOTE)
    side_path(plan).write_text(json.dumps({**json.loads(side_path(plan).read_text()), **change}))

    with pytest.raises(ArtefactError, match=rf"x\.plan\.json: {reason}") as refusal:
        read_note(plan)

    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"{", "is not JSON"),
        (b"[]", "must be a JSON object"),
        (b"[" * 50_000, "JSON"),
        (b" " * 70_000, "larger"),
    ],
    ids=["cut", "list", "nested", "long"],
)
def test_what_is_no_side_file_is_refused_in_one_line(tmp_path: Path, text: bytes, reason: str) -> None:
    (tmp_path / "x.plan.json").write_bytes(text)

    with pytest.raises(ArtefactError, match=reason) as refusal:
        read_note(tmp_path / "x.plan")

    assert "\n" not in str(refusal.value)


def test_a_plan_without_a_side_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArtefactError, match=r"x\.plan\.json cannot be read: No such file"):
        read_note(tmp_path / "x.plan")


def test_compiled_kernels_are_kept_for_each_kind_of_gpu(tmp_path: Path) -> None:
    assert cache_path(tmp_path / "x.plan", "12.0") == tmp_path / "x.plan.sm120.cache"
