"""Which words of a file's name are the gesture: `anna_pinch_grip` of `anna_pinch_grip_1.csv` holds pinch_grip."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from itertools import takewhile

from app.emg.files.movement_words import WORDS

Words = tuple[str, ...]

_NO_GESTURES = re.compile(
    r"session|trial|run|rec(ording)?|day|part|subject|[sp]|raw|data|samples?|test|emg|left|right|file|series|set|block|"
    r"rep(etition)?|take|exp(eriment)?|log|ch(annel)?|v(ersion)?|filtered|processed|signal|hand|arm|k?hz|fs|ms|min|sec|"
    r"truncated|copy|new|old|openbci|raw-data|eeg|imu|acc",
    re.IGNORECASE,
)
_MONTHS = re.compile(r"(19|20)\d\d|\d{5,}|\d{1,2}-\d{1,2}.*|s\d+|p\d+|day\d+", re.IGNORECASE)
_SESSION = re.compile(rf"(?!hand)(?:{_NO_GESTURES.pattern})\d*|{_MONTHS.pattern}", re.IGNORECASE)


def gesture_of(words: Words, together: Collection[Words] = (), named: Sequence[str] = ()) -> str | None:
    """Return the gesture in the words before a repetition's number; None where there is none.

    It is the longest of `named` with which they end. Else, among files that are imported `together`, what is left
    of their names behind the words that say the person and the session. Else the last word. Words of gestures before
    it belong to it.
    """
    for begin in range(len(words)):
        if name := _among(named, words[begin:]):
            return name
    if len(words) == 1:
        alone = len(set(together)) < 2
        return None if alone or not _moves(words[0]) else words[0]
    begin = _begin(words, together)
    lowest = 1 if begin else 0
    while begin > lowest and words[begin - 1].lower() in WORDS:
        begin -= 1
    while begin < len(words) - 1 and _SESSION.fullmatch(words[begin]):
        begin += 1
    return _checked(words[begin:])


def _among(named: Sequence[str], words: Words) -> str | None:
    said = "_".join(words).lower()
    return next(
        (name for name in named if re.sub(r"[ -]", "_", name).lower() == said.replace("-", "_")), None
    )


def _moves(word: str) -> bool:
    """Return whether a word by itself is one of a gesture: no side, no part of an arm."""
    return word.lower() in WORDS and not _NO_GESTURES.fullmatch(word)


def _checked(words: Words) -> str | None:
    """Return the words as one, where they may be a gesture."""
    alone = len(words) == 1 and (_NO_GESTURES.fullmatch(words[0]) or _MONTHS.fullmatch(words[0]))
    nothing = all(_SESSION.fullmatch(word) or _NO_GESTURES.fullmatch(word) for word in words)
    return None if alone or nothing else "_".join(words)


def _begin(words: Words, together: Collection[Words]) -> int:
    """Return where the gesture begins."""
    if any(_moves(other[0]) for other in together):
        return 0  # nobody's name stands before it
    tails = {other for other in together if len(other) > 1}
    if len(tails) < 2 or words not in tails:
        return len(words) - 1
    begin = 0
    while step := _common(tails) or (1 if begin == 0 or _are_persons(tails) else 0):
        begin, tails = begin + step, {tail[step:] for tail in tails}
    return begin if begin < len(words) else len(words) - 1


def _common(tails: Collection[Words]) -> int:
    """Return how many words all begin with; a word is left of each."""
    alike = takewhile(lambda column: len(set(column)) == 1, zip(*tails, strict=False))
    return min(len(list(alike)), min(map(len, tails)) - 1)


def _are_persons(tails: Collection[Words]) -> bool:
    """Return whether each first word stands before the same other words, two at least: each did all the gestures."""
    if min(map(len, tails)) < 2 or any(_moves(tail[0]) for tail in tails):
        return False
    gestures: dict[str, set[Words]] = {}
    for tail in tails:
        gestures.setdefault(tail[0], set()).add(tail[1:])
    first = next(iter(gestures.values()))
    return len(gestures) > 1 and len(first) > 1 and all(others == first for others in gestures.values())
