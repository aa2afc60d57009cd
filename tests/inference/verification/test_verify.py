"""Models from elsewhere: what is taken in, and what is refused with one line that says what would be right."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from app.errors import ArtefactError, BackendUnavailableError
from app.inference import artefact
from app.inference.onnx.backend import OnnxBackend
from app.inference.openers import openers
from app.inference.prediction import normalise, predict
from app.inference.verification.child import verified_apart
from app.inference.verification.verify import verified
from tests.inference import foreign_models as made
from tests.inference.artefacts import COVARIANCE, make_artefact
from tests.inference.covariance.models import child, covariance_model
from tests.inference.foreign_models import CHANNELS, LENGTH, draft, emg, foreign, golden, graph
from tests.inference.onnx.test_backend import with_graphs


@pytest.mark.parametrize("layout", ["ntc", "nct"])
@pytest.mark.parametrize("kind", ["logits", "probabilities"])
def test_a_graph_that_answers_as_its_author_says_is_taken(tmp_path: Path, layout: str, kind: str) -> None:
    probable = kind == "probabilities"
    expected = made.answers(emg(), probabilities=probable)
    told = draft(input={"layout": layout}, outputs={"kind": kind})
    one = foreign(tmp_path, graph(layout=layout, probabilities=probable), told, golden(output=expected))

    found = verified(one.path)
    manifest = artefact.load(one.path).manifest
    backend = openers(one, tmp_path)["onnxruntime"]()
    logits = backend.infer(normalise(emg(), manifest.mean, manifest.std)).logits

    assert (found.by, found.windows) == ("golden vectors", 12)
    assert (manifest.layout, manifest.outputs.kind) == (layout, kind)
    shown = predict(logits).probabilities if probable else logits
    np.testing.assert_allclose(shown, expected, rtol=1e-3, atol=1e-5)


def test_a_model_of_ours_is_tried_against_its_weights(tmp_path: Path) -> None:
    assert verified(with_graphs(tmp_path, "tcn").path).by == "reference"
    assert verified(make_artefact(tmp_path / "plain").path).by == "reference"


def test_it_is_served_by_onnx_runtime_alone_and_the_others_say_why(tmp_path: Path) -> None:
    found = openers(foreign(tmp_path), tmp_path)

    for name in ("pytorch", "tensorrt"):
        with pytest.raises(BackendUnavailableError, match=r"somebody's own ONNX graph.*Choose onnxruntime"):
            found[name]()


def test_a_worker_compares_it_with_its_golden_vectors_again(tmp_path: Path) -> None:
    """Both files are whole and match the manifest; the graph is another's."""
    other = graph()
    other.graph.initializer[0].CopyFrom(numpy_helper.from_array(made.weights() * 2, "w"))
    swapped = foreign(tmp_path, other)

    with pytest.raises(
        BackendUnavailableError, match=r"differ from the golden vectors of mine by 1 of the largest"
    ):
        openers(swapped, tmp_path)["onnxruntime"]()


def inside(kind: str, domain: str = "") -> onnx.ModelProto:
    """A graph with one operator more."""
    opsets = [helper.make_opsetid(domain, 1)] if domain else []
    node = helper.make_node(kind, ["x"], ["more"], domain=domain)
    return graph(nodes=[node], opsets=opsets)


def with_branch() -> onnx.ModelProto:
    branch = helper.make_graph(
        [helper.make_node("Identity", ["w"], ["same"])],
        "branch",
        [],
        [helper.make_tensor_value_info("same", TensorProto.FLOAT, None)],
    )
    condition = numpy_helper.from_array(np.array(True), "condition")
    node = helper.make_node("If", ["condition"], ["more"], then_branch=branch, else_branch=branch)
    return graph(nodes=[node], initializers=[condition])


def with_external(where: str) -> onnx.ModelProto:
    model = graph()
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=where)
    return model


def with_hidden_external() -> onnx.ModelProto:
    tensor = with_external("/etc/passwd").graph.initializer[0]
    tensor.name = ""
    return graph(nodes=[helper.make_node("Constant", [], ["more"], value=tensor)])


def with_function() -> onnx.ModelProto:
    model = inside("Own", "mine")
    function = helper.make_function(
        "mine",
        "Own",
        ["x"],
        ["y"],
        [helper.make_node("Identity", ["x"], ["y"])],
        [helper.make_opsetid("", 17)],
    )
    model.functions.append(function)
    return model


def enormous() -> onnx.ModelProto:
    model = graph()
    tensor = model.graph.initializer.add(name="big", data_type=TensorProto.FLOAT)
    tensor.dims.extend([1 << 30, 1 << 30])
    return model


def labels_only() -> onnx.ModelProto:
    """As skl2onnx makes them: the label as int64 and no tensor of probabilities."""
    model = graph()
    model.graph.node.append(helper.make_node("ArgMax", ["y"], ["label"], axis=1, keepdims=0))
    del model.graph.output[:]
    model.graph.output.append(helper.make_tensor_value_info("label", TensorProto.INT64, ["n"]))
    return model


def with_zipmap() -> onnx.ModelProto:
    model = graph(opsets=[helper.make_opsetid("ai.onnx.ml", 1)])
    node = helper.make_node("ZipMap", ["y"], ["maps"], domain="ai.onnx.ml", classlabels_int64s=[0, 1, 2])
    model.graph.node.append(node)
    del model.graph.output[:]
    kind = helper.make_sequence_type_proto(
        helper.make_map_type_proto(TensorProto.INT64, helper.make_tensor_type_proto(TensorProto.FLOAT, []))
    )
    model.graph.output.append(helper.make_value_info("maps", kind))
    return model


@pytest.mark.parametrize(
    ("model", "says"),
    [
        (inside("Own", "com.mine"), r"model.onnx: it uses 'com.mine.Own', an operator of its own; allowed are"),
        (inside("Gelu", "com.microsoft"), r"'com.microsoft.Gelu', an operator of its own"),
        (inside("RandomNormalLike"), r"RandomNormalLike, whose answers are chance"),
        (with_branch(), r"'If', which holds a graph of its own; allowed are"),
        (with_external("weights.bin"), r"the tensor 'w' lies in another file; weights must lie inside"),
        (with_external("../../secret"), r"the tensor 'w' lies in another file"),
        (with_hidden_external(), r"lies in another file"),
        (with_function(), r"functions of its own .*inline_local_functions"),
        (enormous(), r"the tensor 'big' has 1152921504606846976 elements"),
        (inside("NoSuchOperator"), r"it is no valid ONNX graph: 'No Op registered for NoSuchOperator"),
        (graph().SerializeToString()[:-40], r"model.onnx: it is (damaged|no valid)"),
        (b"no graph at all", r"model.onnx: it is damaged or no ONNX file"),
        (b"", r"model.onnx: it must have 1 to 20000 operators, got 0"),
        (graph(batch=1), r"the input takes batches of 1 only; export it with a dynamic batch"),
        (graph(length=30), r"the input must be \(batch, 20, 4\), got \['n', 30, 4\]"),
        (graph(layout="nct"), r"the input must be \(batch, 20, 4\).*input.layout says which axis is time"),
        (labels_only(), r"no output is float32 \(a label alone is not enough\); it has 'label \(tensor\(int64\)\)'"),
        (with_zipmap(), r"ZipMap.*options=\{'zipmap': False\}"),
    ],
)  # fmt: skip
def test_a_graph_is_refused_in_one_line(tmp_path: Path, model: Any, says: str) -> None:
    one = foreign(tmp_path, model)

    with pytest.raises(ArtefactError, match=says) as refused:
        verified(one.path)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("told", "says"),
    [
        ({"classes": ["rest", "a"]}, r"must be float32 \(batch, 2\), a column for each class, got \['n', 3\]"),
        ({"outputs": {"name": "z"}}, r"the graph has no output z; it has 'y \(tensor\(float\)\)'"),
        ({"outputs": {"kind": "probabilities"}}, r"they are below 0 or do not sum to 1: are they logits\?"),
        ({"normalisation": None}, r"differ from the golden vectors of mine by .* see that the manifest's norm"),
    ],
)  # fmt: skip
def test_a_declaration_that_is_not_the_graphs_is_refused(tmp_path: Path, told: Any, says: str) -> None:
    classes = len(told.get("classes", made.CLASSES))
    output = made.answers(emg())[:, :classes]

    with pytest.raises(ArtefactError, match=says):
        verified(foreign(tmp_path, manifest=draft(**told), vectors=golden(output=output)).path)


def test_probabilities_that_are_called_logits_would_be_flattened(tmp_path: Path) -> None:
    vectors = golden(output=made.answers(emg(), probabilities=True))

    with pytest.raises(ArtefactError, match=r"outputs.kind is logits, but every row .* say probabilities"):
        verified(foreign(tmp_path, graph(probabilities=True), vectors=vectors).path)


def test_of_two_float_outputs_the_manifest_says_which(tmp_path: Path) -> None:
    more = helper.make_tensor_value_info("power", TensorProto.FLOAT, ["n", CHANNELS])
    both = graph(outputs=[more])

    with pytest.raises(ArtefactError, match=r"outputs.name must say which output is meant: 'y .*power"):
        verified(foreign(tmp_path, both).path)
    assert verified(foreign(tmp_path, both, draft(outputs={"name": "y"}), name="two").path).windows == 12


def test_a_graph_that_looks_at_the_whole_batch_is_refused(tmp_path: Path) -> None:
    """As a network in training mode: its normalisation is that of the windows that happen to come together."""
    model = graph()
    model.graph.node.insert(0, helper.make_node("ReduceMean", ["x"], ["usual"], axes=[0], keepdims=1))
    model.graph.node.insert(1, helper.make_node("Sub", ["x", "usual"], ["centred"]))
    model.graph.node[2].input[:] = ["centred", "centred"]
    normal = (emg() - 0.5) / 2
    power = np.square(normal - normal.mean(0)).mean(1)

    with pytest.raises(ArtefactError, match=r"answers otherwise for one window than for a batch"):
        verified(foreign(tmp_path, model, vectors=golden(output=power @ made.weights())).path)


def bomb() -> bytes:
    """Golden vectors of 64 GB, which a few kilobytes unpack to."""
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "<f4", "fortran_order": False, "shape": (200_000_000, LENGTH, CHANNELS)}
    )
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("emg.npy", header.getvalue() + bytes(1 << 22))
        archive.writestr("output.npy", header.getvalue())
    return file.getvalue()


@pytest.mark.parametrize(
    ("vectors", "says"),
    [
        (b"nothing", r"golden.npz is damaged or no .npz"),
        (golden()[:-60], r"golden.npz is damaged"),
        (golden(np.array([object()] * 3), np.zeros((3, 3))), r"emg must be float32 or float64, got 'object'"),
        (bomb(), r"golden.npz: emg is larger than"),
        (golden(emg()[:, :, :3], np.zeros((12, 3))), r"emg must be \(n, 20, 4\), .*, got \(12, 20, 3\)"),
        (golden(emg()[:1]), r"it must hold 2 to 1024 windows, got 1"),
        (golden(output=np.zeros((12, 2))), r"output must be \(12, 3\), a row for each window"),
        (golden(emg() * np.nan, np.zeros((12, 3))), r"emg holds NaN or infinity"),
        (golden(np.repeat(emg()[:1], 4, axis=0)), r"the answers to all its windows are the same"),
    ],
)  # fmt: skip
def test_golden_vectors_that_prove_nothing_are_refused(tmp_path: Path, vectors: bytes, says: str) -> None:
    with pytest.raises(ArtefactError, match=says):
        verified(foreign(tmp_path, vectors=vectors).path)


@pytest.mark.parametrize(
    ("told", "says"),
    [
        ({"intensity": None}, "intensity is missing"),
        ({"input": {"layout": "tcn"}}, "input.layout must be one of ntc, nct, got 'tcn'"),
        ({"architecture": "tcn"}, "architecture must be onnx, or left out, got 'tcn'"),
        ({"outputs": {"kind": "values"}}, "outputs.values must be 1 to 1024 values, got 0"),
        ({"outputs": {"kind": "labels"}}, "outputs.kind must be one of logits, probabilities"),
        ({"input": {"channels": -1}}, "input.channels must be 1 to 1024, got -1"),
    ],
)
def test_a_draft_that_lacks_something_is_refused_by_the_name_of_the_field(
    tmp_path: Path, told: dict[str, Any], says: str
) -> None:
    with pytest.raises(ArtefactError, match=says):
        foreign(tmp_path, manifest=draft(**told))


def test_files_that_no_model_has_are_refused(tmp_path: Path) -> None:
    """The manifest vouches for a pickle: it is a program."""
    odd = make_artefact(tmp_path / "odd", files={"weights.pkl": b"cos\nsystem\n"})

    with pytest.raises(ArtefactError, match=r"files names 'weights.pkl'; a model of architecture tcn has"):
        verified(odd.path)


def test_what_takes_too_much_ends_the_process_that_tries_it_and_not_this_one(tmp_path: Path) -> None:
    shape = numpy_helper.from_array(np.array([1 << 20, 1 << 20], np.int64), "shape")
    hungry = graph(
        nodes=[
            helper.make_node("ConstantOfShape", ["shape"], ["zeros"]),
            helper.make_node("ReduceSum", ["zeros"], ["sum"], keepdims=0),
            helper.make_node("Add", ["x", "sum"], ["more"]),
        ],
        initializers=[shape],
        outputs=[helper.make_tensor_value_info("more", TensorProto.FLOAT, None)],
    )
    one = foreign(tmp_path, hungry, draft(outputs={"name": "y"}))

    with pytest.raises(ArtefactError) as refused:
        verified_apart(one.path)
    assert "\n" not in str(refused.value)


def test_what_is_installed_is_the_same_byte_for_byte(tmp_path: Path) -> None:
    one = foreign(tmp_path / "from")
    kept = artefact.install(one, tmp_path / "models" / "mine")

    assert kept.sha256 == one.sha256
    assert json.loads((kept.path / "manifest.json").read_text())["outputs"]["kind"] == "logits"
    with pytest.raises(ArtefactError, match="exists; choose another name"):
        artefact.install(one, tmp_path / "models" / "mine")
    assert artefact.install(one, tmp_path / "models" / "mine", replacing=True).sha256 == one.sha256


def test_a_closed_backend_says_so(tmp_path: Path) -> None:
    backend = OnnxBackend.open(foreign(tmp_path))
    backend.close()
    with pytest.raises(Exception, match="closed"):
        backend.raw(emg())


def test_a_graph_that_reads_context_takes_it_with_the_window(tmp_path: Path) -> None:
    """Its golden windows are as long as what it reads."""
    windows = emg(length=LENGTH + 12)
    told = draft(input={"context": 12})
    one = foreign(tmp_path, graph(length=LENGTH + 12), told, golden(windows))

    assert verified(one.path).windows == 12
    with pytest.raises(ArtefactError, match=r"emg must be \(n, 32, 4\), .*, got \(12, 20, 4\)"):
        verified(foreign(tmp_path, graph(length=LENGTH + 12), told, golden(), name="short").path)


def test_a_covariance_model_is_tried_against_its_weights(tmp_path: Path) -> None:
    assert verified(covariance_model(tmp_path / "cov").path).by == "reference"


def test_the_stem_of_a_calibrated_model_is_tried_as_well(tmp_path: Path) -> None:
    """Its whole graph may answer well while the stem, on which other people's models run, does not."""
    good = child(tmp_path / "good")
    slower = {**COVARIANCE, "tau_ms": 100.0}
    other = child(tmp_path / "other", hyper_parameters=slower).file("stem.onnx").read_bytes()
    kept = {name: good.file(name) for name in good.manifest.files}

    odd = artefact.save(tmp_path / "odd", good.manifest, {**kept, "stem.onnx": other})

    assert verified(good.path).by == "reference"
    with pytest.raises(ArtefactError, match="its answers differ from the reference"):
        verified(odd.path)


def test_a_stem_with_an_operator_of_its_own_is_refused(tmp_path: Path) -> None:
    good = child(tmp_path / "good")
    odd = onnx.load_from_string(good.file("stem.onnx").read_bytes())
    odd.graph.node[0].domain = "com.example"
    kept = {name: good.file(name) for name in good.manifest.files}

    made = artefact.save(tmp_path / "odd", good.manifest, {**kept, "stem.onnx": odd.SerializeToString()})

    with pytest.raises(ArtefactError, match=r"stem\.onnx: .*com\.example"):
        verified(made.path)


def test_no_other_network_has_a_stem(tmp_path: Path) -> None:
    odd = make_artefact(tmp_path / "odd", files={"stem.onnx": b""})

    with pytest.raises(ArtefactError, match=r"files names 'stem.onnx'; a model of architecture tcn has"):
        verified(odd.path)
