"""TensorRT's backend on a fake GPU: the same answers from every flavour, and a reason for every refusal."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from app.errors import BackendUnavailableError, NotReadyError, WindowError
from app.inference.artefact import WEIGHTS, Artefact
from app.inference.parity import checked
from app.inference.pytorch.backend import TorchBackend
from app.inference.tensorrt import backend as tensorrt_backend
from app.inference.tensorrt import cuda_memory
from app.inference.tensorrt import plan as tensorrt_plan
from app.inference.tensorrt.backend import TensorRtBackend, padded_sizes
from app.inference.tensorrt.plan import PlanNote
from tests.inference.artefacts import make_artefact
from tests.inference.onnx.test_backend import with_graphs
from tests.inference.tensorrt_fakes import FakeTensorRt, install

FLAVOURS = pytest.mark.parametrize("flavour", ["10", "11", "rtx"])


@pytest.fixture(scope="module")
def tcn(tmp_path_factory: pytest.TempPathFactory) -> Artefact:
    return with_graphs(tmp_path_factory.mktemp("tcn"), "tcn")


@pytest.fixture(scope="module")
def spiking(tmp_path_factory: pytest.TempPathFactory) -> Artefact:
    return with_graphs(tmp_path_factory.mktemp("spiking"), "spiking_tcn")


def windows(batch: int) -> np.ndarray:
    return np.random.default_rng(batch).normal(size=(batch, 20, 4)).astype(np.float32)


def planned(folder: Path, trt: FakeTensorRt, artefact: Artefact, most: int = 6, **changes: object) -> Path:
    """A plan as `engine build` writes it."""
    content = trt.header + f"{most}\n".encode() + artefact.file("model.onnx").read_bytes()
    note = PlanNote(
        flavour=trt.__name__,
        version=trt.__version__,
        sm="portable" if trt.flavour == "rtx" else "8.9",
        gpu="NVIDIA Fake",
        precision="fp32",
        min_batch=1,
        opt_batch=1,
        max_batch=most,
        model=artefact.manifest.name,
        model_version=artefact.manifest.version,
        weights_sha256=artefact.manifest.files[WEIGHTS],
        onnx="model.onnx",
        onnx_sha256="0",
        plan_sha256=sha256(content).hexdigest(),
        built_at="2026-01-01T00:00:00+00:00",
    )
    note = replace(note, **changes)
    tensorrt_plan.write(folder / note.file_name, content, note)
    return folder / note.file_name


@FLAVOURS
@pytest.mark.parametrize("batch", [1, 3, 6, 7, 20])
def test_every_flavour_answers_as_pytorch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tcn: Artefact, flavour: str, batch: int
) -> None:
    trt = install(monkeypatch, flavour)
    backend = TensorRtBackend.open(tcn, plan=planned(tmp_path, trt, tcn))
    backend.infer(windows(6))  # leaves other windows in the padding

    answer = backend.infer(windows(batch))

    np.testing.assert_allclose(answer.logits, TorchBackend.open(tcn).infer(windows(batch)).logits, atol=1e-4)
    np.testing.assert_array_equal(answer.spikes, np.zeros(batch))
    assert answer.logits.dtype == answer.spikes.dtype == np.float32
    assert checked(backend, tcn) is backend


def test_it_counts_spikes_and_refuses_other_steps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spiking: Artefact
) -> None:
    trt = install(monkeypatch, "11")
    backend = TensorRtBackend.open(spiking, plan=planned(tmp_path, trt, spiking))

    expected = TorchBackend.open(spiking).infer(windows(3))
    np.testing.assert_array_equal(backend.infer(windows(3), 4).spikes, expected.spikes)
    with pytest.raises(
        WindowError, match=r"steps must be 4 in tensorrt.*got 2; the pytorch backend takes any"
    ):
        backend.infer(windows(3), 2)


@pytest.mark.parametrize(
    ("flavour", "graphs", "said", "call"),
    [
        ("10", "work", "replayed", "replay"),
        ("11", "work", "replayed", "replay"),
        ("rtx", "work", "by the runtime", "run 4"),
        ("11", "fail", "none, CUDA answers 901", "run 4"),
        ("11", "absent", "none, cuda-bindings is not installed (`pip install cuda-bindings`)", "run 4"),
    ],
)
def test_it_replays_a_cuda_graph_or_says_why_not(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    tcn: Artefact,
    flavour: str,
    graphs: str,
    said: str,
    call: str,
) -> None:
    trt = install(monkeypatch, flavour, graphs=graphs)
    backend = TensorRtBackend.open(tcn, plan=planned(tmp_path, trt, tcn))
    trt.gpu.calls.clear()

    backend.infer(windows(3))

    assert backend.graphs == said
    assert trt.gpu.calls[0] == call
    assert trt.gpu.calls[-2:] == ["run 4", "wait"]


@FLAVOURS
def test_closing_frees_graphs_and_memory_and_leaves_the_context(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tcn: Artefact, flavour: str
) -> None:
    trt = install(monkeypatch, flavour)
    backend = TensorRtBackend.open(tcn, plan=planned(tmp_path, trt, tcn))
    assert trt.gpu.contexts == 1

    backend.close()
    backend.close()

    assert (trt.gpu.contexts, trt.gpu.graphs, trt.gpu.memory) == (0, 0, {})
    assert trt.gpu.calls[-2:] == ["pop", "detach"]  # with pycuda's pop it would become current again
    with pytest.raises(NotReadyError, match="tensorrt backend is closed"):
        backend.infer(windows(1))


def test_the_rtx_flavour_keeps_its_compiled_kernels_beside_the_plan(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tcn: Artefact
) -> None:
    trt = install(monkeypatch, "rtx")
    plan = planned(tmp_path, trt, tcn)

    TensorRtBackend.open(tcn, plan=plan).close()

    assert (tmp_path / f"{plan.name}.sm89.cache").read_bytes() == b"kernels"
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".cache", ".json", ".plan"]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"version": "10.0.0"}, r"was built with tensorrt 10\.0\.0, and 11\.4\.0\.9 is installed"),
        ({"sm": "9.0"}, r"was built for compute capability 9\.0, and NVIDIA Fake has 8\.9"),
        (
            {"weights_sha256": "ab" * 32, "model_version": "0.9"},
            r"was built from tiny 0\.9 .*not from tiny 1\.0\.0",
        ),
        ({"plan_sha256": "0"}, "is not the plan that its side file describes"),
        ({"flavour": "tensorrt_rtx"}, "tensorrt_rtx is not installed"),
    ],
    ids=["version", "gpu", "model", "damaged", "flavour"],
)
def test_a_plan_that_does_not_fit_is_refused_with_what_helps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tcn: Artefact, changes: dict[str, str], reason: str
) -> None:
    trt = install(monkeypatch, "11")
    plan = planned(tmp_path, trt, tcn, **changes)

    with pytest.raises(BackendUnavailableError, match=reason) as refusal:
        TensorRtBackend.open(tcn, plan=plan)

    installs = "flavour" in changes
    assert ("pip install" if installs else "engine build --model tiny --precision fp32") in refusal.value.cure
    assert "\n" not in str(refusal.value)
    assert trt.gpu.contexts == 0


def test_a_plan_that_tensorrt_refuses_gives_its_words_and_leaves_no_context(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tcn: Artefact
) -> None:
    trt = install(monkeypatch, "11")
    plan = planned(tmp_path, trt, tcn)
    trt.header = b"another"

    with pytest.raises(BackendUnavailableError, match="does not load the plan: IRuntime: magicTag differs"):
        TensorRtBackend.open(tcn, plan=plan)

    assert (trt.gpu.contexts, trt.gpu.memory) == (0, {})


def test_a_plan_with_another_border_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tcn: Artefact
) -> None:
    trt = install(monkeypatch, "11")
    other = make_artefact(tmp_path / "tiny", classes=("rest", "a", "b", "c"))
    plan = planned(tmp_path, trt, tcn, weights_sha256=other.manifest.files[WEIGHTS])

    with pytest.raises(BackendUnavailableError, match=r"the plan has .*3.* needs float32 .*4"):
        TensorRtBackend.open(other, plan=plan)

    assert trt.gpu.contexts == 0


def test_the_folder_of_plans_gives_the_newest_of_this_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tcn: Artefact
) -> None:
    trt = install(monkeypatch, "11")
    planned(tmp_path, trt, tcn, precision="int8", weights_sha256="cd" * 32)
    planned(tmp_path, trt, tcn)

    assert TensorRtBackend.open(tcn, plan=tmp_path).precision == "fp32"


@pytest.mark.parametrize("plan", ["", "no.plan"], ids=["folder", "file"])
def test_without_a_plan_it_says_how_to_build_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tcn: Artefact, plan: str
) -> None:
    install(monkeypatch, "11")

    with pytest.raises(BackendUnavailableError, match="no plan") as refusal:
        TensorRtBackend.open(tcn, plan=tmp_path / plan)

    assert (
        refusal.value.cure
        == "Build it here with `flask --app wsgi engine build --model tiny --precision fp32`"
    )


def test_without_a_gpu_it_says_that_it_needs_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tcn: Artefact
) -> None:
    trt = install(monkeypatch, "rtx")
    monkeypatch.setattr(cuda_memory, "gpu_here", lambda index=0: None)

    with pytest.raises(BackendUnavailableError, match="needs an NVIDIA GPU") as refusal:
        TensorRtBackend.open(tcn, plan=planned(tmp_path, trt, tcn))

    assert refusal.value.backend == "tensorrt"


def test_without_pycuda_it_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tcn: Artefact
) -> None:
    trt = install(monkeypatch, "rtx")
    monkeypatch.setitem(sys.modules, "pycuda", None)

    with pytest.raises(BackendUnavailableError, match="pip install pycuda"):
        TensorRtBackend.open(tcn, plan=planned(tmp_path, trt, tcn))


@pytest.mark.parametrize("shape", [(20, 4), (0, 20, 4), (1, 21, 4), (1, 20, 5)], ids=str)
def test_windows_of_another_shape_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tcn: Artefact, shape: tuple[int, ...]
) -> None:
    trt = install(monkeypatch, "11")
    backend = TensorRtBackend.open(tcn, plan=planned(tmp_path, trt, tcn))

    with pytest.raises(WindowError, match=r"\(1 or more, 20, 4\), got"):
        backend.infer(np.zeros(shape, np.float32))


def test_a_run_that_tensorrt_refuses_gives_a_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tcn: Artefact
) -> None:
    trt = install(monkeypatch, "rtx")
    backend = TensorRtBackend.open(tcn, plan=planned(tmp_path, trt, tcn))
    backend._engine.context = SimpleNamespace(execute_async_v3=lambda stream_handle: False)
    backend._size = 1

    with pytest.raises(BackendUnavailableError, match="refused the run: it gave no reason"):
        backend.infer(windows(1))


@pytest.mark.parametrize(
    ("most", "sizes"), [(1, (1,)), (2, (1, 2)), (6, (1, 2, 4, 6)), (64, (1, 2, 4, 8, 16, 32, 64))], ids=str
)
def test_sizes_are_powers_of_two_and_the_largest(most: int, sizes: tuple[int, ...]) -> None:
    assert padded_sizes(most) == sizes


def test_the_module_is_imported_without_any_vendor() -> None:
    names = "{'tensorrt', 'tensorrt_rtx', 'pycuda', 'cuda', 'torch', 'onnxruntime'}"
    code = f"import sys, {tensorrt_backend.__name__}; sys.exit(bool({names} & set(sys.modules)))"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
