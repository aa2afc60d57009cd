"""Texts at moments of a recording (annotations, events, markers) as gestures of its samples, where they are such."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from app.emg.files.imported import ImportHints
from app.emg.files.movement_words import WORDS
from app.emg.source import UNLABELLED, Labels

MAX_GESTURES = 64
NO_LABELS = "none"  # what `--label` says where a file has none

REST = re.compile(
    r"(?:hand[ _-]?)?(?:rest(?:ing)?|relax(?:ed|ation)?|no[ _-]?(?:motion|movement|gesture|action)|idle|neutral)"
    r"(?:[ _-]?(?:hand|state|position|phase))?",
    re.IGNORECASE,
)
_TECHNICAL = re.compile(
    r"bad(?:[ _].*)?|edge(?: .*)?|boundary|n/?a|record(?:ing)? (?:start|end|stop)s?.*|.*\bart[ei]fact.*|"
    r"uncalibrated: .*|new segment.*|sync.*|comment.*|start|begin|",
    re.IGNORECASE,
)
_ENDING = re.compile(r"stop|end|off|release|(?:trial|block|cue|gesture)[ _-]?(?:end|stop|off)", re.IGNORECASE)
_BEGINS = re.compile(r"(.+?)[ _:/-]+(?:start|begin|on|onset)", re.IGNORECASE)
_ENDS = re.compile(r"(.+?)[ _:/-]+(?:end|stop|off|offset)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Event:
    """A text at a place of the EMG's axis, in samples; `until` where it says for how long."""

    at: float
    until: float | None
    text: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class EventLabels:
    """Which samples belong to which gesture, and what to say of it."""

    gesture_names: tuple[str, ...] = ()
    rest: str | None = None
    begins: npt.NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))  # in order of time
    ends: npt.NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    ids: Labels = field(default_factory=lambda: np.empty(0, np.int16))
    found: tuple[str, ...] = ()
    assumed: tuple[str, ...] = ()

    def labels(self, _row: int, index: int, count: int) -> Labels:
        """Return the gesture of `count` samples from sample `index` on; a later event goes before an earlier one."""
        made = np.full(count, UNLABELLED, np.int16)
        near = np.flatnonzero((self.begins < index + count) & (self.ends > index))
        for k in near.tolist():
            made[max(0, self.begins[k] - index) : max(0, self.ends[k] - index)] = self.ids[k]
        return made


def label(
    events: Sequence[Event], hints: ImportHints, *, what: str, end: float, forced: bool = False
) -> EventLabels:
    """Return the gestures among the events; none where they do not look like gestures.

    Events that last are taken but for technical ones (BAD_gap, boundary); of those that do not, only texts that look
    like gestures, each until the next or one that says end. `forced`: a person has said that they are gestures.
    `end` is where the recording ends; `what` says in messages what the events are, such as annotations.
    """
    if not events:
        return EventLabels()
    if hints.label == NO_LABELS:
        return EventLabels(found=(f"{len(events)} {what} are left out, as asked",))
    spans = _spans(events, hints, end, forced)
    names = tuple(dict.fromkeys(text for _, _, text in spans))
    if not names or len(names) > MAX_GESTURES:
        return EventLabels(found=(_not_taken(events, names, what),))
    return _labelled(spans, _renamed(names, hints), names, hints, what)


def looks_like_gestures(events: Sequence[Event], hints: ImportHints) -> bool:
    """Whether any of the texts does."""
    return any(_is_gesture(_base(event.text), hints) for event in events)


def rest_among(names: Sequence[str], hints: ImportHints) -> str | None:
    """Return which of the gestures is rest: as a person says it, by name or number from 0, or as its name does."""
    if hints.rest is not None:
        if hints.rest in names:
            return hints.rest
        return names[int(hints.rest)] if hints.rest.isdecimal() and int(hints.rest) < len(names) else None
    return next((name for name in names if REST.fullmatch(name)), None)


def _spans(
    events: Sequence[Event], hints: ImportHints, end: float, forced: bool
) -> list[tuple[float, float, str]]:
    usable = sorted((event for event in events if _usable(event.text, hints)), key=lambda event: event.at)
    lasting = [event for event in usable if event.until is not None and event.until > event.at]
    if lasting:
        return [(event.at, event.until or event.at, event.text.strip()) for event in lasting]
    return _between(usable, hints, end, forced)


def _between(
    events: Sequence[Event], hints: ImportHints, end: float, forced: bool
) -> list[tuple[float, float, str]]:
    """Return what lies between events without a duration: each text lasts until the next."""
    spans: list[tuple[float, float, str]] = []
    open_at, text = 0.0, ""
    for event in events:
        said = event.text.strip()
        ending = bool(_ENDING.fullmatch(said) or (_ENDS.fullmatch(said) and not _is_name(said, hints)))
        begins = not ending and (forced or _is_gesture(_base(said), hints))
        if text and (ending or begins):
            spans.append((open_at, event.at, text))
            text = ""
        if begins:
            open_at, text = event.at, said if _is_name(said, hints) else _base(said)
    return [*spans, (open_at, end, text)] if text else spans


def _usable(text: str, hints: ImportHints) -> bool:
    said = text.strip()
    if hints.gesture_names and not said.isdecimal():
        return (
            said in hints.gesture_names or _base(said) in hints.gesture_names or bool(_ENDING.fullmatch(said))
        )
    return not _TECHNICAL.fullmatch(said) and len(said) <= 100


def _base(text: str) -> str:
    said = text.strip()
    found = _BEGINS.fullmatch(said) or _ENDS.fullmatch(said)
    return found[1] if found else said


def _is_name(text: str, hints: ImportHints) -> bool:
    return bool(hints.gesture_names) and text in (hints.gesture_names or ())


def _is_gesture(text: str, hints: ImportHints) -> bool:
    if hints.gesture_names:
        return text in hints.gesture_names or text.isdecimal()
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", text).lower()
    return len(text) <= 64 and not WORDS.isdisjoint(re.findall(r"[a-z]+", words))


def _renamed(names: Sequence[str], hints: ImportHints) -> tuple[str, ...]:
    given = hints.gesture_names or ()
    return tuple(given[int(n)] if n.isdecimal() and int(n) < len(given) else n for n in names)


def _labelled(
    spans: Sequence[tuple[float, float, str]],
    called: Sequence[str],
    names: Sequence[str],
    hints: ImportHints,
    what: str,
) -> EventLabels:
    gestures = tuple(dict.fromkeys(called))
    ids = {name: gestures.index(new) for name, new in zip(names, called, strict=True)}
    listed = ", ".join(gestures[:12]) + (", ..." if len(gestures) > 12 else "")
    return EventLabels(
        gesture_names=gestures,
        rest=rest_among(gestures, hints),
        begins=np.array([np.ceil(begin - 1e-6) for begin, _, _ in spans], np.int64),
        ends=np.array([np.ceil(end - 1e-6) for _, end, _ in spans], np.int64),
        ids=np.array([ids[text] for _, _, text in spans], np.int16),
        assumed=(
            f"{len(spans)} of the {what} are taken as gestures ({listed}); --label none leaves them out",
        ),
    )


def _not_taken(events: Sequence[Event], names: Sequence[str], what: str) -> str:
    if len(names) > MAX_GESTURES:
        why = f"name {len(names)} different things, of which at most {MAX_GESTURES} can be gestures"
    else:
        why = "do not look like gestures"
    seen = ", ".join(repr(text[:30]) for text in dict.fromkeys(event.text.strip() for event in events[:200]))
    return f"the {what} {why} and are left out ({len(events)}: {seen[:120]}); --gestures names those that are"
