from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.errors import WindowError
from app.fleet_address import parse_address
from app.inference.artefact import Artefact
from app.inference.backend import Batch
from app.inference.reference import reference_logits
from app.inference.remote.backend import RemoteBackend
from app.inference.remote.target import RemoteError, Target
from app.inference.remote.terms import MOST_JSON
from tests.inference import foreign_models, value_models
from tests.inference.artefacts import make_artefact
from tests.inference.remote.fleet import Fleet, described, logits_of, serving
from tests.serving.station import until

PATIENT_S = 20.0  # of an answer that comes; a busy machine is slow
SOON_S = 0.3  # of one that does not come


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Artefact:
    return make_artefact(tmp_path_factory.mktemp("remote") / "tiny")


def fleet_of(model: Artefact, **changes: Any) -> Fleet:
    name = model.path.name
    return Fleet(logits_of(model), described(model.manifest, name=name), **changes)


def open_backend(
    model: Artefact, fleet: Fleet, timeout_s: float = PATIENT_S, **changes: Any
) -> RemoteBackend:
    target = Target(address=parse_address(fleet.url), model=model.path.name, timeout_s=timeout_s, **changes)
    return RemoteBackend.open(model, target)


@contextmanager
def opened(
    model: Artefact, fleet: Fleet, timeout_s: float = PATIENT_S, **changes: Any
) -> Iterator[RemoteBackend]:
    with serving(fleet):
        backend = open_backend(model, fleet, timeout_s, **changes)
        try:
            yield backend
        finally:
            backend.close()


def windows(model: Artefact, count: int = 1, seed: int = 0) -> Batch:
    shape = (count, model.manifest.reads, model.manifest.channels)
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def patient(backend: RemoteBackend, seconds: float) -> None:
    """From now on it waits so long."""
    object.__setattr__(backend._target, "timeout_s", seconds)


def trouble_after_a_question(backend: RemoteBackend, model: Artefact) -> str:
    with pytest.raises(RemoteError) as caught:
        backend.infer(windows(model))
    return caught.value.reason


# what it says


@pytest.mark.parametrize("binary", [True, False], ids=["binary", "JSON"])
@pytest.mark.parametrize("architecture", ["tcn", "spiking_tcn", "covariance"])
def test_its_answers_are_the_references(tmp_path: Path, architecture: str, binary: bool) -> None:
    model = make_artefact(tmp_path / "tiny", architecture=architecture)
    fleet = fleet_of(model, takes_binary=binary, extensions=[])
    emg = windows(model, 3)
    if architecture == "spiking_tcn":
        fleet.metadata["outputs"].append({"name": "spikes", "datatype": "FP32", "shape": [-1]})
        logits = fleet.outputs
        fleet.outputs = lambda emg: {**logits(emg), "spikes": np.arange(len(emg))}
    with opened(model, fleet) as backend:
        assert backend.trouble is None
        found = backend.infer(emg)
    assert found.logits == pytest.approx(reference_logits(model, emg), abs=1e-5)
    assert found.spikes.tolist() == ([0, 1, 2] if architecture == "spiking_tcn" else [0, 0, 0])


@pytest.mark.parametrize("layout", ["ntc", "nct"])
@pytest.mark.parametrize("probabilities", [True, False], ids=["probabilities", "logits"])
def test_somebodys_own_graph_is_asked_by_its_own_names(
    tmp_path: Path, layout: str, probabilities: bool
) -> None:
    kind = "probabilities" if probabilities else "logits"
    model = foreign_models.foreign(
        tmp_path,
        foreign_models.graph(layout=layout, probabilities=probabilities),
        foreign_models.draft(input={"layout": layout}, outputs={"kind": kind}),
        foreign_models.golden(
            output=foreign_models.answers(foreign_models.emg(), probabilities=probabilities)
        ),
    )
    manifest, name = model.manifest, "p" if probabilities else "y"
    shape = [-1, 4, 20] if layout == "nct" else [-1, 20, 4]

    def outputs(emg: Batch) -> dict[str, Any]:
        signal = emg.transpose(0, 2, 1) if layout == "nct" else emg
        return {name: foreign_models.answers(signal, 0.0, 1.0, probabilities)}

    metadata = described(manifest, name=model.path.name, given="x", output=name)
    metadata["inputs"][0]["shape"] = shape
    with opened(model, Fleet(outputs, metadata)) as backend:
        assert backend.trouble is None
        emg = windows(model, 2)
        found = backend.infer(emg).logits
    right = foreign_models.answers(emg, 0.0, 1.0, probabilities)
    assert found == pytest.approx(np.log(right) if probabilities else right, abs=1e-4)


def test_values_are_compared_with_the_golden_vectors(tmp_path: Path) -> None:
    model = value_models.regression(tmp_path)
    metadata = described(model.manifest, name=model.path.name, given="x", output="angles")

    def outputs(emg: Batch) -> dict[str, Any]:
        return {"angles": value_models.answers(emg * value_models.STD + value_models.MEAN)}

    with opened(model, Fleet(outputs, metadata)) as backend:
        assert backend.trouble is None
    with opened(model, Fleet(lambda emg: {"angles": outputs(emg)["angles"] + 1}, metadata)) as backend:
        assert "differ from the golden vectors" in str(backend.trouble)


def test_another_server_of_ours_is_told_that_windows_are_normalised_and_not_to_ask_on(
    model: Artefact,
) -> None:
    fleet = fleet_of(model)
    fleet.metadata["platform"] = "myostream"
    with opened(model, fleet) as backend:
        backend.infer(windows(model))
    assert fleet.requests[-1].parameters == {"preprocess": False, "remote": False}


def test_a_header_goes_with_every_request(model: Artefact) -> None:
    fleet = fleet_of(model)
    with opened(model, fleet, header=("Authorization", "Bearer 123")) as backend:
        backend.infer(windows(model))
    assert fleet.headers
    assert all(one["Authorization"] == "Bearer 123" for one in fleet.headers)


def test_many_windows_go_in_several_calls_and_come_back_in_their_order(model: Artefact) -> None:
    fleet, emg = fleet_of(model, config={"max_batch_size": 5}), windows(model, 11)
    with opened(model, fleet) as backend:
        fleet.asked.clear()
        assert backend.infer(emg).logits == pytest.approx(reference_logits(model, emg), abs=1e-5)
    assert sum(fleet.asked) == 11 + 1, "one of them is a proof"
    assert max(fleet.asked) <= 5


@pytest.mark.parametrize("fixed", [True, False], ids=["by its shape", "by its configuration"])
def test_a_server_that_takes_one_window_gets_one_at_a_time(model: Artefact, fixed: bool) -> None:
    fleet, emg = fleet_of(model, config=None if fixed else {"max_batch_size": 1}), windows(model, 3)
    if fixed:
        fleet.metadata["inputs"][0]["shape"][0] = 1
    with opened(model, fleet) as backend:
        assert backend.infer(emg).logits == pytest.approx(reference_logits(model, emg), abs=1e-5)
    assert set(fleet.asked) == {1}


def test_a_server_without_binary_tensors_is_asked_in_json_a_few_windows_at_a_time(model: Artefact) -> None:
    fleet = fleet_of(model, extensions=[], takes_binary=False)
    with opened(model, fleet) as backend:
        backend.infer(windows(model, 30))
    assert max(fleet.asked) == MOST_JSON
    assert not any(one.binary for one in fleet.requests)


def test_steps_of_a_spiking_network_are_those_of_its_graph(tmp_path: Path) -> None:
    model = make_artefact(tmp_path / "tiny", architecture="spiking_tcn")
    with opened(model, fleet_of(model)) as backend, pytest.raises(WindowError, match="steps must be 4"):
        backend.infer(windows(model), steps=7)


# together


def test_windows_that_wait_go_together_and_each_gets_its_own_answer(model: Artefact) -> None:
    fleet = fleet_of(model)
    found: dict[int, Any] = {}

    def ask(seed: int, backend: RemoteBackend) -> None:
        found[seed] = backend.infer(windows(model, 1, seed)).logits

    with opened(model, fleet) as backend:
        fleet.asked.clear()
        fleet.gate.clear()
        threads = [threading.Thread(target=ask, args=(seed, backend)) for seed in range(12)]
        for thread in threads:
            thread.start()
        until(lambda: len(fleet.asked) == 2 and len(backend._senders._waiting) == 12 - sum(fleet.asked) + 2)
        fleet.gate.set()
        for thread in threads:
            thread.join(PATIENT_S)
    assert len(fleet.asked) < 12
    for seed, logits in found.items():
        assert logits == pytest.approx(reference_logits(model, windows(model, 1, seed)), abs=1e-5)
    assert len(found) == 12


def test_connections_are_kept(model: Artefact) -> None:
    fleet = fleet_of(model)
    with opened(model, fleet) as backend:
        before = fleet.connections
        for _ in range(20):
            backend.infer(windows(model))
    assert fleet.connections == before + 1


# trouble


def test_a_late_answer_is_not_waited_for_and_never_taken_for_the_next(model: Artefact) -> None:
    fleet = fleet_of(model)
    with opened(model, fleet) as backend:
        backend.infer(windows(model))
        patient(backend, SOON_S)
        fleet.gate.clear()
        with pytest.raises(RemoteError) as caught:
            backend.infer(windows(model, seed=1))
        assert caught.value.late
        fleet.gate.set()
        patient(backend, PATIENT_S)
        for seed in range(5):
            found = backend.infer(windows(model, seed=seed)).logits
            assert found == pytest.approx(reference_logits(model, windows(model, seed=seed)), abs=1e-5)


def test_what_was_not_sent_in_time_is_never_sent(model: Artefact) -> None:
    fleet = fleet_of(model)
    with opened(model, fleet) as backend:
        patient(backend, SOON_S)
        fleet.asked.clear()
        fleet.gate.clear()
        errors: list[RemoteError] = []

        def ask() -> None:
            try:
                backend.infer(windows(model))
            except RemoteError as error:
                errors.append(error)

        threads = [threading.Thread(target=ask) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENT_S)
        assert len(errors) == 8
        sent = len(fleet.asked)
        fleet.gate.set()
        patient(backend, PATIENT_S)
        backend.infer(windows(model))
    assert sent < 8
    assert fleet.asked[sent:] == [2], "the new one, with a proof; nothing of before"


def test_an_answer_that_trickles_ends_at_the_deadline(model: Artefact) -> None:
    fleet = fleet_of(model)
    with opened(model, fleet) as backend:
        patient(backend, SOON_S)
        fleet.trickle = True
        with pytest.raises(RemoteError) as caught:
            backend.infer(windows(model))
    assert caught.value.late


def answer_of(change: Callable[[dict[str, Any]], None]) -> Any:
    """Spoil the JSON of an answer, which has the tensors in it."""

    def spoil(status: int, headers: dict[str, str], content: bytes) -> tuple[int, dict[str, str], bytes]:
        said = json.loads(content)
        change(said)
        return status, headers, json.dumps(said).encode()

    return spoil


def bytes_of(change: Callable[[dict[str, Any], bytes], tuple[dict[str, Any], bytes]]) -> Any:
    """Spoil an answer with its tensors behind the JSON."""

    def spoil(status: int, headers: dict[str, str], content: bytes) -> tuple[int, dict[str, str], bytes]:
        at = int(headers["Inference-Header-Content-Length"])
        said, tensors = change(json.loads(content[:at]), content[at:])
        head = json.dumps(said).encode()
        return status, {**headers, "Inference-Header-Content-Length": str(len(head))}, head + tensors

    return spoil


def set_output(**changes: Any) -> Callable[[dict[str, Any]], None]:
    return lambda said: said["outputs"][0].update(changes)


def set_size(size: int) -> Callable[[dict[str, Any], bytes], tuple[dict[str, Any], bytes]]:
    def change(said: dict[str, Any], tensors: bytes) -> tuple[dict[str, Any], bytes]:
        said["outputs"][0]["parameters"]["binary_data_size"] = size
        return said, tensors

    return change


NAN = np.full((2, 3), np.nan, np.float32)

SPOILT = {
    "NaN": (True, bytes_of(lambda said, tensors: (said, NAN.tobytes())), "NaN or infinity"),
    "null": (False, answer_of(set_output(data=[None] * 6)), "NaN or infinity"),
    "bare NaN": (False, lambda s, h, c: (s, h, c.replace(b"[", b"[NaN,", 2)), "no JSON"),
    "texts": (False, answer_of(set_output(data=["a"] * 6)), "data of logits are no numbers"),
    "no data": (False, answer_of(lambda said: said["outputs"][0].pop("data")), "came as 1 values"),
    "too few": (False, answer_of(set_output(data=[1.0])), "came as 1 values; its shape has 6"),
    "other shape": (False, answer_of(set_output(shape=[2, 4])), "not as 'FP32' [2, 3]"),
    "other type": (False, answer_of(set_output(datatype="FP64")), "came as 'FP64'"),
    "other name": (False, answer_of(set_output(name="y")), "no output logits"),
    "no outputs": (False, answer_of(lambda said: said.pop("outputs")), "no list of outputs"),
    "other question": (False, answer_of(lambda said: said.update(id="nobody's")), "to the question \"nobody's\""),
    "other version": (False, answer_of(lambda said: said.update(model_version="2")), "is version 2 now, not 1"),
    "bytes beyond": (True, bytes_of(set_size(1000)), "binary_data_size of 'logits' is 1000, and 24 bytes"),
    "bytes below zero": (True, bytes_of(set_size(-1)), "binary_data_size of 'logits' is -1"),
    "bytes too few": (True, bytes_of(set_size(8)), "came as 8 bytes; its shape has 24"),
    "header beyond": (True, lambda s, h, c: (s, {"Inference-Header-Content-Length": "9999"}, c), "is 9999, of"),
    "header of letters": (True, lambda s, h, c: (s, {"Inference-Header-Content-Length": "x"}, c), "is x, of"),
    "body cut": (True, lambda s, h, c: (s, {**h, "Content-Length": str(len(c) + 9)}, c), "no answer"),
    "no JSON": (False, lambda s, h, c: (s, h, b"<html>"), "no JSON"),
    "a list": (False, lambda s, h, c: (s, h, b"[]"), "no JSON object"),
    "500": (False, lambda s, h, c: (500, h, b"it broke"), "answered 500: 'it broke'"),
    "404": (False, lambda s, h, c: (404, h, b'{"error": "no model"}'), "answered 404: 'no model'"),
    "redirect": (False, lambda s, h, c: (302, {"Location": "/x"}, b""), "answered 302"),
    "cut": (False, lambda s, h, c: None, "does not answer"),
    "not HTTP": (False, lambda s, h, c: (200, {"Content-Length": "-5"}, c), ""),
}  # fmt: skip


@pytest.mark.parametrize("case", SPOILT)
def test_an_answer_that_is_none_is_not_used(model: Artefact, case: str) -> None:
    binary, spoil, reason = SPOILT[case]
    fleet = fleet_of(model, takes_binary=binary, extensions=["binary_tensor_data"] if binary else [])
    with opened(model, fleet) as backend:
        assert backend.trouble is None
        patient(backend, SOON_S if case == "body cut" else PATIENT_S)
        fleet.spoil = spoil
        said = trouble_after_a_question(backend, model)
        assert reason in said
        fleet.spoil = None


# the model there


def test_a_mismatch_says_what_it_is_and_what_it_should_be(model: Artefact) -> None:
    tensors = described(model.manifest, name="tiny")
    (given,), (output,) = tensors["inputs"], tensors["outputs"]
    for changes, said in [
        ({"inputs": [{**given, "name": "x"}]}, "its input is 'x', and the model's is 'emg'"),
        (
            {"inputs": [{**given, "shape": [-1, 40, 8]}]},
            "takes 'emg' as FP32 [-1, 40, 8], and the model takes FP32 [-1, 20, 4]",
        ),
        (
            {"inputs": [{**given, "datatype": "INT8"}]},
            "takes 'emg' as INT8 [-1, 20, 4], and the model takes FP32",
        ),
        ({"inputs": [given, given]}, "it takes 'emg', 'emg', and the model takes one input"),
        ({"inputs": [{**given, "shape": [4, 20, 4]}]}, "batches of 4 only, and the model takes any"),
        (
            {"outputs": [{**output, "shape": [-1, 5]}]},
            "gives 'logits' as FP32 [-1, 5], and the model gives FP32 [-1, 3]",
        ),
        ({"outputs": [{**output, "name": "y"}]}, "it gives 'y', and the model gives the output logits"),
        ({"outputs": "none"}, "does not say name, datatype and shape of its outputs"),
    ]:
        fleet = fleet_of(model)
        fleet.metadata.update(changes)
        with opened(model, fleet) as backend:
            assert said in str(backend.trouble)
            assert "model export" in backend.cure


def test_a_model_that_is_not_there_says_so(model: Artefact) -> None:
    fleet = fleet_of(model)
    fleet.metadata["name"] = "another"
    with opened(model, fleet) as backend:
        assert f"{fleet.url} has no model tiny" == backend.trouble


def test_another_model_of_the_same_shape_is_found_out(model: Artefact) -> None:
    fleet = fleet_of(model)
    fleet.outputs = lambda emg: {"logits": emg.mean(1)[:, :3]}
    with opened(model, fleet) as backend:
        assert "its answers differ from the reference of tiny" in str(backend.trouble)


def test_a_server_that_computes_some_rows_of_a_large_batch_only_is_found_out(model: Artefact) -> None:
    """OpenVINO 2026.4.1 does so in int8 graphs of one kind, without an error."""
    fleet = fleet_of(model)
    right = fleet.outputs

    def some(emg: Batch) -> dict[str, Any]:
        logits = np.array(right(emg)["logits"])
        logits[8:] = logits[:1]
        return {"logits": logits}

    fleet.outputs = some
    with opened(model, fleet) as backend:
        assert "in a batch of 64" in str(backend.trouble)


def test_another_model_after_a_restart_is_found_out_by_the_first_question(model: Artefact) -> None:
    fleet = fleet_of(model)
    with opened(model, fleet) as backend:
        backend.infer(windows(model))
        fleet.kill()
        fleet.outputs = lambda emg: {"logits": emg.mean(1)[:, :3]}
        fleet.start()
        assert "another model answers for tiny" in trouble_after_a_question(backend, model)
        assert backend.trouble is not None, "it is not asked again before it was examined"


def test_a_restart_with_the_same_model_is_not_noticed(model: Artefact) -> None:
    fleet = fleet_of(model)
    with opened(model, fleet) as backend:
        backend.infer(windows(model))
        fleet.kill()
        fleet.start()
        assert backend.infer(windows(model)).logits == pytest.approx(
            reference_logits(model, windows(model)), abs=1e-5
        )


# the circuit


def retried(backend: RemoteBackend) -> None:
    """Have the next try be due, and wait until it is over."""
    backend._circuit._due = 0.0
    backend.tick()
    until(lambda: not backend._trying)


def test_a_fleet_that_is_gone_is_left_alone_after_three_failures_until_a_try_succeeds(
    model: Artefact,
) -> None:
    fleet = fleet_of(model)
    with opened(model, fleet) as backend:
        fleet.kill()
        for _ in range(3):
            assert backend.trouble is None
            assert "does not answer" in trouble_after_a_question(backend, model)
        assert "does not answer" in str(backend.trouble)
        retried(backend)
        assert backend.trouble is not None
        fleet.start()
        retried(backend)
        assert backend.trouble is None
        assert backend.infer(windows(model)).logits.shape == (1, 3)


def test_a_fleet_that_is_not_there_at_the_opening_is_found_later(model: Artefact) -> None:
    fleet = fleet_of(model)
    with serving(fleet):
        fleet.kill()
        backend = open_backend(model, fleet)
        assert "Connection refused" in str(backend.trouble)
        fleet.start()
        retried(backend)
        assert backend.trouble is None
        backend.infer(windows(model))
        backend.close()


def test_while_the_circuit_is_open_nothing_is_sent(model: Artefact) -> None:
    fleet = fleet_of(model)
    fleet.metadata["name"] = "another"
    with opened(model, fleet) as backend:
        for _ in range(5):
            assert "has no model" in trouble_after_a_question(backend, model)
    assert fleet.asked == []


def test_a_fleet_too_slow_for_its_deadline_is_not_asked(model: Artefact) -> None:
    with opened(model, fleet_of(model), timeout_s=1e-6) as backend:
        assert "EMG_OIP_TIMEOUT is 0.001 ms" in str(backend.trouble)
        assert "raise EMG_OIP_TIMEOUT" in backend.cure
