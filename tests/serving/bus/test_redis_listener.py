"""Whether Redis is there: it is asked after a silence, and gone where it does not answer that."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from app.serving.bus import redis_listener
from app.serving.bus.redis_link import RedisLink
from app.serving.bus.redis_listener import ASK_S, LOOK_S, SILENT_S, RedisListener

PONG = {"type": "pong", "data": b""}


class Channels:
    """Answers each ping as `answer` says, which is given the time-out of the look; time goes by with looks."""

    def __init__(self, answer: Callable[[float], Any]) -> None:
        self.now, self.pings, self.asked = 0.0, 0, False
        self._answer = answer

    def monotonic(self) -> float:
        return self.now

    def get_message(self, timeout: float) -> Any:
        self.now += timeout
        said = self._answer(timeout) if self.asked else None
        self.asked = self.asked and said is None
        return said

    def ping(self) -> None:
        self.pings += 1
        self.asked = True


def listen(channels: Channels, monkeypatch: pytest.MonkeyPatch, until_s: float) -> None:
    """Listen until the time is over; raises what that raises."""
    listener = RedisListener(RedisLink("redis://nowhere"), ["x"], lambda _: None, lambda: None)
    monkeypatch.setattr(redis_listener, "time", channels)
    look = channels.get_message

    def get_message(timeout: float) -> Any:
        if channels.now > until_s:
            listener.close()
        return look(timeout)

    channels.get_message = get_message  # type: ignore[method-assign]  # counts the time
    listener._listen(channels)


def test_one_that_answers_is_asked_once_in_a_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    channels = Channels(lambda _: PONG)
    listen(channels, monkeypatch, 60.0)
    assert 60 / (ASK_S + 2 * LOOK_S) - 1 <= channels.pings <= 60 / ASK_S


def test_one_that_does_not_answer_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    channels = Channels(lambda _: None)
    with pytest.raises(TimeoutError):
        listen(channels, monkeypatch, 60.0)
    assert channels.pings == 1
    assert ASK_S + SILENT_S < channels.now <= ASK_S + SILENT_S + 3 * LOOK_S


def test_a_worker_that_stood_still_itself_looks_once_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """Busy for seconds, it did not look at the answer that lay there, and left a Redis that was well."""
    channels = Channels(lambda timeout: None if timeout else PONG)
    asked = channels.ping

    def ping() -> None:
        asked()
        channels.now += 10.0

    channels.ping = ping  # type: ignore[method-assign]  # the worker is held up right then
    listen(channels, monkeypatch, 60.0)
    assert channels.pings > 2
