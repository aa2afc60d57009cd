from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from app.errors import DataError, NodeGoneError, NotReadyError, SourceNameError
from app.serving.fanout import publisher as publishing
from app.serving.fanout import remote_streams as following
from app.serving.fanout import topic as topics
from app.serving.fanout.asking import FieldsError, asked, question
from app.serving.fanout.topic import Asked
from app.serving.streams.remote_group import SILENT_S
from tests.serving.bus.memory_bus import MemoryHub
from tests.serving.fanout.node import Heard, Node
from tests.serving.station import OPTIONS, FakeMaker, until


@pytest.fixture(autouse=True, params=[True, False], ids=["with others", "by itself"])
def _either(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Groups make their frames on the thread of all, or each on its own: see following.py."""
    monkeypatch.setattr(FakeMaker, "quick", request.param)


@pytest.fixture
def nodes(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[MemoryHub, Node, Node, Node]]:
    hub = MemoryHub()
    there = [Node(hub, name) for name in "abc"]
    yield hub, there[0], there[1], there[2]
    for node in there:
        node.close()
    until(
        lambda: (
            not any(
                thread.name in ("remote streams", "published streams") for thread in threading.enumerate()
            )
        )
    )


def test_what_one_node_reads_is_heard_at_all_others_computed_and_encoded_once(
    nodes: tuple[MemoryHub, Node, Node, Node],
) -> None:
    _, a, b, c = nodes
    station = a.own("arm")
    station.source.feed(50)
    readers = [Heard(node) for node in (b, b, b, c, c)]
    for reader in readers:
        reader.comes_to(50)
    for end in (60, 70, 80):
        station.source.window()
        for reader in readers:
            reader.comes_to(end)
    assert [reader.told for reader in readers] == [[50, 60, 70, 80]] * 5
    assert station.frames == [50, 60, 70, 80]
    assert (a.publisher.topics, b.remote.groups, c.remote.groups) == (1, 1, 1)
    assert [group.readers for group in station.broadcast.running.values()] == [1], (
        "all of them together are one reader"
    )


def test_streams_of_other_options_are_topics_of_their_own(nodes: tuple[MemoryHub, Node, Node, Node]) -> None:
    _, a, b, _ = nodes
    station = a.own("arm")
    slow, quick = Heard(b), Heard(b, fps=20)
    for end in (5, 10, 15):
        station.source.window(20)
        quick.comes_to(end)
    slow.comes_to(10)
    assert (slow.told, quick.told) == ([10], [5, 10, 15])
    assert a.publisher.topics == 2


def test_a_reader_that_comes_back_at_another_node_goes_on_where_it_was(
    nodes: tuple[MemoryHub, Node, Node, Node],
) -> None:
    _, a, b, c = nodes
    station = a.own("arm")
    first = Heard(b)
    for end in (10, 20, 30, 40):
        station.source.window()
        first.comes_to(end)
    first.reader.close()
    back = Heard(c, after=1)  # it has seen the window that ends before sample 20
    assert back.asked == [3], "the owner's newest window"
    station.source.window()
    back.comes_to(50)
    assert back.told == [40, 50]
    assert back.missed == 1, "as with a group of its own: the newest wins"


def test_the_owner_stops_when_nobody_asks_any_more(
    nodes: tuple[MemoryHub, Node, Node, Node], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, a, b, _ = nodes
    monkeypatch.setattr(topics, "ASKED_S", 0.3)
    monkeypatch.setattr(following, "IDLE_S", 0.1)
    monkeypatch.setattr(following, "KEEP_S", 0.1)
    station = a.own("arm")
    heard = Heard(b)
    time.sleep(0.6)  # it goes on as long as somebody does
    assert (a.publisher.topics, b.remote.groups) == (1, 1)
    heard.reader.close()
    until(lambda: b.remote.groups == 0)
    until(lambda: a.publisher.topics == 0)
    assert not station.broadcast.running
    assert a.released == 1, "what was held for it is given back"


def test_an_owner_that_forgot_whom_it_tells_is_asked_again(
    nodes: tuple[MemoryHub, Node, Node, Node], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A node that was cut off for longer than topics are kept hears on when it is back."""
    _, a, b, _ = nodes
    monkeypatch.setattr(following, "KEEP_S", 0.1)
    station = a.own("arm")
    heard = Heard(b)
    a.publisher.close()
    station.source.window()
    heard.comes_to(10)
    station.source.window()
    heard.comes_to(20)
    assert heard.told in ([10, 20], ["stalled", "recovered", 10, 20], [10, "stalled", "recovered", 20])


def test_readers_go_on_with_the_next_owner_and_nothing_is_told_twice(
    nodes: tuple[MemoryHub, Node, Node, Node],
) -> None:
    hub, a, b, c = nodes
    station = a.own("arm")
    heard = Heard(b)
    for end in (10, 20, 30):
        station.source.window()
        heard.comes_to(end)
    a.publisher.close()
    hub.kill("a")
    heard.comes_to("stalled")
    after = c.own("arm", samples=25)  # its client has sent again what was not acknowledged
    after.source.window()
    until(lambda: c.publisher.topics)
    after.source.window()
    heard.comes_to(40)
    after.source.window()
    heard.comes_to(50)
    assert heard.told == [10, 20, 30, "stalled", "recovered", 40, 50]
    assert heard.missed == 0


def test_a_source_that_comes_to_be_read_here_is_heard_here_without_the_bus(
    nodes: tuple[MemoryHub, Node, Node, Node], monkeypatch: pytest.MonkeyPatch
) -> None:
    hub, a, b, _ = nodes
    a.own("arm")
    heard = Heard(b)
    a.publisher.close()
    hub.kill("a")
    heard.comes_to("stalled")
    monkeypatch.setattr(b.bus, "publish", lambda *_: pytest.fail("nobody elsewhere has asked"))
    monkeypatch.setattr(topics, "ASKED_S", 0.0)
    station = b.own("arm")
    until(lambda: b.publisher.topics)
    station.source.window()
    heard.comes_to("recovered", 10)
    hub.fence("arm")  # such as a Redis that is gone: those who read here are not told less for that
    time.sleep(0.3)
    station.source.window()
    heard.comes_to(20)
    assert heard.told == ["stalled", "recovered", 10, 20]


def test_an_owner_that_was_fenced_is_not_heard_any_more(nodes: tuple[MemoryHub, Node, Node, Node]) -> None:
    hub, a, b, c = nodes
    before = a.own("arm")
    own = before.broadcast.join(OPTIONS)  # its own readers go on
    heard = Heard(b)
    before.source.window()
    heard.comes_to(10)
    hub.fence("arm")
    after = c.own("arm", samples=10)
    until(lambda: c.publisher.topics)
    before.source.window()
    before.source.window()
    until(lambda: before.frames[-1] == 30)
    after.source.window()
    until(lambda: 20 in heard.told)  # before the next: who is late makes the newest frame alone
    after.source.window()
    until(lambda: 30 in heard.told)
    own.close()
    assert [one for one in heard.told if one not in ("stalled", "recovered")] == [10, 20, 30]


def test_streams_end_when_the_source_is_over(nodes: tuple[MemoryHub, Node, Node, Node]) -> None:
    _, a, b, _ = nodes
    station = a.own("arm")
    heard = Heard(b)
    a.stations["arm"][1].release()
    station.broadcast.end()
    until(lambda: heard.reader.ended)
    assert heard.reader.why_ended == "source ended"
    with pytest.raises(SourceNameError, match="no source 'arm'"):
        Heard(b)


def test_a_reader_that_comes_while_there_is_no_owner_is_told_so_and_waits_for_the_next(
    nodes: tuple[MemoryHub, Node, Node, Node],
) -> None:
    hub, a, b, c = nodes
    a.own("arm")
    hub.kill("a")
    back = Heard(b, after=2)
    assert back.told == ["stalled"]
    after = c.own("arm", samples=20)
    until(lambda: c.publisher.topics)
    for _ in range(3):
        after.source.window()
    back.comes_to("recovered", 40) if back.told[-1] == 40 else back.comes_to(50)
    assert 30 not in back.told, "it has seen that one"


def test_what_the_owner_refuses_is_refused_here_by_field(nodes: tuple[MemoryHub, Node, Node, Node]) -> None:
    _, a, b, _ = nodes
    a.own("arm")
    with pytest.raises(FieldsError) as error:
        Heard(b, fps=200)
    assert error.value.errors == {"fps": ["must be at most 100"]}
    assert b.remote.groups == 0


def test_a_new_owner_that_reads_the_source_otherwise_says_why_and_the_stream_ends(
    nodes: tuple[MemoryHub, Node, Node, Node], monkeypatch: pytest.MonkeyPatch
) -> None:
    hub, a, b, c = nodes
    a.own("arm")
    heard = Heard(b)
    a.publisher.close()
    hub.kill("a")

    def refuse(*_: object) -> Asked:
        raise DataError("the model arm takes 8 channels")

    monkeypatch.setattr(c.publisher, "_resolve", refuse)
    c.own("arm")
    until(lambda: heard.reader.ended)
    assert heard.told[-1] == "?"
    assert b"takes 8 channels" in heard.reader._group.history[-1].body


def test_a_crowd_that_comes_at_once_asks_the_owner_once(
    nodes: tuple[MemoryHub, Node, Node, Node], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, a, b, _ = nodes
    station = a.own("arm")
    calls = itertools.count()
    call = b.bus.call

    def slowly(*args: Any) -> bytes:
        next(calls)
        time.sleep(0.2)
        return call(*args)

    monkeypatch.setattr(b.bus, "call", slowly)
    readers: list[Heard] = []
    crowd = [threading.Thread(target=lambda: readers.append(Heard(b))) for _ in range(20)]
    for one in crowd:
        one.start()
    for one in crowd:
        one.join(5)
    station.source.window()
    for reader in readers:
        reader.comes_to(10)
    assert len(readers) == 20
    assert next(calls) == 1


def test_a_call_of_another_version_is_refused(nodes: tuple[MemoryHub, Node, Node, Node]) -> None:
    _, _, b, _ = nodes
    with pytest.raises(NotReadyError, match="streams 99 and 1"):
        b.bus.call("a", "streams", b'{"version": 99, "ask": "join"}', 1.0)
    assert asked(question(ask="keep", topics=[])) == {"ask": "keep", "topics": []}


def test_facts_of_a_source_are_told_by_its_owner(nodes: tuple[MemoryHub, Node, Node, Node]) -> None:
    _, a, b, _ = nodes
    a.own("arm")
    assert b.remote.facts("quality", "arm") == {"quality": "arm"}
    with pytest.raises(SourceNameError):
        b.remote.facts("quality", "leg")
    a.bus.close()
    with pytest.raises(NodeGoneError):
        b.remote.facts("quality", "arm")


def test_the_two_clocks_that_a_topic_is_kept_by_fit_together() -> None:
    """A group without readers is forgotten, and one with readers asks again, before its owner would stop."""
    assert following.KEEP_S * 2 + following.CALL_S < topics.ASKED_S
    assert topics.BEAT_S + publishing.TEND_S < SILENT_S / 2
