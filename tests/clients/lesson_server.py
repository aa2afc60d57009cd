"""A server that teaches by a script: what a recording and a job say, look by look."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from tests.clients.small_server import Answer, Asked, answering, problem

RESULT: dict[str, Any] = {
    "model": "me",
    "sha256": "5b0c",
    "classes": ["rest", "fist"],
    "told": "balanced accuracy 0.93 (0.88-0.97) on repetitions left out",
    "accuracy": 0.93,
    "interval": [0.88, 0.97],
    "confusion": {"classes": ["rest", "fist"], "windows": [[9, 1], [0, 10]]},
    "alike": None,
    "more_repetitions": [{"repetitions": 3, "accuracy": 0.95, "estimated": True}],
    "metrics": {},
    "advice": ["hold fist longer"],
    "comparison": None,
    "proof": {},
    "used": True,
    "why_not_used": None,
    "source": "arm",
    "previous": "old",
    "from_sample": 48210,
}
BUSY = problem(409, "Busy", "it is there already")
NONE = problem(404, "Not found", "there is none")
CUT = Answer(None)


def prompt(step: int, label: str | None, **more: Any) -> dict[str, Any]:
    return {
        "label": label,
        "next_label": "rest",
        "seconds_left": 1.5,
        "seconds": 3.0,
        "step": step,
        "steps": 2,
        "repetition": 1,
        "repetitions": 1,
        "paused": False,
        "total_seconds_left": 4.5,
        **more,
    }


def repetition(label: str, verdict: str | None = "good", **more: Any) -> dict[str, Any]:
    return {
        "label": label,
        "repetition": 1,
        "first_sample": 600,
        "end_sample": 1200,
        "state": "done",
        "verdict": verdict,
        "advice": None,
        **more,
    }


def recording(asked: dict[str, Any] | None = None, *done: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A look at it: over where nothing is asked."""
    return {
        "state": "complete" if asked is None else "recording",
        "error": None,
        "recovered": False,
        "prompt": asked,
        "repetitions": list(done),
        **more,
    }


def job(state: str = "done", **more: Any) -> dict[str, Any]:
    result = RESULT if state == "done" else None
    text = {"stage": None, "text": state, "progress": 0.5, "error": None}
    return {"id": "me-1", "state": state, "recordings": ["?"], "result": result, **text, **more}


WHOLE = (
    recording(prompt(0, None)),
    recording(prompt(1, "rest")),
    recording(prompt(1, "rest", seconds_left=0.5)),
    recording(prompt(2, "fist"), repetition("rest")),
    recording(None, repetition("rest"), repetition("fist", None)),
    recording(None, repetition("rest"), repetition("fist")),
)


class LessonServer:
    """Gives the looks one after the other, the last again and again; `before` may answer in its place, once each."""

    def __init__(
        self, looks: tuple[dict[str, Any], ...] = WHOLE, jobs: tuple[dict[str, Any], ...] = ()
    ) -> None:
        self.looks, self.jobs = list(looks), list(jobs or (job("queued"), job("running"), job()))
        self.before: dict[str, list[Answer]] = {}  # "POST /trainings" -> what is answered first
        self.profile: dict[str, Any] | None = None
        self.asked: list[tuple[str, str, Any]] = []
        self.on_ask: Callable[[str, str], None] = lambda _method, _path: None
        self.name = ""

    def __call__(self, request: Asked) -> Answer:
        body = json.loads(request.body) if request.body else None
        self.asked.append((request.method, request.path, body))
        self.on_ask(request.method, request.path)
        if request.method == "POST" and request.path == "/emg/recordings":
            self.name = body["name"]
        word = f"{request.method} {request.path.replace(self.name, '<name>') if self.name else request.path}"
        waiting = self.before.get(word)
        return waiting.pop(0) if waiting else self._answer(word)

    def bodies(self, method: str, end: str) -> list[Any]:
        return [body for how, path, body in self.asked if how == method and path.endswith(end)]

    def _answer(self, word: str) -> Answer:
        if word == "GET /emg/recordings/<name>":
            look = self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]
            return Answer(200, {"name": self.name, **look})
        if word in ("POST /trainings", "GET /jobs/me-1"):
            said = self.jobs.pop(0) if len(self.jobs) > 1 else self.jobs[0]
            return Answer(200, {**said, "recordings": [self.name]})
        if word == "GET /profiles/me":
            return NONE if self.profile is None else Answer(200, self.profile)
        said = {
            "GET /jobs": {"jobs": [{**self.jobs[0], "recordings": [self.name]}]},
            "GET /emg/quality": {"advice": None, "channels": [{"channel": 3, "problems": ["flat"]}]},
        }
        return Answer(200, said.get(word, {}))


@contextmanager
def teaching(server: LessonServer) -> Iterator[str]:
    """Its URL, for as long as the block runs."""
    with answering(server) as url:
        yield url
