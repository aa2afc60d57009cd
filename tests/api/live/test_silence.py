from __future__ import annotations

from app.api.live.silence import GONE_S, PING_S, Silence


def test_a_silent_client_is_asked_once_and_then_given_up() -> None:
    silence = Silence(100.0)
    assert not silence.ping_due(100.0 + PING_S)
    assert silence.ping_due(100.1 + PING_S)
    silence.pinged(100.1 + PING_S)
    assert not silence.ping_due(100.2 + PING_S)
    assert not silence.gone(100.0 + GONE_S)
    assert silence.gone(100.1 + GONE_S)


def test_a_word_of_the_client_begins_it_anew() -> None:
    silence = Silence(100.0)
    silence.heard(107.0)
    assert not silence.gone(107.0 + GONE_S)
    assert not silence.ping_due(107.0 + PING_S)
