from __future__ import annotations

import pytest

from app.api.live import framing as ws
from app.api.live.incoming import SMALL, Incoming
from app.errors import OverloadedError
from tests.server.live_socket import client_frame


class Budget:
    """What is held of it; more than `most` is refused."""

    def __init__(self, most: int) -> None:
        self.most, self.held = most, 0

    def take(self, size: int) -> None:
        if self.held + size > self.most:
            raise OverloadedError("too much is held")
        self.held += size

    def give(self, size: int) -> None:
        self.held -= size


def test_whole_messages_wait_in_their_order_and_the_begin_of_another_is_timed() -> None:
    incoming = Incoming(1000, None, 0.0)
    last = client_frame(ws.TEXT, b"{}")
    incoming.feed(client_frame(ws.BINARY, b"abc") + client_frame(ws.PING, b"") + last[:3], 5.0)
    assert [message.kind for message in incoming.waiting] == [ws.BINARY, ws.PING]
    assert incoming.partial_for_s(5.5) == 0.5
    incoming.feed(last[3:5], 6.0)
    assert incoming.partial_for_s(6.5) == 1.5  # since it began, not since more of it came
    incoming.go_on(6.75)  # nobody has read it meanwhile
    assert incoming.partial_for_s(7.0) == 0.25
    incoming.feed(last[5:], 7.0)
    incoming.go_on(7.0)
    assert incoming.partial_for_s(9.0) == 0.0
    assert incoming.waiting[-1].data == b"{}"


def test_what_is_large_and_not_whole_counts_until_it_is() -> None:
    budget = Budget(10 * SMALL)
    incoming = Incoming(10 * SMALL, budget, 0.0)
    frame = client_frame(ws.BINARY, bytes(3 * SMALL))
    incoming.feed(frame[: SMALL // 2], 0.0)
    assert budget.held == 0
    incoming.feed(frame[SMALL // 2 : 2 * SMALL], 0.0)
    assert budget.held > SMALL
    incoming.feed(frame[2 * SMALL :], 0.0)
    assert budget.held == 0
    incoming.close()
    assert budget.held == 0


def test_more_than_all_may_hold_is_refused_and_given_back() -> None:
    budget = Budget(3 * SMALL)
    incoming = Incoming(10 * SMALL, budget, 0.0)
    frame = client_frame(ws.BINARY, bytes(6 * SMALL))
    incoming.feed(frame[: 2 * SMALL], 0.0)
    with pytest.raises(OverloadedError):
        incoming.feed(frame[2 * SMALL :][: 3 * SMALL], 0.0)
    incoming.close()
    assert budget.held == 0


@pytest.mark.parametrize("most", [SMALL, 10 * SMALL], ids=["too large", "too much of all"])
def test_nothing_is_kept_of_a_client_that_was_refused_and_sends_on(most: int) -> None:
    budget = Budget(3 * SMALL)
    incoming = Incoming(most, budget, 0.0)
    frame = client_frame(ws.BINARY, bytes(6 * SMALL))
    refused = 0
    for at in range(0, len(frame), SMALL):
        try:
            incoming.feed(frame[at : at + SMALL], 0.0)
        except (OverloadedError, ws.FramingError):
            refused += 1
    assert refused == 1
    assert incoming._frames.held == 0
    assert not incoming.waiting
    incoming.close()
    assert budget.held == 0
