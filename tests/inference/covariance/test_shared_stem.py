"""Models of one stem: one session, answers as if each had its own, and one call for windows of many."""

from __future__ import annotations

import gc
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.errors import ArtefactError, NotReadyError, WindowError
from app.inference.artefact import Artefact, save
from app.inference.covariance import shared_stem
from app.inference.covariance.shared_stem import STEM, StemBackend, infer_many
from app.inference.onnx.backend import OnnxBackend
from app.inference.openers import openers
from app.inference.parity import ALLOWED, compare, fixed_windows
from app.inference.reference import reference_logits
from tests.inference.covariance.models import child, covariance_model
from tests.inference.covariance.signals import ILL, ill_conditioned

BANDS = {"floor": 0.0044, "bands_hz": [[15, 35], [35, 60], [60, 95]]}
FORMS: dict[str, dict[str, Any]] = {
    "typical": {"hyper_parameters": {**BANDS, "typical": 96}},
    "linear alone": {"hyper_parameters": BANDS},
    "placements": {"hyper_parameters": {**BANDS, "typical": 5, "placements": 16}},
    "placements alone": {"hyper_parameters": {**BANDS, "placements": 3}},
    "curved": {"hyper_parameters": {**BANDS, "typical": 96, "curved": 48}},
    "curved alone": {"hyper_parameters": {**BANDS, "placements": 3, "curved": 6}},
    "projected": {"channels": 20, "hyper_parameters": {"floor": 0.0044, "projected": 6, "typical": 4}},
}
EACH_FORM = pytest.mark.parametrize("form", FORMS)


def close_to(found: np.ndarray, expected: np.ndarray, allowed: float = 1e-5) -> None:
    assert found.dtype == np.float32
    assert found.flags.c_contiguous
    assert np.abs(found - expected).max() <= allowed * np.abs(expected).max()


def windows_for(model: Artefact, count: int, seed: int = 1) -> np.ndarray:
    shape = (count, model.manifest.reads, model.manifest.channels)
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> list[Artefact]:
    folder = tmp_path_factory.mktemp("children")
    return [child(folder, seed, **FORMS["typical"]) for seed in range(3)]


@pytest.fixture
def opened(three: list[Artefact]) -> Iterator[list[StemBackend]]:
    backends = [StemBackend.open(model) for model in three]
    yield backends
    for backend in backends:
        backend.close()


@EACH_FORM
def test_a_child_answers_as_the_reference_and_as_its_own_graph(tmp_path: Path, form: str) -> None:
    model = child(tmp_path, **FORMS[form])
    backend, whole = StemBackend.open(model), OnnxBackend.open(model)

    found = compare(backend, model)

    assert found.holds
    assert found.difference < 2e-5
    for count in (1, 2, 33):
        windows = windows_for(model, count)
        answer = backend.infer(windows)
        close_to(answer.logits, whole.infer(windows).logits)
        np.testing.assert_array_equal(answer.spikes, np.zeros(count, np.float32))


@pytest.mark.parametrize("kind", ILL)
@EACH_FORM
def test_every_child_answers_ill_conditioned_windows_alone_and_together(
    tmp_path: Path, form: str, kind: str
) -> None:
    models = [child(tmp_path, seed, **FORMS[form]) for seed in range(2)]
    backends = [StemBackend.open(model) for model in models]
    windows = ill_conditioned(kind, models[0].manifest.reads, models[0].manifest.channels)

    together = infer_many([(backend, windows) for backend in backends])

    for model, backend, answer in zip(models, backends, together, strict=True):
        expected = reference_logits(model, windows)
        assert np.isfinite(expected).all()
        for logits in (backend.infer(windows).logits, answer.logits):
            close_to(logits, expected, ALLOWED["fp32"])


def test_children_share_one_session_whose_heads_are_their_own(opened: list[StemBackend]) -> None:
    assert len({backend.stem for backend in opened}) == 1
    assert len({id(backend.held) for backend in opened}) == 1
    windows = fixed_windows(opened[0].manifest)
    first, second, third = (backend.infer(windows).logits for backend in opened)
    assert (first != second).any()
    assert (second != third).any()


@pytest.mark.parametrize("counts", [(1, 1, 1), (3, 1, 16), (1,), ()], ids=str)
def test_one_call_for_many_gives_each_what_a_call_of_its_own_gives(
    opened: list[StemBackend], three: list[Artefact], counts: tuple[int, ...]
) -> None:
    parts = [
        (backend, windows_for(model, count, seed))
        for seed, (backend, model, count) in enumerate(zip(opened, three, counts, strict=False))
    ]

    answers = infer_many(parts)

    assert [len(answer.logits) for answer in answers] == list(counts)
    for (backend, windows), answer in zip(parts, answers, strict=True):
        close_to(answer.logits, backend.infer(windows).logits)
        np.testing.assert_array_equal(answer.spikes, np.zeros(len(windows), np.float32))


def test_a_call_for_many_runs_the_stem_once(
    opened: list[StemBackend], three: list[Artefact], monkeypatch: pytest.MonkeyPatch
) -> None:
    runs: list[int] = []
    real = StemBackend.run

    def counted(self: StemBackend, held: Any, output: str, emg: np.ndarray) -> Any:
        runs.append(len(emg))
        return real(self, held, output, emg)

    monkeypatch.setattr(StemBackend, "run", counted)

    infer_many([(backend, windows_for(three[0], 2)) for backend in opened])

    assert runs == [6]


@pytest.mark.parametrize("form", ["typical", "curved"])
def test_heads_of_other_gestures_run_together(tmp_path: Path, form: str) -> None:
    """Classes are no part of the stem: a child may know fewer gestures, or more."""
    models = [
        child(tmp_path, seed, **FORMS[form], classes=tuple("abcdefgh"[: 2 + 3 * seed])) for seed in range(3)
    ]
    backends = [StemBackend.open(model) for model in models]
    windows = windows_for(models[0], 4)

    answers = infer_many([(backend, windows) for backend in backends])

    assert len({id(backend.held) for backend in backends}) == 1
    assert [answer.logits.shape for answer in answers] == [(4, 2), (4, 5), (4, 8)]
    for model, answer in zip(models, answers, strict=True):
        close_to(answer.logits, OnnxBackend.open(model).infer(windows).logits)


@pytest.mark.parametrize(
    "other",
    [
        {"context": 120},
        {"length": 44},
        {"rate": 250},
        {"hyper_parameters": {**BANDS, "typical": 96, "tau_ms": 400.0}},
        {"hyper_parameters": {**BANDS, "typical": 96, "floor": 0.005}},
        {"hyper_parameters": {**BANDS, "typical": 96, "bands_hz": [[15, 35]]}},
        {"hyper_parameters": {**BANDS, "typical": 96, "degree": 24}},
    ],
    ids=str,
)
def test_what_makes_other_features_is_another_stem(tmp_path: Path, other: dict[str, Any]) -> None:
    one = child(tmp_path / "one", **FORMS["typical"])
    two = child(tmp_path / "two", **{**FORMS["typical"], **other})
    backends = [StemBackend.open(model) for model in (one, two)]

    assert backends[0].stem != backends[1].stem
    with pytest.raises(ValueError, match="of one stem"):
        infer_many([(backends[0], windows_for(one, 1)), (backends[1], windows_for(two, 1))])


def test_normalisation_is_no_part_of_the_stem(tmp_path: Path) -> None:
    one = child(tmp_path / "one", **FORMS["typical"])
    two = child(tmp_path / "two", **FORMS["typical"], std=np.full(8, 3, np.float32))

    assert StemBackend.open(one).stem == StemBackend.open(two).stem


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 0, 2)], ids=str)
def test_the_session_goes_with_the_last_whoever_that_is(
    three: list[Artefact], order: tuple[int, ...]
) -> None:
    backends = [StemBackend.open(model) for model in three]
    windows, stem = windows_for(three[0], 1), backends[0].stem
    expected = [backend.infer(windows).logits for backend in backends]

    for place, closed in enumerate(order):
        backends[closed].close()
        backends[closed].close()
        for left in order[place + 1 :]:
            np.testing.assert_array_equal(backends[left].infer(windows).logits, expected[left])
        gc.collect()
        assert (stem in shared_stem._open) == (place < 2)


def test_a_closed_one_says_so_also_among_others(opened: list[StemBackend], three: list[Artefact]) -> None:
    windows = windows_for(three[0], 1)
    opened[1].close()

    with pytest.raises(NotReadyError, match="onnxruntime backend is closed"):
        opened[1].infer(windows)
    with pytest.raises(NotReadyError, match="onnxruntime backend is closed"):
        infer_many([(backend, windows) for backend in opened])


def test_windows_of_another_shape_are_refused_and_none_is_run(
    opened: list[StemBackend], three: list[Artefact], monkeypatch: pytest.MonkeyPatch
) -> None:
    windows = windows_for(three[0], 2)
    monkeypatch.setattr(StemBackend, "run", lambda *_: pytest.fail("it ran"))

    for wrong in (windows[:, 1:], windows[:0], windows[0]):
        with pytest.raises(WindowError, match=r"takes windows of \(batch, context \+ length, channels\)"):
            infer_many([(opened[0], windows), (opened[1], wrong)])


THREADS = """
import sys
if sys.argv[1] == "gevent":
    from gevent import monkey
    monkey.patch_all()
import numpy as np
from app.inference import artefact
from app.inference.covariance import shared_stem
from app.inference.covariance.shared_stem import StemBackend, infer_many
from app.serving.process.native_thread import start_native

models = [artefact.load(path) for path in sys.argv[2:]]
manifest = models[0].manifest
windows = np.random.default_rng(0).standard_normal((2, manifest.reads, manifest.channels)).astype("f")
kept = StemBackend.open(models[0])
expected = [StemBackend.open(model).infer(windows).logits for model in models]
wrong, ended = [], []

def swap(k):
    try:
        for _ in range(40):
            backend = StemBackend.open(models[k])
            if not np.allclose(backend.infer(windows).logits, expected[k], atol=1e-3):
                wrong.append(k)
            backend.close()
    except BaseException as error:
        wrong.append(repr(error))
    ended.append(k)

start_native(lambda: swap(0))
start_native(lambda: swap(1))
while len(ended) < 2:
    found = infer_many([(kept, windows), (kept, windows)])
    if not np.allclose(found[1].logits, expected[0], atol=1e-3):
        wrong.append("kept")
kept.close()
assert not wrong, wrong
assert not shared_stem._open, list(shared_stem._open)
"""


@pytest.mark.parametrize("kind", ["gevent", "plain"])
def test_threads_open_and_close_while_another_infers(three: list[Artefact], kind: str) -> None:
    command = [sys.executable, "-c", THREADS, kind, *(str(model.path) for model in three[:2])]

    ran = subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)

    assert ran.returncode == 0, ran.stderr


def test_two_that_open_at_the_same_instant_both_answer(
    three: list[Artefact], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both look before either has opened: then there are two sessions for a while, and no lock to wait for."""
    meet, real = threading.Barrier(2, timeout=30), shared_stem.open_session
    windows, found = windows_for(three[0], 1), {}

    def together(*arguments: Any) -> Any:
        meet.wait()
        return real(*arguments)

    def work(model: Artefact) -> None:
        found[model.path] = StemBackend.open(model)

    monkeypatch.setattr(shared_stem, "open_session", together)
    threads = [threading.Thread(target=work, args=(model,)) for model in three[:2]]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    backends = [found[model.path] for model in three[:2]]
    answers = infer_many([(backend, windows) for backend in backends])
    for model, answer in zip(three, answers, strict=False):
        close_to(answer.logits, OnnxBackend.open(model).infer(windows).logits)
    stem = backends[0].stem
    for backend in backends:
        backend.close()
    gc.collect()
    assert stem not in shared_stem._open


def test_what_has_changed_on_the_disk_is_not_run_for_others(tmp_path: Path) -> None:
    model = child(tmp_path, **FORMS["typical"])
    (model.path / STEM).write_bytes(b"something else")

    with pytest.raises(ArtefactError, match=r"stem\.onnx has changed since the model was loaded"):
        StemBackend.open(model)


@pytest.mark.parametrize("content", [b"", b"not a graph"], ids=["empty", "text"])
def test_a_damaged_stem_is_refused_in_one_line(tmp_path: Path, content: bytes) -> None:
    model = with_files(child(tmp_path, **FORMS["typical"]), {STEM: content})

    with pytest.raises(ArtefactError, match=r"stem\.onnx is no graph that ONNX Runtime loads") as refusal:
        StemBackend.open(model)

    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("other", [{"context": 120}, {"hyper_parameters": BANDS | {"bands_hz": []}}], ids=str)
def test_the_stem_of_another_shape_is_refused(tmp_path: Path, other: dict[str, Any]) -> None:
    model = child(tmp_path / "one", **FORMS["typical"])
    foreign = child(tmp_path / "two", **{**FORMS["typical"], **other})
    mixed = with_files(model, {STEM: foreign.file(STEM).read_bytes()})

    with pytest.raises(ArtefactError, match=r"stem\.onnx must have .*got"):
        StemBackend.open(mixed)


def test_a_stem_whose_features_are_others_is_refused_where_it_is_opened_to_serve(tmp_path: Path) -> None:
    from app.errors import BackendUnavailableError

    model = child(tmp_path / "one", **FORMS["typical"])
    foreign = child(tmp_path / "two", hyper_parameters={**BANDS, "typical": 96, "tau_ms": 100.0})
    mixed = with_files(model, {STEM: foreign.file(STEM).read_bytes()})

    with pytest.raises(BackendUnavailableError, match="its answers differ from the reference"):
        openers(mixed, tmp_path)["onnxruntime"]()


def test_a_raw_vector_that_is_not_what_the_logits_are_made_of_is_refused(tmp_path: Path) -> None:
    import onnx

    model = child(tmp_path, **FORMS["typical"])
    graph = onnx.load_from_string(model.file(STEM).read_bytes())
    for node in graph.graph.node:
        for names in (node.input, node.output):
            names[:] = ["inner" if name == "raw" else name for name in names]
    graph.graph.node.append(onnx.helper.make_node("Neg", ["inner"], ["raw"]))
    odd = with_files(model, {STEM: graph.SerializeToString()})

    with pytest.raises(ArtefactError, match=r"`raw` is not what its logits are made of"):
        StemBackend.open(odd)


def test_a_server_opens_a_child_on_its_stem_and_any_other_model_on_its_graph(tmp_path: Path) -> None:
    with_stem = openers(child(tmp_path), tmp_path)["onnxruntime"]()
    without = openers(covariance_model(tmp_path / "lone"), tmp_path)["onnxruntime"]()

    assert isinstance(with_stem, StemBackend)
    assert with_stem.stem is not None
    assert isinstance(without, OnnxBackend)
    assert without.stem is None


def with_files(model: Artefact, files: dict[str, bytes]) -> Artefact:
    kept: dict[str, Any] = {name: model.file(name).read_bytes() for name in model.manifest.files}
    return save(model.path, model.manifest, {**kept, **files}, replacing=True)
