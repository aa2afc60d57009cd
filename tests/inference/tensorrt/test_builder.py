"""Plans from graphs: for real with tensorrt_rtx, which needs no GPU, and with fakes for the other flavours."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest

from app.errors import ArtefactError, BackendUnavailableError
from app.inference.artefact import Artefact
from app.inference.tensorrt import flavour as tensorrt_flavour
from app.inference.tensorrt.builder import Batches, build
from app.inference.tensorrt.cuda_memory import gpu_here
from app.inference.tensorrt.engine import deserialise
from app.inference.tensorrt.flavour import Flavour
from tests.inference.artefacts import make_manifest
from tests.inference.covariance.models import values_model
from tests.inference.onnx.test_backend import with_graphs
from tests.inference.tensorrt_fakes import install


@pytest.fixture(scope="module")
def tcn(tmp_path_factory: pytest.TempPathFactory) -> Artefact:
    return with_graphs(tmp_path_factory.mktemp("tcn"), "tcn")


@pytest.fixture(scope="module")
def spiking(tmp_path_factory: pytest.TempPathFactory) -> Artefact:
    return with_graphs(tmp_path_factory.mktemp("spiking"), "spiking_tcn")


@pytest.fixture(scope="module")
def rtx() -> Flavour:
    pytest.importorskip("tensorrt_rtx", reason="tensorrt_rtx is not installed")
    return tensorrt_flavour.load("tensorrt_rtx")


def graph(artefact: Artefact, precision: str = "fp32") -> bytes:
    return artefact.file({"fp32": "model.onnx"}.get(precision, f"model.{precision}.onnx")).read_bytes()


@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
def test_every_precision_builds_without_a_gpu(rtx: Flavour, tcn: Artefact, precision: str) -> None:
    plan = build(rtx, graph(tcn, precision), tcn.manifest, precision, Batches.up_to(16))

    assert len(plan) > 10_000


def test_a_spiking_network_builds(rtx: Flavour, spiking: Artefact) -> None:
    assert build(rtx, graph(spiking), spiking.manifest, "fp32", Batches.up_to(4))


def test_a_covariance_model_builds_for_all_that_it_reads(rtx: Flavour, tmp_path: Path) -> None:
    covariance = with_graphs(tmp_path, "covariance")

    assert set(covariance.manifest.files) == {"weights.safetensors", "model.onnx"}
    assert build(rtx, graph(covariance), covariance.manifest, "fp32", Batches.up_to(16))


def test_a_model_of_values_builds_too(rtx: Flavour, tmp_path: Path) -> None:
    """Of as many values as it says, by how near a window is to those that were taught."""
    model = values_model(tmp_path)

    assert build(rtx, graph(model), model.manifest, "fp32", Batches.up_to(16))


def test_progress_is_told(rtx: Flavour, tcn: Artefact) -> None:
    told: list[tuple[str, int, int]] = []

    build(
        rtx,
        graph(tcn),
        tcn.manifest,
        "fp32",
        Batches.up_to(4),
        progress=lambda *step: told.append(step) or True,
    )

    assert told
    assert all(1 <= step <= steps for _, step, steps in told)


@pytest.mark.skipif(gpu_here() is not None, reason="this machine has a GPU")
def test_without_a_driver_a_real_plan_is_refused_with_tensorrt_s_own_words(
    rtx: Flavour, tcn: Artefact
) -> None:
    plan = build(rtx, graph(tcn), tcn.manifest, "fp32", Batches.up_to(4))

    with pytest.raises(BackendUnavailableError, match="CUDA driver version is insufficient") as refusal:
        deserialise(rtx, plan, "the command")

    assert refusal.value.cure == "Build it on this machine with `the command`"
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("plan", [b"", b"garbage" * 100], ids=["empty", "garbage"])
def test_a_damaged_plan_is_refused(rtx: Flavour, plan: bytes) -> None:
    with pytest.raises(BackendUnavailableError, match="does not load the plan"):
        deserialise(rtx, plan, "the command")


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"garbage", "no ONNX graph that tensorrt_rtx"), (b"", "the graph must have .* got {}")],
    ids=["garbage", "empty"],
)
def test_what_is_no_graph_is_refused_in_one_line(
    rtx: Flavour, tcn: Artefact, content: bytes, reason: str
) -> None:
    with pytest.raises(ArtefactError, match=reason) as refusal:
        build(rtx, content, tcn.manifest, "fp32", Batches.up_to(4))

    assert "\n" not in str(refusal.value)


def test_an_unknown_operation_is_named(rtx: Flavour, tcn: Artefact) -> None:
    model = onnx.load_from_string(graph(tcn))
    relu = next(node for node in model.graph.node if node.op_type == "Relu")
    relu.op_type = "NoSuchOperation"

    with pytest.raises(ArtefactError, match=rf"at node {relu.name} \(NoSuchOperation\)"):
        build(rtx, model.SerializeToString(), tcn.manifest, "fp32", Batches.up_to(4))


def test_a_fixed_batch_is_refused_with_the_way_out(rtx: Flavour, tcn: Artefact) -> None:
    model = onnx.load_from_string(graph(tcn))
    for entry in (*model.graph.input, *model.graph.output):
        entry.type.tensor_type.shape.dim[0].dim_value = 2

    with pytest.raises(ArtefactError, match="batch is fixed at 2: export it with a dynamic batch"):
        build(rtx, model.SerializeToString(), tcn.manifest, "fp32", Batches.up_to(4))


def test_the_graph_of_another_model_is_refused(rtx: Flavour, tcn: Artefact) -> None:
    other = make_manifest(classes=("rest", "a", "b", "c"))

    with pytest.raises(ArtefactError, match=r"the graph must have float32 .*4.*got"):
        build(rtx, graph(tcn), other, "fp32", Batches.up_to(4))


def test_a_precision_that_is_not_the_graph_s_is_refused(rtx: Flavour, tcn: Artefact) -> None:
    with pytest.raises(ArtefactError, match="the graph computes in fp16, and tensorrt_rtx"):
        build(rtx, graph(tcn, "fp16"), tcn.manifest, "fp32", Batches.up_to(4))


def test_a_gpu_without_kernels_is_refused(rtx: Flavour, tcn: Artefact) -> None:
    with pytest.raises(BackendUnavailableError, match=r"no kernels for compute capability 9\.0"):
        build(rtx, graph(tcn), tcn.manifest, "fp32", Batches.up_to(4), sm="9.0")


def test_a_build_that_tensorrt_refuses_gives_its_words(rtx: Flavour, tcn: Artefact) -> None:
    """Turing has no fp32 matrix product in TensorRT-RTX: the builder returns None and tells only its logger."""
    with pytest.raises(BackendUnavailableError, match=r"could not build the plan: .*Turing"):
        build(rtx, graph(tcn), tcn.manifest, "fp32", Batches.up_to(4), sm="7.5")


@pytest.mark.parametrize("flavour", ["10", "11", "rtx"])
@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_every_flavour_takes_the_precision_from_the_graph_and_leaves_tf32_off(
    monkeypatch: pytest.MonkeyPatch, tcn: Artefact, flavour: str, precision: str
) -> None:
    trt = install(monkeypatch, flavour)

    plan = build(
        tensorrt_flavour.load(trt.__name__), graph(tcn, precision), tcn.manifest, precision, Batches.up_to(4)
    )

    assert plan.startswith(trt.header + b"4\n")
    assert trt.flags == set()
    assert trt.strongly_typed


def test_tensorrt_10_can_lower_an_fp32_graph_by_a_flag(
    monkeypatch: pytest.MonkeyPatch, tcn: Artefact
) -> None:
    trt = install(monkeypatch, "10")

    build(tensorrt_flavour.load("tensorrt"), graph(tcn), tcn.manifest, "fp16", Batches.up_to(4))

    assert trt.flags == {"FP16"}
    assert not trt.strongly_typed


@pytest.mark.parametrize(("flavour", "precision"), [("11", "fp16"), ("rtx", "fp16"), ("10", "int8")])
def test_the_others_cannot(
    monkeypatch: pytest.MonkeyPatch, tcn: Artefact, flavour: str, precision: str
) -> None:
    trt = install(monkeypatch, flavour)

    with pytest.raises(ArtefactError, match="the graph computes in fp32"):
        build(tensorrt_flavour.load(trt.__name__), graph(tcn), tcn.manifest, precision, Batches.up_to(4))


@pytest.mark.parametrize(
    ("flavour", "kept"), [("10", b"timed timed "), ("11", b"timed timed "), ("rtx", None)]
)
def test_measurements_are_kept_from_one_build_to_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tcn: Artefact, flavour: str, kept: bytes | None
) -> None:
    trt, cache = install(monkeypatch, flavour), tmp_path / "timing"
    for _ in range(2):
        build(
            tensorrt_flavour.load(trt.__name__),
            graph(tcn),
            tcn.manifest,
            "fp32",
            Batches.up_to(4),
            timing_cache=cache,
        )

    assert (cache.read_bytes() if cache.exists() else None) == kept


@pytest.mark.parametrize(
    ("flavour", "gpu", "name"), [("11", True, "tensorrt"), ("rtx", False, "tensorrt_rtx")]
)
def test_the_flavour_that_can_build_here_is_chosen(
    monkeypatch: pytest.MonkeyPatch, flavour: str, gpu: bool, name: str
) -> None:
    install(monkeypatch, flavour)

    assert tensorrt_flavour.for_building(gpu).name == name


def test_tensorrt_does_not_build_without_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, "11")

    with pytest.raises(BackendUnavailableError, match="install tensorrt_rtx, which builds without a GPU"):
        tensorrt_flavour.for_building(gpu=False)


@pytest.mark.parametrize(("most", "best"), [(1, 1), (4, 4), (64, 8)])
def test_the_profile_is_fastest_for_what_waits_together(most: int, best: int) -> None:
    assert Batches.up_to(most) == Batches(1, best, most)
