"""An owner's side of a stream and a reader's, by hand, for tests of what is between them."""

from __future__ import annotations

from typing import Any

from app.inference.gestures.events import GestureEvent
from app.serving.streams.carried_events import Carried
from app.serving.streams.events import CarriedFrame, ModelChange, Told
from app.serving.streams.group_events import HISTORY, GroupEvent
from app.serving.streams.reader import Reader
from app.serving.streams.remote_group import Kept, RemoteGroup
from tests.fakes import FakeClock

MODEL = ModelChange(
    timestamp=1.0, from_sample=0, model="arm", sha256="ab", classes=("fist", "rest"), rest_class="rest"
)
OTHER = ModelChange(
    timestamp=1.0, from_sample=500, model="leg", sha256="cd", classes=("rest", "kick"), rest_class="rest"
)


class Owner:
    """A worker that publishes a group: each event is heard, but those that a test has lost."""

    def __init__(self, group: RemoteGroup, clock: FakeClock, token: int = 1, k: int = 0, opening: int = 1):
        self.group, self.clock, self.token, self.opening = group, clock, token, opening
        self.k, self.position, self.count = k, 0, 0
        self.model: ModelChange | None = MODEL
        self.made: list[Carried] = []

    def frame(self, lost: bool = False, skipped: int = 0) -> None:
        self.k += skipped
        self.position += skipped
        body = b'{"sample_index":%d' % (10 * (self.k + 1))
        self._tell(
            GroupEvent(self.count, self.k, self.position, body, CarriedFrame(sample_index=self.k)), lost
        )
        self.k += 1
        self.position += 1

    def say(self, event: Told, lost: bool = False) -> None:
        self._tell(GroupEvent(self.count, self.k, -1, b'{"said":1', event), lost)

    def _tell(self, event: GroupEvent, lost: bool) -> None:
        self.count += 1
        self.made.append(Carried(self.opening, event.number, self.clock(), event))
        if not lost:
            self.group.hear(self.token, self.made[-1])

    def beat(self) -> None:
        self.group.hear(self.token, Carried(self.opening, self.count, self.clock(), None))

    def kept(self, last: int = HISTORY) -> Kept:
        return Kept(
            origin=(self.token, self.opening),
            count=self.count,
            reached=self.k - 1,
            now=self.clock(),
            model=self.model,
            events=self.made[-last:] if last else [],
        )

    def answer(self, last: int = HISTORY) -> None:
        self.group.adopt(self.kept(last))


class Heard:
    """A reader, and what it was told: windows, and words for what is no frame."""

    def __init__(self, group: RemoteGroup, after: int | None = None) -> None:
        self.told: list[Any] = []
        self.missed = 0
        self.reader = Reader(group, lambda: None, max(group.newest, group.began), after, group.count)
        for event, missed in self.reader.take(0.0):  # as a stream does
            self._take(event, missed)
        self.reader.listen(self._take)

    def _take(self, event: GroupEvent, missed: int) -> bool:
        self.missed += missed
        told = event.event
        said = f"{told.phase} {told.id}" if isinstance(told, GestureEvent) else getattr(told, "status", None)
        self.told.append(event.k if event.position >= 0 else said or type(told).__name__)
        return True
