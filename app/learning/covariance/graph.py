"""The ONNX graph of a covariance model, written node by node: in milliseconds, without torch, and lean.

One core runs it in 50 microseconds, most of which is the number of nodes, so the order of operations is chosen for few
of them. The Chebyshev polynomial is evaluated in C_k(x) = 2 T_k(x / 2), for which C_(k+j) = C_k C_j - C_(k-j) without
factors. Products of C_k with all that is there double the degrees each time; what should be taken off them is left
on where it can be, and comes off in the coefficients, which are one product for all blocks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from numpy.polynomial import chebyshev
from onnx import TensorProto, helper, numpy_helper

from app.inference.covariance.constants import Constants, constants
from app.inference.covariance.features import BAND_FLOOR
from app.inference.covariance.head import Floats, Head, shared_squares
from app.inference.covariance.logarithm import blocks
from app.inference.covariance.parameters import CovarianceParameters
from app.inference.covariance.shared_stem import BIAS, EMG, LOGITS, MATRIX, RAW, SQUARES
from app.inference.manifest import Manifest

Doubles = npt.NDArray[np.float64]
Arrays = Mapping[str, npt.NDArray[Any]]

OPSET = 18  # as in app.learning.export
IR_VERSION = 10
PAD = 16  # rows that ONNX Runtime's blocked convolutions take at a time
MOST_BLOCKS = 3  # of the polynomial: Horner's rule in C_size is as exact as Clenshaw's up to there


class Nodes:
    """A graph as it grows: each operation returns the name of what it gives."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.held: list[onnx.TensorProto] = []

    def hold(self, values: npt.ArrayLike, kind: Any = np.float32) -> str:
        """Put a constant in."""
        name = f"c{len(self.held)}"
        self.held.append(numpy_helper.from_array(np.asarray(values, kind), name))
        return name

    def whole(self, *values: int) -> str:
        """Put a constant of integers in, as a shape or a place."""
        return self.hold(values, np.int64)

    def add(self, kind: str, *inputs: str, name: str | None = None, **attributes: Any) -> str:
        """Put an operation with one output in."""
        name = name or f"n{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [name], **attributes))
        return name

    def shaped(self, value: str, *shape: int) -> str:
        """Put a reshape in; 0 keeps a size and -1 takes what is left."""
        return self.add("Reshape", value, self.whole(*shape))

    def parts(self, value: str, sizes: Sequence[int], axis: int = 0) -> list[str]:
        """Put a split in."""
        names = [f"n{len(self.nodes)}_{k}" for k in range(len(sizes))]
        self.nodes.append(helper.make_node("Split", [value, self.whole(*sizes)], names, axis=axis))
        return names


def covariance_graph(manifest: Manifest, weights: Arrays) -> bytes:
    """Return the fp32 graph: `emg` (batch, reads, channels) normalised, to `logits` (batch, classes or values).

    Raises:
        ArtefactError: a hyper-parameter is wrong, or does not fit the rate.
    """
    held, nodes = constants(manifest), Nodes()
    columns = len(manifest.columns)
    if held.parameters.centres:
        _values(nodes, _raw(nodes, held, weights), held, weights)
        return _model(nodes, manifest.name, [_emg(held)], [_floats(LOGITS, "batch", columns)])
    head = Head.of(held, weights)
    raw = _raw(nodes, held, weights)
    matrix, bias = nodes.hold(head.matrix), nodes.hold(head.bias)
    found = nodes.add("Gemm", raw, matrix, bias, name=_last_or_none(held.parameters))
    _answers(nodes, found, head.linear, held.parameters, head.squares)
    return _model(nodes, manifest.name, [_emg(held)], [_floats(LOGITS, "batch", columns)])


def stem_graph(manifest: Manifest, weights: Arrays) -> bytes:
    """Return the same graph without the head, which comes as `head.weight` (raw, rows) and `head.bias` (rows).

    Of the weights it holds the projection alone, so models that differ in their heads have the same bytes. Its second
    output is `raw` (batch, raw), which constants.py describes. Where classes have curves there is a third input,
    `head.squares` (typical + curved, classes).

    Raises:
        ArtefactError: a hyper-parameter is wrong, or does not fit the rate.
    """
    held, nodes = constants(manifest), Nodes()
    _raw(nodes, held, weights, RAW)
    found = nodes.add("Gemm", RAW, MATRIX, BIAS, name=_last_or_none(held.parameters))
    parameters, size = held.parameters, held.spread.shape[1]
    inputs = [_emg(held), _floats(MATRIX, size, "rows"), _floats(BIAS, "rows")]
    if parameters.curved:
        inputs.append(_floats(SQUARES, parameters.typical + parameters.curved, "classes"))
    _answers(
        nodes, found, None, parameters, None if parameters.curved else shared_squares(parameters.typical)
    )
    return _model(nodes, "stem", inputs, [_floats(LOGITS, "batch", "classes"), _floats(RAW, "batch", size)])


def _last_or_none(parameters: CovarianceParameters) -> str | None:
    """Return the name of the products with the head: where nothing comes behind them, they are the logits."""
    squared = parameters.typical + parameters.curved
    return None if squared or parameters.placements > 1 else LOGITS


def _emg(held: Constants) -> onnx.ValueInfoProto:
    return _floats(EMG, "batch", held.reads, held.channels)


def _floats(name: str, *shape: int | str) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


def _model(nodes: Nodes, name: str, inputs: Sequence[Any], outputs: Sequence[Any]) -> bytes:
    graph = helper.make_graph(nodes.nodes, name, inputs, outputs, nodes.held)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    return bytes(model.SerializeToString(deterministic=True))


def _raw(nodes: Nodes, held: Constants, weights: Arrays, name: str | None = None) -> str:
    """Return the raw vector of `constants.py`, (batch, raw)."""
    n, seen = held.directions, "emg"
    parts = []
    if held.parameters.projected:
        parts = [_log_powers(nodes, held)]
        seen = nodes.add("MatMul", "emg", nodes.hold(weights["project.weight"].T))
    across = nodes.add("Transpose", seen, perm=[0, 2, 1])  # (batch, n, reads)
    if held.cut.rows:
        parts.insert(0, _log_bands(nodes, across, held))
    both = nodes.add("Concat", *_covariances(nodes, seen, across, held), axis=1)  # (batch, 2n, n)
    lifted = nodes.add(
        "Add", nodes.shaped(both, -1, n * n), nodes.hold((held.lift * np.eye(n)).reshape(1, -1))
    )
    half_trace = nodes.add("MatMul", lifted, nodes.hold(np.eye(n).reshape(-1, 1) / 2))
    scale = nodes.add("Add", half_trace, nodes.hold(held.least))  # (2 batch, 1)
    ratio = nodes.add("Div", lifted, nodes.add("Mul", scale, nodes.hold(0.5)))
    doubled = nodes.add("Sub", ratio, nodes.hold(2 * np.eye(n).reshape(1, -1)))
    logarithm = _log(nodes, nodes.shaped(doubled, 1, -1, n, n), held)
    logs = nodes.add("Log", scale)
    parts = [nodes.shaped(logarithm, -1, 2 * n * n), nodes.shaped(logs, -1, 2), *parts]
    return nodes.add("Concat", *parts, axis=1, name=name)


def _covariances(nodes: Nodes, seen: str, across: str, held: Constants) -> tuple[str, str]:
    """Return the weighted covariances of window and context, (batch, n, n) each."""
    faded = nodes.add("Mul", across, nodes.hold(held.fading.reshape(1, 1, -1)))
    context = nodes.add("MatMul", faded, seen)
    if held.reads > held.length:
        begin, end = nodes.whole(held.reads - held.length), nodes.whole(held.reads)
        across = nodes.add("Slice", across, begin, end, nodes.whole(2))
        seen = nodes.add("Slice", seen, begin, end, nodes.whole(1))
    window = nodes.add("Mul", nodes.add("MatMul", across, seen), nodes.hold(held.recent))
    return window, context


def _log(nodes: Nodes, first: str, held: Constants) -> str:
    """Return the polynomial of (1, matrices, n, n), twice those whose eigenvalues lie in [-1, 1]."""
    n, degree = held.directions, held.parameters.degree
    size = 2
    while -(-(degree + 1) // size) > MOST_BLOCKS:
        size *= 2
    two = nodes.hold(2 * np.eye(n))
    known: list[Doubles] = [_c(1)]
    there, top, kind = [first], first, _c(1)
    below, degrees = 1, 1  # how many matrices there are, and the degree of the newest
    while degrees < size:
        right = there[0] if len(there) == 1 else nodes.add("Concat", *there, axis=0)
        made = nodes.add("MatMul", top, right)
        last = made
        there = [right]
        if below > 1:
            rest, last = nodes.parts(made, [below - 1, 1])
            there.append(rest)
        products: list[Doubles] = [np.asarray(chebyshev.chebmul(kind, one), np.float64) for one in known]
        top, kind = nodes.add("Sub", last, two), _c(2 * degrees)
        degrees *= 2
        known = [*known, *products[:-1], kind]
        below = len(known)
        there.append(top)
    there, known = there[:-1], known[:-1]  # the top is no part of a block
    flat = nodes.shaped(there[0] if len(there) == 1 else nodes.add("Concat", *there, axis=0), len(known), -1)
    mixture, diagonal = _mixture(held, size, known)
    mixed = nodes.shaped(nodes.add("MatMul", nodes.hold(mixture), flat), len(mixture), -1, n, n)
    lifted = nodes.add("Add", mixed, nodes.hold(diagonal.reshape(-1, 1, 1, 1) * np.eye(n)))
    *blocks, found = nodes.parts(lifted, [1] * len(mixture)) if len(mixture) > 1 else [lifted]
    for block in reversed(blocks):
        found = nodes.add("Add", block, nodes.add("MatMul", top, found))
    return found


def _c(degree: int) -> Doubles:
    """Return C_degree(2x) = 2 T_degree(x) as Chebyshev coefficients."""
    return np.asarray([0.0] * degree + [2.0])


def _mixture(held: Constants, size: int, known: Sequence[Doubles]) -> tuple[Doubles, Doubles]:
    """Return what of the known matrices, (blocks, known), and of the unit matrix, (blocks,), makes each block.

    The logarithm is then block_0 + C_size (block_1 + C_size block_2).
    """
    by_degree = np.zeros((size, size))  # of 1 and the known ones, in T_0..T_(size - 1)
    by_degree[0, 0] = 1
    for row, one in enumerate(known, 1):
        by_degree[row, : len(one)] = one
    blocks = np.asarray(_blocks(held, size))
    found = np.linalg.solve(by_degree.T, blocks.T).T
    return found[:, 1:], found[:, 0]


def _blocks(held: Constants, size: int) -> list[Doubles]:
    """Return the blocks of Horner's rule in C_size, each in T_0..T_(size - 1)."""
    t = blocks(held.parameters.ridge, held.directions, held.parameters.degree, size)
    parts = [t[0].copy(), *(part / 2 for part in t[1:])]  # T_1 = C_1 / 2
    if len(t) == MOST_BLOCKS:  # T_2 = C_1^2 / 2 - 1
        parts[0] -= t[2]
    return parts


def _log_bands(nodes: Nodes, across: str, held: Constants) -> str:
    """Return the log band powers, (batch, n x bands), of (batch, n, reads), by one convolution."""
    cut, n = held.cut, held.directions
    if cut.begin:
        across = nodes.add("Slice", across, nodes.whole(cut.begin), nodes.whole(held.reads), nodes.whole(2))
    image = nodes.shaped(across, 0, 1, n, held.reads - cut.begin)
    rows = -(-len(cut.basis) // PAD) * PAD
    basis = np.zeros((rows, 1, 1, cut.basis.shape[1]))
    basis[: len(cut.basis), 0, 0] = cut.basis
    waves = nodes.add("Conv", image, nodes.hold(basis), strides=[1, cut.hop])  # (batch, rows, n, frames)
    squares = nodes.add("Mul", waves, waves)
    faded = nodes.add("MatMul", squares, nodes.hold(cut.weight.reshape(-1, 1)))
    own = np.zeros((len(cut.rows), rows))
    own[np.repeat(np.arange(len(cut.rows)), cut.rows), np.arange(len(cut.basis))] = 1
    power = nodes.add("MatMul", nodes.hold(own), nodes.shaped(faded, 0, rows, n))  # (batch, bands, n)
    raised = nodes.add("Add", power, nodes.hold(BAND_FLOOR * held.parameters.floor))
    logs = nodes.add("Transpose", nodes.add("Log", raised), perm=[0, 2, 1])
    return nodes.shaped(logs, 0, n * len(cut.rows))


def _log_powers(nodes: Nodes, held: Constants) -> str:
    """Return the log power of each channel in window and context, (batch, channels x 2)."""
    squares = nodes.add("Transpose", nodes.add("Mul", "emg", "emg"), perm=[0, 2, 1])
    power = nodes.add("MatMul", squares, nodes.hold(held.power_weights))
    raised = nodes.add("Add", power, nodes.hold(held.parameters.floor))
    return nodes.shaped(nodes.add("Log", raised), 0, 2 * held.channels)


def _values(nodes: Nodes, raw: str, held: Constants, weights: Arrays) -> None:
    """Put in what makes values of the raw vector, by how near the features are to each of the centres."""
    gamma, centres = held.parameters.gamma, weights["centres.weight"].astype(np.float64)
    found = nodes.add("MatMul", raw, nodes.hold(held.spread.T))
    own = nodes.hold(-gamma * np.square(centres).sum(1))
    along = nodes.add("Gemm", found, nodes.hold(2 * gamma * centres.T), own)
    squares = nodes.add("Mul", found, found)
    length = nodes.add("MatMul", squares, nodes.hold(np.full((centres.shape[1], 1), gamma)))
    near = nodes.add("Exp", nodes.add("Sub", along, length))
    head, bias = nodes.hold(weights["head.weight"].T), nodes.hold(weights["head.bias"])
    nodes.add("Gemm", near, head, bias, name=LOGITS)


def _answers(
    nodes: Nodes,
    found: str,
    linear: int | None,
    parameters: CovarianceParameters,
    squares: Floats | None,
) -> None:
    """Put in what makes logits of the products with the head, (batch, linear + typical + curved).

    `linear` None: whatever the number of classes, which a split would fix. `squares` are those of the Head; None:
    they come as an input.
    """
    distance, squared = None, parameters.typical + parameters.curved
    if squared:
        found, far = _apart(nodes, found, linear, squared)
        squared_far = nodes.add("Mul", far, far)
        weighed = SQUARES if squares is None else nodes.hold(squares)
        distance = nodes.add("MatMul", squared_far, weighed)
    if parameters.placements > 1:
        found = _over_placements(nodes, found, parameters.placements, None if distance else LOGITS)
    if distance:
        nodes.add("Sub", found, distance, name=LOGITS)


def _apart(nodes: Nodes, found: str, linear: int | None, squared: int) -> tuple[str, str]:
    """Return the first columns, and the last `squared`."""
    if linear is not None:
        first, last = nodes.parts(found, [linear, squared], 1)
        return first, last
    edge, end, axis = nodes.whole(-squared), nodes.whole(np.iinfo(np.int64).max), nodes.whole(1)
    first = nodes.add("Slice", found, nodes.whole(0), edge, axis)
    return first, nodes.add("Slice", found, edge, end, axis)


def _over_placements(nodes: Nodes, linear: str, placements: int, name: str | None) -> str:
    """Return the log of the sum over placements, (batch, classes), of (batch, placements x classes).

    Written out: what an engine makes of ReduceLogSumExp may leave the range of its numbers.
    """
    each = nodes.add("Reshape", linear, nodes.whole(0, placements, -1))
    axis = nodes.whole(1)
    most = nodes.add("ReduceMax", each, axis, keepdims=1)
    raised = nodes.add("Exp", nodes.add("Sub", each, most))
    total = nodes.add("Log", nodes.add("ReduceSum", raised, axis, keepdims=0))
    return nodes.add("Add", nodes.add("Squeeze", most, axis), total, name=name)
