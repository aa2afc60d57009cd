"""A scikit-learn classifier of your own, served by Myostream.

`python examples/sklearn_model.py RECORDING.npz --out mine` writes mine.onnx, mine.json and mine.npz, which
`flask --app wsgi model import` takes in. Needs scikit-learn and skl2onnx. The features are a few ONNX operators in
front of the classifier, so that the graph takes windows: here the logarithm of each channel's power. Put your own in
`features` and `graph_of_features`; the golden vectors tell whether the two are the same.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import FloatTensorType
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

OPSET = 17
FLOOR = 1e-6  # so that a silent channel has a logarithm
GOLDEN = 64  # windows


def features(windows: Any) -> Any:
    """The logarithm of each channel's power: (n, length, channels) -> (n, channels)."""
    return np.log(np.square(windows).mean(axis=1) + FLOOR)


def graph_of_features(length: int, channels: int) -> onnx.ModelProto:
    """The same in ONNX."""
    nodes = [
        helper.make_node("Mul", ["emg", "emg"], ["square"]),
        helper.make_node("ReduceMean", ["square"], ["power"], axes=[1], keepdims=0),
        helper.make_node("Add", ["power", "floor"], ["above"]),
        helper.make_node("Log", ["above"], ["log_power"]),
    ]
    graph = helper.make_graph(
        nodes,
        "features",
        [helper.make_tensor_value_info("emg", TensorProto.FLOAT, ["n", length, channels])],
        [helper.make_tensor_value_info("log_power", TensorProto.FLOAT, ["n", channels])],
        [numpy_helper.from_array(np.array(FLOOR, np.float32), "floor")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)])


def converted(classifier: Any, length: int, channels: int) -> onnx.ModelProto:
    """Features and classifier as one graph, from windows to probabilities.

    `zipmap: False` gives the probabilities as a tensor, and not as a list of dictionaries.
    """
    given = [("log_power", FloatTensorType([None, channels]))]
    options = {id(classifier): {"zipmap": False}}
    made = convert_sklearn(
        classifier, initial_types=given, options=options, target_opset={"": OPSET, "ai.onnx.ml": 3}
    )
    first = graph_of_features(length, channels)
    first.ir_version = made.ir_version
    for model in (first, made):  # merge_models wants the same of both
        del model.opset_import[:]
        model.opset_import.extend([helper.make_opsetid("", OPSET), helper.make_opsetid("ai.onnx.ml", 3)])
    return onnx.compose.merge_models(
        first, onnx.compose.add_prefix(made, "lda_"), io_map=[("log_power", "lda_log_power")]
    )


def windows_of(recording: Any, length: int, hop: int) -> tuple[Any, Any]:
    """Windows in which one label holds: (n, length, channels) and (n,)."""
    emg, label = np.asarray(recording["emg"], np.float32), np.asarray(recording["label"])
    ends = [end for end in range(length, len(emg) + 1, hop) if np.ptp(label[end - length : end]) == 0]
    return np.stack([emg[end - length : end] for end in ends]), label[np.array(ends) - 1]


def write(recording: Any, out: Path, *, window_ms: float = 200, units: str = "counts") -> Any:
    """Teach an LDA, write its graph, its manifest and its golden vectors, and return it."""
    rate = float(recording["fs"])
    length = round(window_ms / 1000 * rate)
    windows, label = windows_of(recording, length, max(1, length // 4))
    names = [str(name) for name in recording["gesture_names"]]
    classes = [names[k] for k in np.unique(label)]  # the columns of predict_proba, in this order
    classifier = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto").fit(features(windows), label)

    graph = converted(classifier, length, windows.shape[2])
    out.with_suffix(".onnx").write_bytes(graph.SerializeToString())

    chosen = windows[:: max(1, len(windows) // GOLDEN)][:GOLDEN]
    np.savez(out.with_suffix(".npz"), emg=chosen, output=classifier.predict_proba(features(chosen)))

    levels = np.sqrt(np.square(windows).mean(axis=(1, 2)))
    manifest = {
        "name": out.name,
        "input": {"channels": windows.shape[2], "length": length, "sampling_rate_hz": rate, "units": units},
        "outputs": {"kind": "probabilities", "name": "lda_probabilities"},
        "classes": classes,
        "rest_class": classes[0],
        "intensity": {
            "rest_rms": float(np.median(levels[label == label.min()])),
            "active_rms": float(np.percentile(levels[label != label.min()], 90)),
        },
    }
    out.with_suffix(".json").write_text(json.dumps(manifest, indent=2))
    return classifier


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "recording", type=Path, help="an .npz with emg, label, fs and gesture_names; label 0 is rest"
    )
    parser.add_argument("--out", type=Path, default=Path("mine"))
    parser.add_argument("--units", default="counts", help="of emg")
    given = parser.parse_args()
    with np.load(given.recording) as recording:
        write(recording, given.out, units=given.units)
    print(
        f"flask --app wsgi model import --onnx {given.out}.onnx --manifest {given.out}.json --golden {given.out}.npz"
    )


if __name__ == "__main__":
    main()
