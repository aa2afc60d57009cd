"""What a graph from elsewhere may hold: operators of the standard that end, and its weights inside. Read, never run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from app.errors import ArtefactError
from app.inference.manifest import shown

if TYPE_CHECKING:
    from onnx import AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto

DOMAINS = ("", "ai.onnx", "ai.onnx.ml")
MOST_NODES = 20_000
MOST_ELEMENTS = 1 << 26  # of one tensor in the file
RANDOM = frozenset(
    {"RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Bernoulli", "Multinomial"}
)
ALLOWED = (
    "allowed are the operators of ai.onnx and ai.onnx.ml, without a graph of their own (If, Loop, Scan, "
    "SequenceMap) and without chance"
)
_INSIDE = "weights must lie inside the file: onnx.save_model(onnx.load(F), G, save_as_external_data=False)"


def check_graph(content: bytes, called: str) -> None:
    """See that a graph is of the standard and whole.

    Raises:
        ArtefactError: it is not; one line with the file's name, what is wrong and what is allowed.
    """
    try:
        _check(content)
    except ArtefactError as error:
        raise ArtefactError(f"{called}: {error}") from None


def _check(content: bytes) -> None:
    import onnx

    try:
        model = onnx.load_model_from_string(content)
    except Exception as error:  # protobuf's DecodeError, and what it makes of damage
        raise ArtefactError(f"it is damaged or no ONNX file: {shown(str(error))}") from None
    _check_parts(model)
    for node in model.graph.node:
        _check_node(node)
    for tensor in _tensors(model.graph):
        _check_tensor(tensor)
    try:
        onnx.checker.check_model(model)
    except Exception as error:  # its ValidationError, and what damaged protobufs make of it
        first = str(error).strip().split("\n")[0]
        raise ArtefactError(f"it is no valid ONNX graph: {shown(first)}") from None


def _check_parts(model: ModelProto) -> None:
    count = len(model.graph.node)
    if not 1 <= count <= MOST_NODES:
        raise ArtefactError(f"it must have 1 to {MOST_NODES} operators, got {count}")
    if model.functions:
        own = ", ".join(f"{one.domain}.{one.name}" for one in model.functions[:3])
        raise ArtefactError(
            f"it has functions of its own ({shown(own)}); onnx.inliner.inline_local_functions puts them in place"
        )
    if model.training_info:
        raise ArtefactError("it holds training steps; export it for inference")


def _check_node(node: NodeProto) -> None:
    if node.domain not in DOMAINS:
        raise ArtefactError(
            f"it uses {shown(f'{node.domain}.{node.op_type}')}, an operator of its own; {ALLOWED}"
        )
    if node.op_type in RANDOM:
        raise ArtefactError(f"it uses {node.op_type}, whose answers are chance; {ALLOWED}")
    if any(attribute.HasField("g") or attribute.graphs for attribute in node.attribute):
        raise ArtefactError(f"it uses {shown(node.op_type)}, which holds a graph of its own; {ALLOWED}")


def _tensors(graph: GraphProto) -> Iterator[TensorProto]:
    """Yield every tensor that the file holds, wherever it does."""
    yield from graph.initializer
    for sparse in graph.sparse_initializer:
        yield from (sparse.values, sparse.indices)
    for node in graph.node:
        for attribute in node.attribute:
            yield from _of_attribute(attribute)


def _of_attribute(attribute: AttributeProto) -> Iterator[Any]:
    if attribute.HasField("t"):
        yield attribute.t
    yield from attribute.tensors
    sparse = [attribute.sparse_tensor] if attribute.HasField("sparse_tensor") else []
    for one in (*sparse, *attribute.sparse_tensors):
        yield from (one.values, one.indices)


def _check_tensor(tensor: TensorProto) -> None:
    if tensor.data_location == type(tensor).EXTERNAL or tensor.external_data:
        raise ArtefactError(f"the tensor {shown(tensor.name)} lies in another file; {_INSIDE}")
    elements = 1
    for size in tensor.dims:
        if size < 0:
            raise ArtefactError(f"the tensor {shown(tensor.name)} has a dimension of {size}")
        elements *= size
    if elements > MOST_ELEMENTS:
        raise ArtefactError(
            f"the tensor {shown(tensor.name)} has {elements} elements, more than {MOST_ELEMENTS}"
        )
