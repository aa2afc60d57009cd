"""A small server of the Open Inference Protocol, which can be told to do wrong. It speaks by our own codec."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np

from app.api.codec.oip import HEADER_LENGTH, OipRequest, OutputTensor, choose, read_request, write_answer
from app.inference.artefact import Artefact
from app.inference.backend import Batch
from app.inference.manifest import Manifest
from app.inference.reference import reference_logits

Json = dict[str, Any]
Outputs = Callable[[Batch], Mapping[str, Any]]
LATE_S = 30.0


@dataclass(eq=False)
class Fleet:
    """What it serves, how, and what it was asked. `spoil` changes an answer, or says None: close the connection."""

    outputs: Outputs
    metadata: Json
    extensions: list[str] | None = field(default_factory=lambda: ["binary_tensor_data"])
    config: Json | None = None
    version: str = "1"
    takes_binary: bool = True
    spoil: Callable[[int, dict[str, str], bytes], tuple[int, dict[str, str], bytes] | None] | None = None
    trickle: bool = False  # the body comes a byte at a time
    closes: bool = False  # after each answer, without a word
    gate: threading.Event = field(default_factory=threading.Event)  # until it is set, no question is answered
    inside: threading.Event = field(default_factory=threading.Event)  # a question waits at the gate
    asked: list[int] = field(default_factory=list)  # windows of each question
    requests: list[OipRequest] = field(default_factory=list)
    headers: list[Mapping[str, str]] = field(default_factory=list)
    connections: int = 0
    port: int = 0
    _server: ThreadingHTTPServer | None = None
    _open: set[socket.socket] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.gate.set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Listen, at the same port as before where it has been started already."""
        self._server = _Server(("127.0.0.1", self.port), _handler(self))
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def kill(self) -> None:
        """Close the port and every connection, whatever is under way."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None
        self.cut()

    def cut(self) -> None:
        """Close every connection: with the next request it is found out."""
        for one in list(self._open):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        self._open.clear()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Whoever asks may leave."""


def _handler(fleet: Fleet) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def setup(self) -> None:
            super().setup()
            fleet.connections += 1
            fleet._open.add(self.connection)

        def log_message(self, format: str, *args: Any) -> None:
            pass

        def do_GET(self) -> None:
            said: Json | None = None
            if self.path == "/v2":
                said = {"name": "fleet", "version": "1"}
                if fleet.extensions is not None:
                    said["extensions"] = fleet.extensions
            elif self.path == f"/v2/models/{fleet.metadata.get('name')}":
                said = fleet.metadata
            elif self.path.endswith("/config"):
                said = fleet.config
            self._send(404 if said is None else 200, {}, json.dumps(said or {"error": "not found"}).encode())

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            length = self.headers.get(HEADER_LENGTH)
            fleet.headers.append(dict(self.headers.items()))
            if length is not None and not fleet.takes_binary:
                self._send(422, {}, b'{"detail": "no binary here"}')
                return
            request = read_request(body, length)
            fleet.requests.append(request)
            (emg,) = request.inputs.values()
            fleet.asked.append(len(emg))
            if not fleet.gate.is_set():
                fleet.inside.set()
                fleet.gate.wait(LATE_S)
            given = [
                OutputTensor(name, "FP32", np.asarray(values, np.float32))
                for name, values in fleet.outputs(emg.astype(np.float32)).items()
            ]
            content, head = write_answer(
                fleet.metadata["name"], fleet.version, request, choose(request, given)
            )
            headers = {} if head is None else {HEADER_LENGTH: str(head)}
            spoilt = (200, headers, content)
            if fleet.spoil is not None:
                found = fleet.spoil(200, headers, content)
                if found is None:
                    self.close_connection = True
                    self.connection.close()
                    return
                spoilt = found
            self._send(*spoilt)

        def _send(self, status: int, headers: Mapping[str, str], content: bytes) -> None:
            self.send_response(status)
            headers = {"Content-Length": str(len(content)), **headers}
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            if fleet.trickle:
                for k in range(len(content)):
                    self.wfile.write(content[k : k + 1])
                    threading.Event().wait(0.02)
            else:
                self.wfile.write(content)
            if fleet.closes:
                self.close_connection = True

    return Handler


def described(
    manifest: Manifest, *, name: str, given: str = "emg", output: str = "logits", **changes: Any
) -> Json:
    """What Triton says of a graph of ours."""
    return {
        "name": name,
        "versions": ["1"],
        "platform": "onnxruntime_onnx",
        "inputs": [{"name": given, "datatype": "FP32", "shape": [-1, manifest.reads, manifest.channels]}],
        "outputs": [{"name": output, "datatype": "FP32", "shape": [-1, len(manifest.columns)]}],
        **changes,
    }


def logits_of(artefact: Artefact) -> Outputs:
    """What a fleet gives that serves the artefact's graph."""
    return lambda emg: {"logits": reference_logits(artefact, emg).astype(np.float32)}


@contextmanager
def serving(fleet: Fleet) -> Iterator[Fleet]:
    """Give it while it runs."""
    fleet.start()
    try:
        yield fleet
    finally:
        fleet.gate.set()
        fleet.kill()
