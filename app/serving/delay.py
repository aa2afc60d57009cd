"""How long after a movement begins a decision can follow it, from the numbers that decide it."""

from __future__ import annotations


def decision_delay_ms(
    *, window_ms: float, hop_ms: float, votes: int, filter_ms: float, latency_ms: float
) -> float:
    """Mean delay from the onset of a gesture to the decision for it.

    D = T_window / 2 + votes * T_hop / 2 + latency + filter delay: the new gesture must fill half of the window,
    windows come once a hop, a majority needs half of the votes, and the filter shows the signal late.

    Source: Farrell & Weir 2008, "Analysis window induced controller delay for multifunctional prostheses",
    Proc. MEC'08 (Duke University handle 10161/2773); Farrell 2011, "Determining delay created by multifunctional
    prosthesis controllers", J. Rehabil. Res. Dev. 48(6). The filter's group delay is added to theirs.
    """
    return window_ms / 2 + votes * hop_ms / 2 + latency_ms + filter_ms
