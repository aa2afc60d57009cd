"""What bus.py promises, of every way that its messages can go."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.errors import DataError, FencedError, MyostreamError, NodeGoneError, TooFastError
from app.serving.bus.bus import Bus, Ownership
from tests.serving.bus.buses import LocalNodes, RedisNodes, local_nodes, redis_nodes
from tests.serving.station import until

LATE_S = 20.0
Nodes = LocalNodes | RedisNodes


@pytest.fixture(params=["local", "redis"])
def made(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Nodes]:
    with local_nodes() if request.param == "local" else redis_nodes(tmp_path) as made:
        yield made


@pytest.fixture
def nodes(made: Nodes) -> tuple[Bus, Bus]:
    here, there = made.node(), made.node()
    until(lambda: _ask(here, there) and _ask(there, here))
    return here, there


def _ask(asking: Bus, asked: Bus) -> bool:
    asked.serve("alive?", lambda payload: payload)
    try:
        return asking.call(asked.node, "alive?", b"yes", 0.5) == b"yes"
    except NodeGoneError:
        return False


def test_the_nodes_that_live_know_one_another_and_have_one_run(nodes: tuple[Bus, Bus]) -> None:
    here, there = nodes
    assert here.run == there.run
    assert re.fullmatch("[0-9a-z]{1,16}", here.run)
    assert here.node != there.node
    until(lambda: set(here.nodes()) == set(there.nodes()) == {here.node, there.node})
    there.close()
    until(lambda: here.nodes() == [here.node])


def test_a_source_has_one_owner_and_all_know_it(nodes: tuple[Bus, Bus]) -> None:
    here, there = nodes
    lease = here.claim("arm", b'{"channels": 8}')
    assert lease is not None
    assert there.claim("arm", b"{}") is None
    until(lambda: there.owner("arm") is not None)
    of_it = Ownership(source="arm", node=here.node, token=lease.token, declaration=b'{"channels": 8}')
    assert there.owner("arm") == here.owner("arm") == of_it
    assert list(there.sources()) == ["arm"]


def test_who_has_just_claimed_a_source_is_found_by_whoever_looks(nodes: tuple[Bus, Bus]) -> None:
    here, there = nodes
    for number in range(50):
        name = f"arm-{number}"
        assert here.claim(name, b"{}") is not None
        found = there.look(name)
        assert found is not None
        assert found.node == here.node
    assert there.look("nobody's") is None


def test_a_source_that_is_over_is_forgotten_and_free(nodes: tuple[Bus, Bus]) -> None:
    here, there = nodes
    first = here.claim("arm", b"{}")
    assert first is not None
    until(lambda: there.owner("arm") is not None)
    first.release()
    first.release()
    until(lambda: there.owner("arm") is None)
    assert here.owner("arm") is None
    second = there.claim("arm", b"{}")
    assert second is not None
    assert second.token > first.token


def test_what_was_given_up_is_free_at_once_also_for_who_came_later(
    made: Nodes, nodes: tuple[Bus, Bus]
) -> None:
    here, _ = nodes  # it lives on, as a server that drains
    first = here.claim("arm", b"{}")
    assert first is not None
    first.release(ended=False)
    late = made.node()
    until(lambda: late.owner("arm") is not None and here.node in late.nodes())
    second = late.claim("arm", b"{}")
    assert second is not None
    assert second.token > first.token


def test_what_a_node_leaves_behind_can_be_claimed_as_it_was_declared(nodes: tuple[Bus, Bus]) -> None:
    here, there = nodes
    first = here.claim("arm", b'{"channels": 8}')
    assert first is not None
    until(lambda: there.owner("arm") is not None)
    here.close()
    until(lambda: (owner := there.owner("arm")) is not None and not owner.alive)
    left = there.owner("arm")
    assert left is not None
    assert left.declaration == b'{"channels": 8}'
    second = there.claim("arm", left.declaration)
    assert second is not None
    assert second.token > first.token
    owner = there.owner("arm")
    assert owner is not None
    assert owner.alive
    assert owner.node == there.node


def test_what_a_source_is_can_be_said_anew(nodes: tuple[Bus, Bus]) -> None:
    here, there = nodes
    lease = here.claim("arm", b"first")
    assert lease is not None
    until(lambda: there.owner("arm") is not None)
    lease.declare(b"second")
    until(lambda: (owner := there.owner("arm")) is not None and owner.declaration == b"second")


def test_whoever_watches_hears_who_has_a_source_and_that_it_is_over(nodes: tuple[Bus, Bus]) -> None:
    here, there = nodes
    heard: list[tuple[str, str | None]] = []
    watching = there.watch(lambda source, owner: heard.append((source, owner and owner.node)))
    lease = here.claim("arm", b"{}")
    assert lease is not None
    until(lambda: heard == [("arm", here.node)])
    lease.release()
    until(lambda: heard == [("arm", here.node), ("arm", None)])
    watching.close()
    here.claim("leg", b"{}")
    until(lambda: there.owner("leg") is not None)
    assert len(heard) == 2


def test_a_call_is_answered_with_bytes_as_they_are(nodes: tuple[Bus, Bus]) -> None:
    here, there = nodes
    there.serve("twice", lambda payload: payload * 2)
    payload = bytes(range(256)) * 4096
    assert here.call(there.node, "twice", payload, LATE_S) == payload * 2
    assert there.call(there.node, "twice", b"own", LATE_S) == b"ownown"


def test_calls_do_not_wait_for_one_another(nodes: tuple[Bus, Bus]) -> None:
    here, there = nodes
    go = threading.Event()
    there.serve("wait", lambda _: b"waited" if go.wait(LATE_S) else b"")
    there.serve("quick", lambda payload: payload)
    answers: list[bytes] = []
    waiting = threading.Thread(
        target=lambda: answers.append(here.call(there.node, "wait", b"", LATE_S)), daemon=True
    )
    waiting.start()
    assert here.call(there.node, "quick", b"now", LATE_S) == b"now"
    go.set()
    waiting.join(LATE_S)
    assert answers == [b"waited"]


@pytest.mark.parametrize(
    "error", [DataError("8 channels, got 4"), TooFastError("too much", 2.5)], ids=["data", "too fast"]
)
def test_what_a_handler_refuses_is_refused_at_the_caller(
    nodes: tuple[Bus, Bus], error: MyostreamError
) -> None:
    here, there = nodes

    def refuse(_: bytes) -> bytes:
        raise error

    there.serve("refuses", refuse)
    with pytest.raises(type(error), match=str(error)) as raised:
        here.call(there.node, "refuses", b"", LATE_S)
    assert getattr(raised.value, "retry_s", None) == getattr(error, "retry_s", None)


def test_a_handler_that_fails_says_nothing_of_its_inside(nodes: tuple[Bus, Bus]) -> None:
    here, there = nodes

    def fail(_: bytes) -> bytes:
        raise ValueError("a secret")

    there.serve("fails", fail)
    with pytest.raises(MyostreamError, match="its log has the reason") as raised:
        here.call(there.node, "fails", b"", LATE_S)
    assert "secret" not in str(raised.value)


def test_nobody_waits_for_a_node_that_is_gone(nodes: tuple[Bus, Bus]) -> None:
    here, there = nodes
    asked, go = threading.Event(), threading.Event()

    def hang(_: bytes) -> bytes:
        asked.set()
        go.wait(LATE_S)
        return b""

    there.serve("hangs", hang)
    with pytest.raises(NodeGoneError, match="not answered within"):
        here.call(there.node, "hangs", b"", 0.05)
    go.set()
    there.close()

    def is_gone() -> bool:
        with pytest.raises(NodeGoneError) as raised:
            here.call(there.node, "hangs", b"", 0.5)
        return "is gone" in str(raised.value)

    until(is_gone)


def test_a_call_of_a_kind_that_nobody_answers_says_so(nodes: tuple[Bus, Bus]) -> None:
    here, there = nodes
    with pytest.raises(NodeGoneError, match="another version"):
        here.call(there.node, "of tomorrow", b"", LATE_S)


def test_each_who_subscribes_hears_all_in_order_and_once(nodes: tuple[Bus, Bus]) -> None:
    here, there = nodes
    heard: dict[str, list[int]] = {"here": [], "there": [], "other": []}
    here.subscribe("arm", "frames", lambda one: heard["here"].append(one.sequence))
    there.subscribe("arm", "frames", lambda one: heard["there"].append(one.sequence))
    there.subscribe("arm", "others", lambda one: heard["other"].append(one.sequence))
    lease = here.claim("arm", b"{}")
    assert lease is not None

    def began() -> bool:  # a subscription takes a while to reach the owner
        here.publish(lease, "others", len(tries), b"")
        tries.append(1)
        return bool(heard["other"])

    tries: list[int] = []
    until(began)
    for number in range(200):
        here.publish(lease, "frames", number, b"x" * number)
    until(lambda: len(heard["there"]) >= 200 and len(heard["here"]) >= 200)
    assert heard["there"] == heard["here"] == list(range(200))


def test_who_comes_back_hears_what_came_since(nodes: tuple[Bus, Bus]) -> None:
    here, there = nodes
    lease = here.claim("arm", b"{}")
    assert lease is not None
    for number in range(10):
        here.publish(lease, "frames", number, b"%d" % number)
    heard: list[tuple[int, bytes]] = []
    there.subscribe(
        "arm", "frames", lambda one: heard.append((one.sequence, one.payload)), after=(lease.token, 6)
    )
    until(lambda: len(heard) == 3)
    here.publish(lease, "frames", 10, b"10")
    until(lambda: len(heard) == 4)
    assert heard == [(number, b"%d" % number) for number in (7, 8, 9, 10)]


def test_a_subscription_goes_on_with_the_next_owner(nodes: tuple[Bus, Bus]) -> None:
    here, there = nodes
    first = here.claim("arm", b"{}")
    assert first is not None
    heard: list[tuple[int, int]] = []
    there.subscribe("arm", "frames", lambda one: heard.append((one.token, one.sequence)), (first.token, -1))
    here.publish(first, "frames", 0, b"")
    until(lambda: len(heard) == 1)
    first.release(ended=False)
    second = there.claim("arm", b"{}")
    assert second is not None
    there.publish(second, "frames", 0, b"")
    until(lambda: len(heard) == 2)
    assert heard == [(first.token, 0), (second.token, 0)]


def test_a_lease_that_is_given_up_publishes_nothing(nodes: tuple[Bus, Bus]) -> None:
    here, _ = nodes
    lease = here.claim("arm", b"{}")
    assert lease is not None
    lease.release()
    with pytest.raises(FencedError, match="arm"):
        here.publish(lease, "frames", 0, b"")


def test_a_subscription_that_is_closed_hears_no_more(nodes: tuple[Bus, Bus]) -> None:
    here, there = nodes
    lease = here.claim("arm", b"{}")
    assert lease is not None
    heard: dict[str, list[int]] = {"closed": [], "open": []}
    closed = there.subscribe("arm", "frames", lambda one: heard["closed"].append(one.sequence), (0, 0))
    there.subscribe("arm", "frames", lambda one: heard["open"].append(one.sequence), (0, 0))
    here.publish(lease, "frames", 1, b"")
    until(lambda: heard["closed"] == heard["open"] == [1])
    closed.close()
    closed.close()
    here.publish(lease, "frames", 2, b"")
    until(lambda: heard["open"] == [1, 2])
    assert heard["closed"] == [1]
