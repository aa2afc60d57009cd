"""What a node tells Redis: nothing waits until what was told before has been answered."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import redis

from app.serving.bus import redis_link
from app.serving.bus.redis_link import RedisLink
from app.serving.bus.redis_sender import RedisSender
from tests.own_redis import running
from tests.serving.station import until


@contextmanager
def gate(path: Path, behind: Path) -> Iterator[threading.Event]:
    """Listen at `path` and pass all on to `behind`; what that answers, only while the event is set."""
    opened = threading.Event()
    opened.set()
    ends: list[socket.socket] = []

    def carry(source: socket.socket, target: socket.socket, held: bool) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                if held:
                    opened.wait(20)
                target.sendall(data)
            target.shutdown(socket.SHUT_RDWR)

    def accept() -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                server = socket.socket(socket.AF_UNIX)
                ends.extend((client, server))
                try:
                    server.connect(str(behind))
                except OSError:  # nobody is there just now; who comes later is let through
                    client.close()
                    continue
                threading.Thread(target=carry, args=(client, server, False), daemon=True).start()
                threading.Thread(target=carry, args=(server, client, True), daemon=True).start()

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        threading.Thread(target=accept, daemon=True).start()
        try:
            yield opened
        finally:
            opened.set()
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            for end in ends:
                end.close()


def test_an_event_waits_for_no_answer_to_the_one_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each waited for a way to Redis and back that the one before had made: 5 ms where both were busy."""
    monkeypatch.setattr(redis_link, "PATIENCE_S", 20.0)
    path, behind = tmp_path / "gate.sock", tmp_path / "redis.sock"
    with running(behind), gate(path, behind) as opened, redis.Redis(unix_socket_path=str(behind)) as operator:
        sender = RedisSender(RedisLink(f"unix://{path}"))
        sender.start()
        answers: list[Any] = []
        sender.send(("SET", "a", 1), 1, answers.append)
        until(lambda: len(answers) == 1)
        opened.clear()
        sender.send(("SET", "b", 2), 1, answers.append)
        until(lambda: operator.get("b") is not None)
        sender.send(("SET", "c", 3), 1, answers.append)
        until(lambda: operator.get("c") is not None)
        assert len(answers) == 1
        opened.set()
        until(lambda: len(answers) == 3)
        sender.close(1.0)


def test_each_hears_its_own_answer_also_where_one_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "redis.sock"
    with running(path):
        sender = RedisSender(RedisLink(f"unix://{path}"))
        sender.start()
        answers: dict[int, Any] = {}
        for number in range(900):
            command = ("ECHO", number) if number % 3 else ("NOTHING", "of", "Redis")
            sender.send(command, 1, lambda answer, number=number: answers.setdefault(number, answer))
        until(lambda: len(answers) == 900)
        assert all(answers[number] == b"%d" % number for number in range(900) if number % 3)
        assert all(isinstance(answers[number], redis.ResponseError) for number in range(0, 900, 3))
        sender.close(1.0)


def test_who_waits_for_an_answer_when_redis_goes_is_told_and_the_next_is_sent_to_the_new_one(
    tmp_path: Path,
) -> None:
    path, behind = tmp_path / "gate.sock", tmp_path / "redis.sock"
    answers: list[Any] = []
    with gate(path, behind) as opened:
        sender = RedisSender(RedisLink(f"unix://{path}"))
        sender.start()
        with running(behind):
            sender.send(("SET", "a", 1), 1, answers.append)
            until(lambda: len(answers) == 1)
            opened.clear()
            for name in "bcd":
                sender.send(("SET", name, 1), 1, answers.append)
        until(lambda: len(answers) == 4)
        sender.send(("SET", "between", 1), 1, answers.append)  # it connects anew, and nobody is there
        until(lambda: len(answers) == 5)
        assert all(isinstance(answer, Exception) for answer in answers[1:])
        opened.set()
        with running(behind), redis.Redis(unix_socket_path=str(behind)) as operator:

            def sent() -> bool:
                sender.send(("SET", "e", 1), 1, answers.append)
                return operator.get("e") is not None

            until(sent)
        sender.close(1.0)


def test_what_is_sent_first_to_a_redis_that_has_begun_anew_is_not_lost(tmp_path: Path) -> None:
    """It went to the connection of before; whoever waited for an answer of this node waited for all of its time."""
    path = tmp_path / "redis.sock"
    answers: list[Any] = []
    sender = RedisSender(RedisLink(f"unix://{path}"))
    sender.start()
    for number in range(1, 4):
        with running(path):
            sender.send(("ECHO", number), 1, answers.append)
            until(lambda number=number: len(answers) == number)
    assert answers == [b"1", b"2", b"3"]
    sender.close(1.0)
