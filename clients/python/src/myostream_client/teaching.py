"""A person teaches the server their gestures: prompts while it records, a model learned from that, and its use."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from .errors import ClientError, RefusedError, TeachingCancelledError, TeachingError
from .events import known_fields
from .followed_recording import FollowedRecording
from .lessons import Lesson, Listeners, Progress, Taught
from .patient_caller import PatientCaller
from .prompted_recording import LOOK_S, PromptedRecording
from .server_http import Caller

MOST_NAMES = 1000

Json = dict[str, Any]


class Teaching:
    """One lesson, from the first prompt to the model in use. Not for several threads; any may set `cancel`.

    What can pass (a cut connection, a server that restarts) is asked for again for `give_up_s`. The server's plan
    goes by the samples of the source meanwhile, so nothing is out of step after it.
    """

    def __init__(
        self,
        caller: Caller,
        lesson: Lesson,
        listeners: Listeners,
        cancel: threading.Event | None = None,
        give_up_s: float = 60.0,
    ) -> None:
        self._server = PatientCaller(caller, cancel or threading.Event(), give_up_s)
        self._lesson, self._listeners = lesson, listeners

    def run(self) -> Taught:
        """Teach, and return what came of it.

        Raises:
            TeachingCancelledError: somebody wanted no more of it.
            TeachingError: the recording ended before its plan, or nothing could be learned from it.
            RefusedError: the server said no.
            ServerUnreachableError: it was away for too long.
        """
        base = self._base()
        if base is not None:  # else it would be refused once all had been recorded
            self._server.call("GET", f"/models/{quote(base, safe='')}")
        kind = FollowedRecording if self._lesson.values else PromptedRecording
        recording = kind(self._server, self._lesson, self._listeners)
        recording.run()
        job = self._learned(recording.name, base)
        found = job["result"]
        profile = self._kept(found["model"]) if found["used"] else None
        said = {**found, "recording": recording.name, "job": job["id"], "profile": profile}
        return Taught(**known_fields(Taught, said))

    def _base(self) -> str | None:
        """Return the model that is made this person's own; without labels that is by default the one they have."""
        lesson = self._lesson
        if lesson.base is not None or not lesson.unlabelled:
            return lesson.base
        own: str | None = self._server.call("GET", f"/profiles/{lesson.name}")["model"]
        if own is None:
            raise TeachingError(f"the profile {lesson.name} has no model that could be put on again")
        return own

    def _learned(self, recording: str, base: str | None) -> Json:
        """Return the job that has learned from a recording.

        Raises:
            TeachingError: it could not.
        """
        job = self._server.persist(lambda: self._ordered(recording, base))
        try:
            job = self._followed(job)
        except BaseException as error:  # a callback may raise whatever it likes
            with contextlib.suppress(ClientError):
                self._server.once("DELETE", f"/jobs/{job['id']}")
            if isinstance(error, TeachingCancelledError):
                raise TeachingCancelledError(f"{error}; the recording {recording} is kept") from None
            raise
        if job["state"] != "done":
            why = job["error"] or f"the training was {job['state']}"
            raise TeachingError(f"nothing was learned from the recording {recording}, which is kept: {why}")
        return job

    def _ordered(self, recording: str, base: str | None) -> Json:
        """Return the job that learns from it; its model gets the first name that is free."""
        lesson = self._lesson
        body = {
            "recordings": [recording],
            "person": lesson.subject,
            "base": base,
            "use": lesson.use,
            "source": lesson.source,
            **({"unlabelled": True} if lesson.unlabelled else {}),
            **({"values": "trajectory"} if lesson.values else {}),
        }
        for name in _names(lesson.name):
            try:
                return self._server.once("POST", "/trainings", {**body, "name": name})
            except RefusedError as error:
                if error.status != 409:
                    raise
            for job in self._server.once("GET", "/jobs")["jobs"]:
                if job["recordings"] == [recording]:  # the answer was lost
                    found: Json = job
                    return found
        raise TeachingError(f"the names from {lesson.name} to {lesson.name}-{MOST_NAMES} are taken")

    def _followed(self, job: Json) -> Json:
        """Tell how it stands with a job until it is over; return it as it is then."""
        path, listen = f"/jobs/{job['id']}", self._listeners.on_progress
        while True:
            if listen is not None and listen(Progress(**known_fields(Progress, job))) == "cancel":
                raise TeachingCancelledError("the teaching was cancelled")
            if job["state"] not in ("queued", "running"):
                return job
            self._server.wait(LOOK_S)
            job = self._server.call("GET", path)

    def _kept(self, model: str) -> str:
        """Keep a model as the person's; their rule of deciding and notes stay as they are."""
        name = self._lesson.name
        path = f"/profiles/{name}"
        before = self._server.persist(lambda: self._server.found(path)) or {}
        kept = {key: before.get(key) for key in ("decision", "notes") if before.get(key)}
        self._server.call(
            "PUT", path, {"person": before.get("person") or self._lesson.subject, "model": model, **kept}
        )
        return name


def _names(name: str) -> Iterator[str]:
    """Yield the name, then those with a number behind it."""
    yield name
    for number in range(2, MOST_NAMES + 1):
        yield f"{name[: 63 - len(str(number))]}-{number}"
