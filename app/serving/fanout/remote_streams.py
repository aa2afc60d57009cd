"""The readers' side: one group for each stream of a source that is read elsewhere, however many hear it here."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from app.errors import (
    DataError,
    MyostreamError,
    NodeGoneError,
    NotReadyError,
    OverloadedError,
    SourceNameError,
)
from app.serving.bus.bus import Bus, Ownership, Published, Subscription
from app.serving.fanout.asking import KIND, Opened, answered, question
from app.serving.fanout.newest_facts import NewestFacts
from app.serving.fanout.publisher import Publisher
from app.serving.streams.carried_events import decode
from app.serving.streams.gestures.told import GestureMark
from app.serving.streams.group_events import Encode
from app.serving.streams.reader import Reader
from app.serving.streams.remote_group import RemoteGroup
from app.serving.streams.same_question import SameQuestion

log = logging.getLogger(__name__)

TEND_S = 0.05  # between two looks at owners that are silent, or are others by now
KEEP_S = 1.0  # between two words to an owner that its streams are still heard
IDLE_S = 5.0  # for which a group without readers is kept, for one who was cut off
CALL_S = 2.0  # for an owner to answer
PASSING = (
    NodeGoneError,
    SourceNameError,
    NotReadyError,
    OverloadedError,
)  # errors that another try may not meet

Job = Mapping[str, Any]  # what is asked of a stream, as JSON has it


@dataclass(slots=True, eq=False)
class Followed:
    """One stream of a source elsewhere."""

    source: str
    job: Job
    group: RemoteGroup
    owner: Ownership | None = None  # who told what there is of it
    topic: str | None = None
    subscription: Subscription | None = None
    joining: bool = False  # somebody asks the owner just now
    left_at: float = 0.0  # when its last reader went
    lock: threading.Lock = field(default_factory=threading.Lock)


class RemoteStreams:
    """All that this worker hears of other workers' sources."""

    def __init__(
        self,
        bus: Bus,
        publisher: Publisher,
        encode: Encode,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`publisher` is this worker's own: a source may come to be read here while its streams are open."""
        self._bus, self._publisher, self._encode, self._clock = bus, publisher, encode, clock
        self._followed: dict[tuple[str, str], Followed] = {}
        self._opening: SameQuestion[Followed] = SameQuestion()
        self._lock = threading.Lock()
        self.newest_facts = NewestFacts(self.facts, clock).newest
        self._running = self._closed = False
        self._kept_at = clock()

    @property
    def groups(self) -> int:
        """Return how many streams are followed, each for any number of readers."""
        return len(self._followed)

    def join(
        self, source: str, job: Job, seen: Callable[[int], tuple[int | None, GestureMark | None]]
    ) -> Reader:
        """Return a place in the group of that stream.

        `seen` is given the newest window of the source, -1 where nobody can say, and returns the last one that this
        reader has seen, if it was here before, and what it heard last of gestures then.

        Raises:
            SourceNameError: nobody has such a source.
            FieldsError, MyostreamError: its owner refuses.
        """
        key = source, json.dumps(job, sort_keys=True)
        while True:
            one = self._followed.get(key) or self._opening.once(key, lambda: self._open(source, job, key))
            assert one is not None
            with self._lock:
                if self._followed.get(key) is one and not one.group.ended:
                    one.group.readers += 1
                    break
                if one.group.ended:
                    self._followed.pop(key, None)
        group = one.group
        after, told = seen(group.reached)
        if after is not None and group.origin is None:
            group.expect(after)
        first = max(group.newest, group.began)
        return Reader(group, lambda: self._leave(one), first, after, group.count, told)

    def facts(self, what: str, source: str) -> Any:
        """Return what the owner of a source tells of it, by the name of the question.

        Raises:
            SourceNameError: nobody has such a source.
            NodeGoneError: its owner is gone, and no other has it yet.
        """
        owner = self._bus.look(source)
        if owner is None:
            raise SourceNameError(f"no source {source!r}; it has ended")
        asked = question(ask=what, source=source)
        if owner.node == self._bus.node:
            return json.loads(self._publisher.asked(asked))
        return json.loads(self._bus.call(owner.node, KIND, asked, CALL_S))

    def _leave(self, one: Followed) -> None:
        with self._lock:
            one.group.readers -= 1
            one.left_at = self._clock()

    def _open(self, source: str, job: Job, key: tuple[str, str]) -> Followed:
        owner = self._bus.look(source)
        if owner is None:
            raise SourceNameError(f"no source {source!r}; it has ended")
        one = Followed(source, job, RemoteGroup(self._encode, self._clock), left_at=self._clock())
        try:
            self._ask(one)
        except (NodeGoneError, SourceNameError) as error:
            log.info("the owner of %s is gone, another is awaited: %s", source, error)
        if one.group.origin is None:
            one.group.stall()
        with self._lock:
            self._followed[key] = one
            start, self._running = not self._running, True
        if start:
            threading.Thread(target=self._run, name="remote streams", daemon=True).start()
        return one

    def _ask(self, one: Followed) -> None:
        """Have its owner say what there is, and hear what comes; nothing where there is no living owner.

        Raises:
            MyostreamError: the owner refuses, or does not answer.
        """
        with one.lock:
            owner = self._bus.owner(one.source)
            if owner is None or not owner.alive:
                return
            here = owner.node == self._bus.node

            def heard(said: Published) -> None:
                self._heard(one, said)

            if here:
                opened = answered(self._publisher.join(one.source, one.job, one, heard))
            else:
                self._publisher.leave(one)
                asked = question(ask="join", node=self._bus.node, source=one.source, job=dict(one.job))
                opened = answered(self._bus.call(owner.node, KIND, asked, CALL_S))
            one.owner = owner
            one.group.adopt(opened.kept)
            self._subscribe(one, None if here else opened, heard)

    def _subscribe(self, one: Followed, opened: Opened | None, heard: Callable[[Published], None]) -> None:
        """Hear what is published of that stream; None: it is told here."""
        topic = None if opened is None else opened.topic
        if topic == one.topic:
            return
        before = one.subscription
        one.subscription, one.topic = None, topic
        if opened is not None:
            after = opened.kept.origin[0], opened.sequence
            one.subscription = self._bus.subscribe(one.source, opened.topic, heard, after)
        if before is not None:
            before.close()

    def _heard(self, one: Followed, said: Published) -> None:
        try:
            carried = decode(said.payload)
        except DataError as error:
            if not one.group.lacks:
                log.warning("a stream of %s: %s", one.source, error)
            one.group.lacks = True
            return
        one.group.hear(said.token, carried)

    def tend(self) -> None:
        """See to owners that have changed, are silent or gone, and to groups that nobody reads."""
        now = self._clock()
        for key, one in list(self._followed.items()):
            one.group.look()
            owner = self._bus.owner(one.source)
            if owner is None:
                one.group.finish()
            if one.group.ended or (not one.group.readers and now - one.left_at > IDLE_S):
                self._forget(key, one)
                continue
            if owner is not None and not one.joining and owner.alive and self._is_news(one, owner):
                self._soon(one)
        if now - self._kept_at >= KEEP_S:
            self._kept_at = now
            self._keep()

    def _is_news(self, one: Followed, owner: Ownership) -> bool:
        """Whether that owner is to be asked what there is."""
        known = one.owner
        return known is None or known.token != owner.token or one.group.lacks

    def _soon(self, one: Followed) -> None:
        """Ask the owner, without a wait."""
        one.joining = True
        threading.Thread(target=self._asked_again, args=(one,), name="remote stream", daemon=True).start()

    def _asked_again(self, one: Followed) -> None:
        try:
            self._ask(one)
        except PASSING as error:
            log.debug("a stream of %s waits: %s", one.source, error)
            time.sleep(TEND_S)
        except MyostreamError as error:  # its new owner reads it otherwise
            one.group.say(str(error))
            one.group.finish()
        except Exception:
            log.exception("a stream of %s failed", one.source)
            one.group.finish()
        finally:
            one.joining = False

    def _keep(self) -> None:
        """Tell owners which of their streams are heard here."""
        heard: dict[str, list[Followed]] = defaultdict(list)
        for one in list(self._followed.values()):
            if one.topic is not None and one.owner is not None and one.group.origin is not None:
                heard[one.owner.node].append(one)
        for node, streams in heard.items():
            threading.Thread(
                target=self._kept_by, args=(node, streams), name="remote streams kept", daemon=True
            ).start()

    def _kept_by(self, node: str, streams: list[Followed]) -> None:
        topics = [
            (one.source, one.topic, origin[1]) for one in streams if (origin := one.group.origin) is not None
        ]
        try:
            payload = question(ask="keep", node=self._bus.node, topics=topics)
            kept = json.loads(self._bus.call(node, KIND, payload, CALL_S))
        except MyostreamError:
            return  # it is gone, or silent: its streams show that themselves
        for one, goes_on in zip(streams, kept, strict=False):
            if not goes_on:
                one.group.lacks = True

    def _forget(self, key: tuple[str, str], one: Followed) -> None:
        with self._lock:
            if one.group.readers and not one.group.ended:
                return
            if self._followed.get(key) is one:
                del self._followed[key]
        self._publisher.leave(one)
        subscription, one.subscription = one.subscription, None
        if subscription is not None:
            subscription.close()

    def _run(self) -> None:
        while True:
            time.sleep(TEND_S)
            try:
                self.tend()
            except Exception:
                log.exception("streams of other workers")
            with self._lock:
                if self._closed or not self._followed:
                    self._running = False
                    return

    def close(self) -> None:
        """Hear nothing more; the readers' streams end with the worker."""
        self._closed = True
        for key, one in list(self._followed.items()):
            one.group.finish()
            self._forget(key, one)
