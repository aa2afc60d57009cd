"""Turns between groups, on plain threads."""

from __future__ import annotations

import threading

from app.serving.streams.turns import AT_ONCE, FAST_FPS, Turns


def test_groups_of_high_rates_wait_for_each_other_and_slow_ones_for_nobody() -> None:
    turns, made = Turns(), threading.Event()

    def make() -> None:
        with turns.turn(FAST_FPS + 1):
            made.set()

    held = [turns.turn(FAST_FPS + 1) for _ in range(AT_ONCE)]
    for turn in held:
        turn.__enter__()
    one_more = threading.Thread(target=make)
    one_more.start()
    with turns.turn(FAST_FPS):  # does not wait
        assert not made.is_set()
    held[0].__exit__(None, None, None)
    one_more.join(60)
    assert made.is_set()
    held[1].__exit__(None, None, None)
