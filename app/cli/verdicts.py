"""How a repetition went, in a terminal's words: the same where a lesson prompts and where only a recording does."""

from __future__ import annotations

from typing import Protocol

GOOD = "good"
VERDICTS = {
    "good": "good",
    "nothing": "nothing was done",
    "other": "another gesture than before",
    "restless": "rest that is none",
    "bad_signal": "an electrode was loose",
    None: "not judged",
}


class Asked(Protocol):
    """Something that was asked of a person, and what was made of it."""

    @property
    def label(self) -> str: ...

    @property
    def repetition(self) -> int: ...

    @property
    def state(self) -> str: ...

    @property
    def verdict(self) -> str | None: ...

    @property
    def advice(self) -> str | None: ...


def said(asked: Asked) -> str:
    """Return what was made of a prompt, in one line."""
    which = f"{asked.label} {asked.repetition}"
    if asked.state == "skipped":
        return f"{which}: left out"
    verdict = VERDICTS.get(asked.verdict, asked.verdict)
    return (
        f"{which}: {verdict}. {asked.advice}"
        if asked.advice and asked.verdict != GOOD
        else f"{which}: {verdict}"
    )
