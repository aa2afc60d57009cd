"""A recording of a person who follows a cursor, and is told where it is while it runs."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping, Sequence
from typing import Any

from .errors import ClientError, RefusedError, TeachingCancelledError, TeachingError
from .lessons import Cursor, Lesson, Listeners
from .patient_caller import PatientCaller

LOOK_S = 0.25  # between two looks at the server, which says the next two seconds
MOVE_S = 0.05  # between two places that a listener is told

ENOUGH_S = 3.0  # of the cursor's end that may not have been seen before the recording was over

State = Mapping[str, Any]


class FollowedRecording:
    """One recording of one lesson of values."""

    def __init__(self, server: PatientCaller, lesson: Lesson, listeners: Listeners) -> None:
        self._server, self._lesson, self._listeners = server, lesson, listeners
        self.name = f"{lesson.name[:48]}-{time.strftime('%Y%m%d-%H%M%S')}"
        self._path = f"/emg/recordings/{self.name}"
        self._left_s = lesson.seconds  # of the cursor, when the server said it last
        self._known: tuple[float, State] | None = None  # when the server said it (monotonic), and what

    def run(self) -> None:
        """Record until the cursor has come to its end. What did not is deleted, unless the server ended it.

        Raises:
            TeachingError: the recording ended before.
        """
        try:
            self._server.persist(self._begin)
            state = self._followed()
        except BaseException:  # a callback may raise whatever it likes
            self._discard()
            raise
        if state["state"] != "complete":
            raise TeachingError(f"the recording {self.name} has failed: {state['error']}")
        if state["recovered"] or self._left_s > ENOUGH_S:
            raise TeachingError(
                f"the recording was stopped before the cursor's end; what had been recorded is kept as {self.name}"
            )

    def _begin(self) -> None:
        lesson = self._lesson
        follow = {
            "values": list(lesson.values),
            "one_way": list(lesson.one_way),
            "seconds": lesson.seconds,
            "seed": lesson.seed,
        }
        body = {"name": self.name, "source": lesson.source, "subject": lesson.subject, "follow": follow}
        try:
            self._server.once("POST", "/emg/recordings", body)
        except RefusedError as error:
            # the answer was lost, and it runs: its time makes the name ours
            if error.status != 409 or self._server.found(self._path) is None:
                raise

    def _followed(self) -> State:
        """Tell where the cursor is until the recording is over; return its last state."""
        while True:
            state: State = self._server.call("GET", self._path)
            asked = time.monotonic()
            if state["state"] != "recording":
                return state
            if state.get("cursor") is not None:
                self._known = asked, state["cursor"]
                self._left_s = state["cursor"]["seconds"] - state["cursor"]["position_seconds"]
            while time.monotonic() < asked + LOOK_S:
                self._tell()
                self._server.wait(MOVE_S)

    def _tell(self) -> None:
        if self._known is None or self._listeners.on_cursor is None:
            return
        since = time.monotonic() - self._known[0]
        if self._listeners.on_cursor(cursor_at(self._lesson.values, self._known[1], since)) == "cancel":
            raise TeachingCancelledError("the teaching was cancelled")

    def _discard(self) -> None:
        """Leave nothing of it; a server that is gone cannot be told."""
        with contextlib.suppress(ClientError):
            self._server.once("POST", f"{self._path}/stop")
            self._server.once("DELETE", self._path)


def cursor_at(names: Sequence[str], said: State, since: float) -> Cursor:
    """Return where the cursor is `since` seconds after the server said that, and where it goes from there.

    Its values are in the order of `names`, which those of the server's answer are not.
    """
    step: float = said["step_seconds"]
    ahead: dict[str, tuple[float, ...]] = {name: tuple(said["ahead"][name]) for name in names}
    last = min(len(values) for values in ahead.values()) - 1
    place = min(max(since / step, 0.0), float(last))
    before, share = int(place), place - int(place)

    def between(values: tuple[float, ...]) -> float:
        after = values[min(before + 1, last)]
        return values[before] + share * (after - values[before])

    return Cursor(
        values={name: between(values) for name, values in ahead.items()},
        ahead={name: values[before:] for name, values in ahead.items()},
        step_seconds=step,
        seconds_left=max(said["seconds"] - said["position_seconds"] - since, 0.0),
        seconds=said["seconds"],
    )
