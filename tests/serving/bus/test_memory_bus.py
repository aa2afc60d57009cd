"""The bus that tests are built on behaves as bus.py says; the transports have the same tests in test_contract.py."""

from __future__ import annotations

from app.serving.bus.bus import Bus
from tests.serving.bus.memory_bus import MemoryHub


def test_what_is_published_is_heard_at_another_node_and_what_was_missed_comes_first() -> None:
    hub = MemoryHub()
    here: Bus = hub.node("here")
    there: Bus = hub.node("there")
    lease = here.claim("arm", b"{}")
    assert lease is not None
    here.publish(lease, "frames", 0, b"first")
    here.publish(lease, "frames", 1, b"second")

    heard: list[bytes] = []
    there.subscribe("arm", "frames", lambda one: heard.append(one.payload), after=(lease.token, 0))
    here.publish(lease, "frames", 2, b"third")

    assert heard == [b"second", b"third"]
    hub.kill("here")
    assert there.claim("arm", b"{}") is not None
