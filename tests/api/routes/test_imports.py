"""`POST /recordings/import`: files come in, recordings come of them, and of what fails nothing is left."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app import create_app
from app.api.codec import forms
from app.api.sse import events as sse
from app.config import EmgMode, Settings
from app.emg.recording import folder as folders
from app.emg.recording import import_job, import_process
from app.emg.recording.export_npz import write_npz
from app.errors import DataError
from app.serving.engine.opening import make_engine
from app.serving.recordings import file_imports
from app.serving.recordings.file_imports import plain_file_name
from app.serving.runtime import Runtime
from tests.api.test_bad_input import expect_problem
from tests.emg.written import ACCELEROMETER, aux, chunk, written
from tests.inference.artefacts import make_artefact

MAX_BODY = 2**18
PATH = "/recordings/import"
TABLE = "".join(f"{k * k % 97},{k * 7 % 31}\n" for k in range(1000)).encode()
PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("instance")


@pytest.fixture(scope="module")
def app(instance: Path) -> Iterator[Flask]:
    artefact = make_artefact(instance / "models" / "tiny")
    chosen = Settings(
        emg_mode=EmgMode.PUSH,
        backends=("pytorch",),
        mains_hz=None,
        instance=instance,
        max_body=MAX_BODY,
        max_exports=1,
        max_exports_per_key=1,
    )
    runtime = Runtime(
        settings=chosen, artefact=artefact, engine=make_engine(chosen, artefact), encode=sse.encode
    )
    runtime.start()
    yield create_app(runtime)
    runtime.close()


@pytest.fixture
def client(app: Flask, instance: Path) -> Iterator[FlaskClient]:
    """A client; afterwards there is no recording, and nothing else where they are kept."""
    client = app.test_client()
    yield client
    root = instance / "recordings"
    for name in folders.names(root):
        assert client.delete(f"/emg/recordings/{name}").status_code == 204
    assert not root.exists() or list(root.iterdir()) == []


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A file of ours, with labels and what came beside the EMG."""
    folder = tmp_path_factory.mktemp("there")
    entries = [replace(chunk(0), aux=(aux(0, 0.0, 1),)), chunk(25, label=1)]
    written(folder, entries, aux=(ACCELEROMETER,), model=None)
    write_npz(folder, "one", folder / "one.npz")
    return (folder / "one.npz").read_bytes()


def sent(client: FlaskClient, content: bytes, **query: Any) -> TestResponse:
    return client.post(PATH, data=content, query_string=query, content_type="application/octet-stream")


def test_a_file_becomes_a_recording_like_any_other(client: FlaskClient, content: bytes) -> None:
    answer = sent(client, content, filename="/some/where/Anna 7.npz", subject="S03")
    assert answer.status_code == 201, answer.get_data(as_text=True)
    made = answer.get_json()
    assert (made["name"], made["state"], made["subject"], made["model"]) == (
        "Anna-7",
        "complete",
        "S03",
        None,
    )
    assert (made["files"], made["format"]) == (["Anna 7.npz"], "Myostream recording (.npz)")
    assert (made["samples"], made["gaps"], made["lost_samples"], made["restarts"]) == (20, 1, 15, 0)
    assert (made["sampling_rate_hz"], made["rate_source"]) == (200.0, "from the file's fs")
    assert (made["gesture_names"], made["rest"]) == (["rest", "fist"], "rest")
    assert made["labelled_seconds"] == {"rest": 0.05, "fist": 0.05}
    assert made["aux"] == [
        {
            "name": "accelerometer",
            "channel_names": ["X", "Y", "Z"],
            "units": "g",
            "sampling_rate_hz": ACCELEROMETER.sampling_rate,
        }
    ]
    assert (made["found"], made["assumed"]) == ([], [])
    (listed,) = client.get("/emg/recordings").get_json()["recordings"]
    assert listed == {**{key: made[key] for key in listed}, "repetitions": None}  # told of one alone
    with (
        client.get("/emg/recordings/Anna-7/download") as download,
        np.load(io.BytesIO(download.data)) as file,
    ):
        assert file["sample_index"].tolist() == [*range(10), *range(25, 35)]


def test_files_of_a_form_become_one_recording_and_its_fields_are_options(
    client: FlaskClient, content: bytes
) -> None:
    files = [(io.BytesIO(content), "a.npz"), (io.BytesIO(content), "a.npz")]
    data = {"file": files, "name": "both", "units": "mV", "rate": "200"}
    answer = client.post(PATH, data=data, content_type="multipart/form-data", query_string={"subject": "S1"})
    assert answer.status_code == 201, answer.get_data(as_text=True)
    made = answer.get_json()
    assert (made["name"], made["subject"], made["units"], made["samples"]) == ("both", "S1", "mV", 40)
    assert (made["files"], made["restarts"]) == (["a.npz", "a-1.npz"], 1)


def test_a_file_in_a_form_may_be_as_large_as_any(client: FlaskClient) -> None:
    """Its pieces were held to what a field may have: nothing above 64 KiB was taken."""
    table = TABLE * 25
    assert len(table) > 2 * forms.MOST_FIELD
    data = {"file": (io.BytesIO(table), "a.csv"), "rate": "200", "units": "mV"}
    answer = client.post(PATH, data=data, content_type="multipart/form-data")
    assert answer.status_code == 201, answer.get_data(as_text=True)
    assert answer.get_json()["samples"] == 25_000


@pytest.mark.parametrize(
    ("body", "query", "status", "says"),
    [
        (PNG, {}, 422, "file: is of no format that is read here"),
        (PNG, {"filename": "../../x\n.png"}, 422, "x_.png: is of no format"),
        (b"", {}, 400, "the body is empty; send the file"),
        (b"x", {"name": "../x"}, 422, "a name has 1 to 64 letters"),
        (b"x", {"subject": "Anna B"}, 422, "must be 1 to 32 letters"),
        (b"x", {"rate": "0"}, 422, "must be above 0"),
        (
            b"x",
            {"units": "banana"},
            422,
            "units: must be V, mV, uV, nV, counts for the numbers of a converter",
        ),
        (b"x", {"rate": "fast"}, 422, "must be a number"),
        (b"x", {"gestures": "a,,b"}, 422, "must be names with commas between"),
        (b"x", {"columns": "1"}, 422, "unknown field; there are"),
        (b"x" * (MAX_BODY + 1), {}, 413, "the body is larger than EMG_MAX_BODY"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(
    client: FlaskClient, body: bytes, query: dict[str, str], status: int, says: str
) -> None:
    answer = sent(client, body, **query)
    assert says in expect_problem(answer, status)["detail"]
    assert "\n" not in answer.get_json()["detail"]


@pytest.mark.parametrize(
    ("data", "status", "says"),
    [
        ({"name": "x"}, 422, "the form needs one file or more, each called file"),
        ({"file": "text"}, 422, "must be a file"),
        ({"other": (io.BytesIO(b"x"), "x.csv")}, 422, "a file is called file"),
        ({"name": ["x", "y"]}, 422, "comes twice"),
        ({"colour": "red", "file": (io.BytesIO(b"x"), "x.csv")}, 422, "unknown field"),
        ({"units": "x" * (forms.MOST_FIELD + 1)}, 413, "EMG_MAX_BODY"),
    ],
)
def test_a_form_that_is_wrong_is_refused(
    client: FlaskClient, data: dict[str, Any], status: int, says: str
) -> None:
    answer = client.post(PATH, data=data, content_type="multipart/form-data")
    assert says in expect_problem(answer, status)["detail"]


@pytest.mark.parametrize(
    ("kind", "body", "status", "says"),
    [
        ("multipart/form-data", b"x", 400, "no boundary"),
        ("multipart/form-data; boundary=b", b"--b\r\nno header", 400, "the form is malformed"),
        ("multipart/form-data; boundary=b", b"x", 400, "the form is malformed"),
        ("text/csv", b"\0\1\2", 422, "no format"),
    ],
)
def test_a_body_that_is_torn_is_refused(
    client: FlaskClient, kind: str, body: bytes, status: int, says: str
) -> None:
    assert says in expect_problem(client.post(PATH, data=body, content_type=kind), status)["detail"]


def test_a_file_whose_upload_broke_off_is_no_shorter_file(client: FlaskClient) -> None:
    """A table that ends early is a table: it became a recording of what had come."""
    answer = client.post(
        PATH,
        data=TABLE,
        query_string={"filename": "a.csv", "rate": 1000},
        content_type="application/octet-stream",
        environ_overrides={"CONTENT_LENGTH": str(2 * len(TABLE)), "wsgi.input_terminated": True},
    )
    assert f"ended after {len(TABLE)} of its {2 * len(TABLE)} bytes" in expect_problem(answer, 400)["detail"]


def test_json_is_no_file(client: FlaskClient) -> None:
    answer = client.post(PATH, json={"name": "x"})
    assert "the body is the file (application/octet-stream)" in expect_problem(answer, 415)["detail"]


def test_an_import_that_would_wait_long_is_told_so(app: Flask, client: FlaskClient) -> None:
    imports = app.extensions["runtime"]().recorder.imports
    with imports.receiving(), imports.receiving():
        answer = sent(client, b"x")
    assert "2 imports are under way" in expect_problem(answer, 503)["detail"]
    assert "Retry-After" in answer.headers
    assert expect_problem(sent(client, b""), 400)


def test_a_compressed_body_is_refused(client: FlaskClient, content: bytes) -> None:
    answer = client.post(PATH, data=content, headers={"Content-Encoding": "gzip"})
    assert "Content-Encoding: gzip is not taken" in expect_problem(answer, 415)["detail"]


def test_a_name_that_is_taken_is_not_written_over(client: FlaskClient, content: bytes) -> None:
    assert sent(client, content, name="mine", filename="a.npz").status_code == 201
    answer = sent(client, content, name="mine", filename="a.npz")
    assert "there is a recording mine already" in expect_problem(answer, 409)["detail"]


def test_a_process_that_takes_too_much_is_ended_and_that_is_said(
    client: FlaskClient, content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its bound on memory is too small for Python itself: the process dies without a word."""
    monkeypatch.setattr(file_imports, "MEMORY", 2**20)
    answer = sent(client, content, filename="a.npz")
    assert "takes more than" in expect_problem(answer, 422)["detail"]
    assert "flask emg import" in answer.get_json()["detail"]


def test_imports_and_downloads_share_their_places(app: Flask, client: FlaskClient, content: bytes) -> None:
    runtime = app.extensions["runtime"]()
    close = runtime.exports.open("somebody")
    try:
        answer = sent(client, content)
        assert "as many as EMG_MAX_EXPORTS" in expect_problem(answer, 503)["detail"]
    finally:
        close()


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("R_1_C_3_EMG.csv", "R_1_C_3_EMG.csv"),
        ("C:\\Users\\me\\a b.csv", "a b.csv"),
        ("../../../etc/passwd", "passwd"),
        ("..", "file"),
        (".hidden", "hidden"),
        ("a\0b\n.csv", "a_b_.csv"),
        ("\u624b" * 100 + ".csv", "\u624b" * 38 + ".csv"),
        ("/", "file"),
    ],
)
def test_a_file_keeps_what_its_name_says_and_nothing_that_leads_elsewhere(said: str, kept: str) -> None:
    assert plain_file_name(said) == kept
    assert len(kept.encode()) <= file_imports.MOST_NAME


def test_what_a_reader_does_not_foresee_is_no_fault_of_the_clients(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(import_process, "import_files", fails)
    hints = dict.fromkeys(("emg", "label", "time", "rest", "gesture_names", "rate_hz", "units", "board"))
    job = {"hints": hints, "paths": []}
    assert import_process.done(job) == {
        "kind": "data",
        "error": "the file cannot be read; the server's log has the reason",
    }
    with pytest.raises(DataError, match="takes more than 3 GiB of memory or 300 s"):
        import_job.result_in(tmp_path / "none", {"memory": 3 * 2**30, "seconds": 300})
