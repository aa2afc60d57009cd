#!/usr/bin/env bash
# tritonclient gives the same BYTES output as bytes or as str, by the way in which it came.
#
# Seen with tritonclient 2.73.0 [http], 30 November 2026. A server answers one output, datatype BYTES, shape [2], the texts
# rest and fist: once as binary tensor, once as JSON `data`; both are as the Open Inference Protocol and its binary extension
# have them. `as_numpy` gives an array of objects in both cases: of bytes, b'rest', for the binary tensor, which is the client's
# default, and of str, 'rest', for JSON (`binary_data=False`). So `label == b"rest"` is right until somebody asks for JSON, then
# False without an error.
# For us: docs/api.md says it beside the example, and tests/server/oip/triton_session.py reads both.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check 'tritonclient[http]==2.73.0'
cd "$folder"
cat > server.py <<'PY'
import json
from http.server import BaseHTTPRequestHandler, HTTPServer

TEXTS = ["rest", "fist"]
LENGTH = "Inference-Header-Content-Length"


class Server(BaseHTTPRequestHandler):
    def do_POST(self):
        asked = self.rfile.read(int(self.headers["Content-Length"]))[: int(self.headers.get(LENGTH) or 1 << 30)]
        (output,) = json.loads(asked)["outputs"]
        told = {"name": "label", "datatype": "BYTES", "shape": [2]}
        tensor = b""
        if output["parameters"]["binary_data"]:
            tensor = b"".join(len(text).to_bytes(4, "little") + text.encode() for text in TEXTS)
            told["parameters"] = {"binary_data_size": len(tensor)}
        else:
            told["data"] = TEXTS
        head = json.dumps({"model_name": "m", "outputs": [told]}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(head) + len(tensor)))
        if tensor:
            self.send_header(LENGTH, str(len(head)))
        self.end_headers()
        self.wfile.write(head + tensor)

    def log_message(self, *_):
        pass


server = HTTPServer(("127.0.0.1", 0), Server)
print(server.server_port, flush=True)
server.serve_forever()
PY
"$folder/venv/bin/python" - <<'PY'
import subprocess
import sys

import numpy as np
import tritonclient.http as triton

server = subprocess.Popen([sys.executable, "server.py"], stdout=subprocess.PIPE, text=True)
try:
    client = triton.InferenceServerClient(f"127.0.0.1:{server.stdout.readline().strip()}")
    given = triton.InferInput("x", [1], "FP32")
    given.set_data_from_numpy(np.zeros(1, np.float32))
    found = {}
    for binary in (True, False):
        wanted = [triton.InferRequestedOutput("label", binary_data=binary)]
        found[binary] = client.infer("m", [given], outputs=wanted).as_numpy("label")
        print(f"binary_data={binary}:", found[binary].dtype, found[binary].tolist())
finally:
    server.kill()
assert found[True].tolist() == [b"rest", b"fist"]
assert found[False].tolist() == ["rest", "fist"]
PY
# Output seen:
#   binary_data=True: object [b'rest', b'fist']
#   binary_data=False: object ['rest', 'fist']
