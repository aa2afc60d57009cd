"""The owner's side: opens what other workers ask for, publishes it for all of them, and stops when nobody asks."""

from __future__ import annotations

import hashlib
import itertools
import json
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from app.serving.bus.bus import Bus, Heard
from app.serving.fanout.asking import KIND, FieldsError, asked, refusal
from app.serving.fanout.topic import Asked, Topic
from app.serving.streams.events import StreamOptions
from app.serving.streams.same_question import SameQuestion

TEND_S = 0.05  # between two looks at topics that are silent, or that nobody wants any more


Resolve = Callable[[str, Mapping[str, Any]], Asked]  # a source and what is asked of it; see Publisher


class Publisher:
    """All topics of a worker.

    `resolve` finds what a job asks for, or raises: SourceNameError where the source is not read here, FieldsError or
    another MyostreamError where it cannot be. `facts` tells more of a source, by the name of the question.
    """

    def __init__(
        self,
        bus: Bus,
        resolve: Resolve,
        facts: Callable[[str, str], Any],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._bus, self._resolve, self._facts, self._clock = bus, resolve, facts, clock
        self._topics: dict[tuple[str, str], Topic] = {}
        self._opening: SameQuestion[Topic] = SameQuestion()
        self._openings, self._sequences = itertools.count(1), itertools.count(1)
        self._lock, self._running = threading.Lock(), False
        bus.serve(KIND, self.asked)

    @property
    def topics(self) -> int:
        """Return how many are open."""
        return len(self._topics)

    def asked(self, payload: bytes) -> bytes:
        """Answer another worker."""
        fields = asked(payload)
        if fields["ask"] == "join":
            try:
                topic = self._open(fields["source"], fields["job"])
            except FieldsError as error:
                return refusal(error)
            topic.asked_by(fields["node"])
            return topic.snapshot()
        if fields["ask"] == "keep":
            return json.dumps([self._keep(fields["node"], *one) for one in fields["topics"]]).encode()
        return json.dumps(self._facts(fields["ask"], fields["source"])).encode()

    def join(self, source: str, job: Mapping[str, Any], who: object, heard: Heard) -> bytes:
        """Return what there is of a stream of this worker's, which `heard` is told from now on, until `leave`."""
        topic = self._open(source, job)
        topic.hear(who, heard)
        return topic.snapshot()

    def leave(self, who: object) -> None:
        """Tell that one nothing more. Safe to call twice."""
        for topic in list(self._topics.values()):
            topic.hear(who, None)

    def _open(self, source: str, job: Mapping[str, Any]) -> Topic:
        """Return the topic of that stream, open."""
        found = self._resolve(source, job)
        name = _topic_name(found.options, found.model)
        release = found.release
        try:
            key = source, name
            there = self._topics.get(key)
            if there is not None and there.wanted and there.lease is found.lease:
                return there
            topic = self._opening.once(key, lambda: self._opened(key, found))
            assert topic is not None
            if topic.holds(found):
                release = _nothing
            return topic
        finally:
            release()

    def _opened(self, key: tuple[str, str], found: Asked) -> Topic:
        before = self._topics.pop(key, None)
        if before is not None:
            before.close()
        topic = Topic(
            key[1],
            self._bus,
            found,
            opening=next(self._openings),
            sequences=self._sequences,
            clock=self._clock,
        )
        with self._lock:
            self._topics[key] = topic
            start, self._running = not self._running, True
        if start:
            threading.Thread(target=self._run, name="published streams", daemon=True).start()
        return topic

    def _keep(self, node: str, source: str, name: str, opening: int) -> bool:
        topic = self._topics.get((source, name))
        if topic is None or topic.opening != opening or not topic.published:
            return False
        topic.asked_by(node)
        return True

    def tend(self) -> None:
        """Close what nobody wants, and say of the rest that it is there."""
        for key, topic in list(self._topics.items()):
            if topic.wanted:
                topic.beat()
                continue
            with self._lock:
                if self._topics.get(key) is topic:
                    del self._topics[key]
            topic.close()

    def _run(self) -> None:
        while True:
            time.sleep(TEND_S)
            self.tend()
            with self._lock:
                if not self._topics:
                    self._running = False
                    return

    def close(self) -> None:
        """Publish nothing more."""
        for key in list(self._topics):
            topic = self._topics.pop(key, None)
            if topic is not None:
                topic.close()


def _topic_name(options: StreamOptions, model: str) -> str:
    """Return what streams of the same options share, at every worker."""
    return hashlib.sha256(f"{options!r} {model}".encode()).hexdigest()[:16]


def _nothing() -> None:
    """Hold nothing."""
