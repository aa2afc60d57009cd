"""The clients and a server that wants keys."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from app.config import ROOT
from app.keys import hash_of
from myostream_client import Completed, KeyRefusedError, StreamingInferenceClient
from tests.clients.conftest import ClientOf
from tests.server.live import Live, gunicorn

pytestmark = pytest.mark.server

KEY = "a-key-for-these-tests-and-no-others-0123456789"
BY_TICKET = """async ([apiKey, fps]) => {
    const { eventSource } = await import("/static/client.js");
    const options = { fps, duration_seconds: 1 };
    const said = [];
    await new Promise((resolve) => eventSource({
        apiKey, options, onEvent: (event) => said.push(event.label ?? event.status),
        onState: ({ state, error }) => {
            if (state === "failed") said.push(error.status);
            if (state === "failed" || state === "completed") resolve();
        },
    }));
    return said;
}"""


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    keys = f"tests:read+infer:{hash_of(KEY)}"
    with gunicorn(tmp_path_factory.mktemp("keys"), EMG_API_KEYS=keys) as live:
        yield live


def test_the_right_key_opens_and_others_are_refused(locked: Live, client_of: ClientOf) -> None:
    client: StreamingInferenceClient = client_of(locked.url, api_key=KEY)
    assert "label" in client.single_inference()
    assert isinstance(list(client.stream(duration_seconds=0.3))[-1], Completed)
    with pytest.raises(KeyRefusedError, match="401"):
        client_of(locked.url).single_inference()
    with pytest.raises(KeyRefusedError, match="403"):
        next(iter(client_of(locked.url, api_key="wrong").stream()))
    assert KEY not in locked.log


@pytest.mark.browser
def test_event_source_gets_in_by_a_ticket(locked: Live, page: Any) -> None:
    page.goto(f"{locked.url}/health/live")
    assert page.evaluate(BY_TICKET, [KEY, 10])[-1] == "completed"
    assert page.evaluate(BY_TICKET, ["wrong", 10]) == [403]


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
def test_node_is_refused_with_the_servers_words(locked: Live) -> None:
    module = (ROOT / "app" / "static" / "client.js").as_uri()
    script = f"""
        import {{ streamInference }} from {json.dumps(module)};
        try {{ for await (const event of streamInference({{ url: "{locked.url}" }})) throw event; }}
        catch (error) {{ console.log(error.name, error.status); }}
    """
    command = ["node", "--input-type=module", "-e", script]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.stdout.split() == ["ServerError", "401"], done.stderr
