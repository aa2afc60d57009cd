"""A recording that asks a person for gestures, and is told about while it runs."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping
from typing import Any

from .errors import ClientError, RefusedError, TeachingCancelledError, TeachingError
from .events import known_fields
from .lessons import Action, Lesson, Listeners, Prompt, Repetition
from .patient_caller import PatientCaller

LOOK_S = 0.1  # between two looks
VERDICT_S = 3.0  # a repetition is judged within a second of its end

State = Mapping[str, Any]


class PromptedRecording:
    """One recording of one lesson."""

    def __init__(self, server: PatientCaller, lesson: Lesson, listeners: Listeners) -> None:
        self._server, self._lesson, self._listeners = server, lesson, listeners
        self.name = f"{lesson.name[:48]}-{time.strftime('%Y%m%d-%H%M%S')}"
        self._path = f"/emg/recordings/{self.name}"
        self._told: set[int] = set()  # repetitions, by their place in the list
        self._shown: tuple[Any, ...] | None = None  # the prompt that was told last

    def run(self) -> None:
        """Record until the plan is over. What did not come to its end is deleted, unless the server ended it.

        Raises:
            TeachingError: the recording ended before its plan.
        """
        try:
            self._server.persist(self._begin)
            state = self._followed()
        except BaseException:  # a callback may raise whatever it likes
            self._discard()
            raise
        self._expect_whole(state)

    def _begin(self) -> None:
        lesson = self._lesson
        plan = {
            "gestures": list(lesson.gestures),
            "repetitions": lesson.repetitions,
            "seconds": lesson.seconds,
            "rest_seconds": lesson.rest_seconds,
            "countdown_seconds": lesson.countdown_seconds,
        }
        body = {"name": self.name, "source": lesson.source, "subject": lesson.subject, "plan": plan}
        try:
            self._server.once("POST", "/emg/recordings", body)
        except RefusedError as error:
            # the answer was lost, and it runs: its time makes the name ours
            if error.status != 409 or self._server.found(self._path) is None:
                raise

    def _followed(self) -> State:
        """Tell prompts and repetitions until the recording is over; return its last state."""
        over_since: float | None = None
        while True:
            state = self._server.call("GET", self._path)
            if state["state"] != "recording":
                over_since = over_since or time.monotonic()
            late = over_since is not None and time.monotonic() - over_since > VERDICT_S
            self._tell(state, also_unjudged=late)
            if over_since is not None and (late or not _unjudged(state)):
                return state
            self._server.wait(LOOK_S)

    def _tell(self, state: State, also_unjudged: bool) -> None:
        said = state.get("prompt")
        if said is not None and self._listeners.on_prompt is not None:
            self._do(self._listeners.on_prompt(self._prompt_of(said)))
        for repetition in self._news(state, also_unjudged):
            if self._listeners.on_repetition is not None:
                action = self._listeners.on_repetition(repetition)
                self._do(repetition if action == "redo" else action)

    def _prompt_of(self, said: State) -> Prompt:
        shown = tuple(said[key] for key in ("step", "label", "repetition", "paused"))
        begins, self._shown = shown != self._shown, shown
        return Prompt(**known_fields(Prompt, {**said, "begins": begins}))

    def _news(self, state: State, also_unjudged: bool) -> Iterator[Repetition]:
        """Yield the repetitions that have been judged, or left out, since the last look.

        What was cut short by a pause, or is asked again before it was judged, is none.
        """
        for index, said in enumerate(state.get("repetitions") or ()):
            judged = said["state"] == "done" and (also_unjudged or said["verdict"] is not None)
            if index not in self._told and (judged or said["state"] == "skipped"):
                self._told.add(index)
                yield Repetition(**known_fields(Repetition, {**said, "index": index}))

    def _do(self, action: Action | None) -> None:
        if action is None:
            return
        if action == "cancel":
            raise TeachingCancelledError("the teaching was cancelled")
        body: dict[str, Any] = {"action": action}
        if isinstance(action, Repetition):
            body = {"action": "redo", "index": action.index}
        try:
            self._server.call("POST", f"{self._path}/prompt", body)
        except RefusedError as error:
            if error.status != 409:  # it makes no sense just now: too early, too late, or done already
                raise

    def _discard(self) -> None:
        """Leave nothing of it; a server that is gone cannot be told."""
        with contextlib.suppress(ClientError):
            self._server.once("POST", f"{self._path}/stop")
            self._server.once("DELETE", self._path)

    def _expect_whole(self, state: State) -> None:
        """See that a recording has ended with its plan.

        Raises:
            TeachingError: it has not.
        """
        if state["state"] != "complete":
            raise TeachingError(f"the recording {self.name} has failed: {state['error']}")
        kept = f"what had been recorded until then is kept as {self.name}"
        if state["recovered"]:
            raise TeachingError(f"the server was restarted; {kept}")
        over = {(one["label"], one["repetition"]) for one in state["repetitions"] if one["state"] != "redone"}
        asked = {(name, k + 1) for name in self._lesson.gestures for k in range(self._lesson.repetitions)}
        if not asked <= over:
            raise TeachingError(f"the recording was stopped before its plan was over; {kept}")


def _unjudged(state: State) -> bool:
    said = state.get("repetitions") or ()
    return any(one["state"] == "done" and one["verdict"] is None for one in said)
