"""`flask --app wsgi engine build|inspect|benchmark`: real plans by tensorrt_rtx, on a machine without a GPU."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from app.cli import engine
from app.config import Settings
from app.inference.artefact import WEIGHTS, Artefact, save
from app.inference.tensorrt import cuda_memory
from app.inference.tensorrt.plan import write
from tests.inference.artefacts import make_artefact
from tests.inference.covariance.models import covariance_model
from tests.inference.foreign_models import foreign
from tests.inference.onnx.test_backend import with_graphs
from tests.inference.tensorrt.test_plan import NOTE
from tests.inference.tensorrt_fakes import install

NO_GPU = pytest.mark.skipif(cuda_memory.gpu_here() is not None, reason="this machine has a GPU")


@pytest.fixture
def rtx() -> str:
    return str(pytest.importorskip("tensorrt_rtx", reason="tensorrt_rtx is not installed").__version__)


@pytest.fixture(scope="module")
def with_model(tmp_path_factory: pytest.TempPathFactory) -> Artefact:
    return with_graphs(tmp_path_factory.mktemp("graphs"), "tcn")


@pytest.fixture
def instance(tmp_path: Path, with_model: Artefact, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An instance folder with the model `tiny`, which is EMG_MODEL."""
    files = {name: with_model.file(name) for name in with_model.manifest.files}
    save(tmp_path / "models" / "tiny", with_model.manifest, files)
    monkeypatch.setattr(engine, "_settings", lambda: Settings(model="tiny", instance=tmp_path))
    return tmp_path


def run(*arguments: object) -> Result:
    return CliRunner().invoke(engine.engine, [str(argument) for argument in arguments])


@NO_GPU
@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
def test_a_plan_is_built_without_a_gpu_and_says_what_it_is(instance: Path, rtx: str, precision: str) -> None:
    result = run("build", "--precision", precision, "--max-batch", 32, "--json")

    assert result.exit_code == 0, result.stderr
    plan = instance / "engines" / f"tiny.rtx-{rtx}-portable-{precision}.plan"
    report = json.loads(result.stdout)
    side = json.loads(plan.with_name(plan.name + ".json").read_text())
    assert report == {"plan": str(plan), **{key: side[key] for key in side if key != "schema"}}
    assert (side["flavour"], side["version"], side["gpu"]) == ("tensorrt_rtx", rtx, None)
    assert (side["model"], side["precision"], side["max_batch"]) == ("tiny", precision, 32)
    assert side["plan_sha256"] == hashlib.sha256(plan.read_bytes()).hexdigest()


@NO_GPU
def test_inspect_reads_the_side_file_and_says_that_running_needs_a_gpu(instance: Path, rtx: str) -> None:
    run("build")

    result = run("inspect", "--json")

    assert result.exit_code == 0, result.stderr
    report = json.loads(result.stdout)
    assert (report["model"], report["runs_here"]) == ("tiny", False)
    assert "needs an NVIDIA GPU" in report["reason"]
    assert "reason" in run("inspect").stdout


def test_inspect_tells_a_plan_of_another_model_with_the_command_that_rebuilds_it(
    instance: Path, rtx: str
) -> None:
    run("build", "--precision", "fp16", "--out", instance / "a.plan")
    make_artefact(instance / "models" / "tiny", hyper_parameters={"width": 12})

    report = json.loads(run("inspect", instance / "a.plan", "--json").stdout)

    assert "was built from tiny 1.0.0" in report["reason"]
    assert (
        report["cure"] == "Build it here with `flask --app wsgi engine build --model tiny --precision fp16`"
    )


def test_on_a_gpu_the_plan_is_for_that_gpu_and_inspect_says_that_it_runs(
    instance: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(monkeypatch, "11")
    assert run("build").exit_code == 0

    report = json.loads(run("inspect", "--json").stdout)

    assert report["plan"].endswith("tiny.trt-11.4.0.9-sm89-fp32.plan")
    assert (report["gpu"], report["sm"], report["runs_here"]) == ("NVIDIA Fake", "8.9", True)
    assert (instance / "engines" / "trt-11.4.0.9-8.9.timing").read_bytes() == b"timed "


def test_a_file_that_was_named_is_replaced_only_when_told(
    instance: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(monkeypatch, "11")
    words = ("build", "--out", instance / "a.plan")
    (instance / "a.plan").write_bytes(b"somebody's")

    refused = run(*words)

    assert (refused.exit_code, (instance / "a.plan").read_bytes()) == (1, b"somebody's")
    assert "a.plan exists; choose another name, or replace it with --force" in refused.stderr
    assert run(*words, "--force").exit_code == 0
    assert (instance / "a.plan").read_bytes() != b"somebody's"


def test_a_plan_of_trtexec_is_taken_with_a_side_file(instance: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, "10")
    (instance / "trtexec.plan").write_bytes(b"a plan")

    result = run("build", "--plan", instance / "trtexec.plan", "--precision", "fp16", "--json")

    assert result.exit_code == 0, result.stderr
    assert Path(json.loads(result.stdout)["plan"]).read_bytes() == b"a plan"


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--model", "nobody"], "no model 'nobody'"),
        (["--onnx", "missing.onnx"], "missing.onnx cannot be read: No such file"),
        (["--precision", "int8", "--onnx", "models/tiny/model.onnx"], "the graph computes in fp32"),
        (["--onnx", "models/tiny/manifest.json"], "manifest.json: it is no ONNX graph"),
        (["--sm", "9.0"], "no kernels for compute capability 9.0"),
        (["--out", "models/tiny/manifest.json/x.plan"], "Not a directory|File exists"),
    ],
    ids=["model", "onnx", "precision", "garbage", "sm", "out"],
)
def test_what_cannot_be_built_is_said_in_one_line(
    instance: Path, rtx: str, monkeypatch: pytest.MonkeyPatch, arguments: list[str], reason: str
) -> None:
    monkeypatch.chdir(instance)

    result = run("build", *arguments)

    assert result.exit_code in (1, 2)
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1
    assert any(part in result.stderr for part in reason.split("|"))
    assert not list(instance.rglob("*.plan"))


def test_a_model_without_graphs_says_how_to_make_them(instance: Path, rtx: str) -> None:
    make_artefact(instance / "models" / "tiny")

    assert "model export --model tiny" in run("build", "--precision", "int8").stderr


def test_a_machine_without_tensorrt_says_what_to_install(
    instance: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.inference.tensorrt.flavour._is_installed", lambda name: False)

    result = run("build")

    assert (result.exit_code, "pip install -r requirements-gpu.txt" in result.stderr) == (1, True)


@NO_GPU
def test_the_benchmark_times_what_is_there_and_gives_null_for_what_is_not(instance: Path) -> None:
    result = run("benchmark", "--iterations", 5, "--json")

    assert result.exit_code == 0, result.stderr
    report = json.loads(result.stdout)
    keys = {"mean_latency_ms", "median_latency_ms", "p99_latency_ms", "throughput_qps"}
    assert report["tensorrt"] is None
    assert set(report["pytorch"]) == set(report["onnxruntime"]) == keys
    assert report["pytorch"]["throughput_qps"] == pytest.approx(1e3 / report["pytorch"]["mean_latency_ms"])
    assert "tensorrt is not available" in result.stderr


def test_the_benchmark_shows_a_table_and_histograms(instance: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, "rtx")
    run("build")

    result = run("benchmark", "--iterations", 5, "--batch", 2)

    assert result.exit_code == 0, result.stderr
    lines = result.stdout.splitlines()
    assert lines[0] == "tiny, 2 windows in a call"
    assert [line.split()[0] for line in lines[2:5]] == ["tensorrt", "onnxruntime", "pytorch"]
    assert all(len(line.split()) == 5 for line in lines[2:5])
    assert result.stdout.count("slowest") == 3


def test_a_benchmark_of_nothing_fails(instance: Path) -> None:
    assert "choose from tensorrt, onnxruntime, pytorch" in run("benchmark", "--backend", "none").stderr


def test_the_weights_of_the_model_are_its_identity(instance: Path, with_model: Artefact, rtx: str) -> None:
    report = json.loads(run("build", "--json").stdout)

    assert report["weights_sha256"] == with_model.manifest.files[WEIGHTS]


@pytest.mark.parametrize("command", ["build", "inspect"])
def test_somebodys_own_graph_has_no_plans_and_that_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    """It has no weights by which a plan is known, and ended in a KeyError; no plan of it would be run either."""
    foreign(tmp_path / "models")
    monkeypatch.setattr(engine, "_settings", lambda: Settings(model="mine", instance=tmp_path))
    plan = tmp_path / "engines" / NOTE.file_name
    write(plan, b"plan", NOTE)

    result = run(command, *([plan] if command == "inspect" else []))

    assert result.exit_code == 1
    assert "mine is somebody's own ONNX graph; its plan could be checked" in result.stderr
    assert result.stderr.count("\n") == 1


@NO_GPU
def test_a_covariance_model_has_a_plan_in_fp32_and_is_refused_another_precision(
    tmp_path: Path, rtx: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    covariance_model(tmp_path / "models" / "tiny")
    monkeypatch.setattr(engine, "_settings", lambda: Settings(model="tiny", instance=tmp_path))

    built, inspected, refused = run("build"), run("inspect", "--json"), run("build", "--precision", "fp16")

    assert built.exit_code == 0, built.stderr
    assert json.loads(inspected.stdout)["precision"] == "fp32"
    assert refused.exit_code == 2
    assert "fp32 is the precision of a covariance model" in refused.stderr


def test_all_that_a_model_reads_is_timed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    covariance_model(tmp_path / "models" / "tiny")
    monkeypatch.setattr(engine, "_settings", lambda: Settings(model="tiny", instance=tmp_path))

    result = run("benchmark", "--iterations", 3, "--backend", "onnxruntime", "--json")

    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout)["onnxruntime"]["median_latency_ms"] > 0
