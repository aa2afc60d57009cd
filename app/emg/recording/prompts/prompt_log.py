"""What happened to the prompts of a recording: `prompts.jsonl` beside its log, a line each, only appended.

It is apart from the log because other workers, and the list of all recordings, are to know it without reading a
gigabyte. A line that is not whole, and all after it, was never written. Another process asks for an action by a file
of its own; the answer is a line.
"""

from __future__ import annotations

import json
import os
import re
import secrets
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from app.emg.recording import folder as folders
from app.emg.recording.folder import PROMPTS
from app.emg.recording.header import RecordingHeader
from app.emg.recording.json_fields import maybe, read_object, text_of, whole_of
from app.emg.recording.prompts.course import ACTIONS, OFFER, Action, Course, course_of
from app.errors import BusyError, DataError

MAX_BYTES = 2**24  # MAX_STEPS verdicts and MAX_ACTIONS actions take a quarter of that
MAX_LINE = 4096
VERDICTS = ("good", "nothing", "other", "restless", "bad_signal")

_ASKED = re.compile(r"prompt-([0-9a-f]{16})\.ask")


@dataclass(frozen=True, slots=True)
class Begun:
    """The first sample of the recording has that index."""

    first: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """How the entry of that number went, and what to do about it."""

    entry: int
    verdict: str  # of VERDICTS
    advice: str | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of the action that another process asked for; `refused` says why it was not done."""

    token: str
    refused: str | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """An action that another process asks for."""

    token: str
    action: str
    index: int | None


Line = Begun | Action | Verdict | Answer


@dataclass(frozen=True, slots=True)
class Repetition:
    """Something that was asked: a gesture, or rest. Samples are those of the source."""

    label: str
    repetition: int
    first_sample: int
    end_sample: int
    state: str  # done | redone | skipped
    verdict: str | None  # of VERDICTS; None: not judged
    advice: str | None


@dataclass(frozen=True, slots=True)
class PromptsSoFar:
    """What is known of the prompts."""

    course: Course
    first: int | None = None  # sample index
    verdicts: Mapping[int, Verdict] = field(default_factory=dict)
    answers: Mapping[str, Answer] = field(default_factory=dict)

    def after(self, line: Line) -> PromptsSoFar:
        """Return what is known after that line.

        Raises:
            BusyError: an action that makes no sense there.
        """
        if isinstance(line, Begun):
            return replace(self, first=line.first)
        if isinstance(line, Action):
            return replace(self, course=self.course.act(line))
        if isinstance(line, Verdict):
            return replace(self, verdicts={**self.verdicts, line.entry: line})
        return replace(self, answers={**self.answers, line.token: line})

    def repetitions(self, position: int) -> tuple[Repetition, ...]:
        """Return what was asked before that sample, counted from the recording's first, and is not under way."""
        steps, first = self.course.plan.steps, self.first or 0
        return tuple(
            Repetition(
                label=steps[entry.step].label,
                repetition=steps[entry.step].repetition,
                first_sample=first + entry.begin,
                end_sample=first + entry.end,
                state=entry.state,
                verdict=None if (said := self.verdicts.get(number)) is None else said.verdict,
                advice=None if said is None else said.advice,
            )
            for number, entry in enumerate(self.course.entries(position))
        )


def encode(line: Line) -> bytes:
    """Return the line."""
    return json.dumps(asdict(line)).encode() + b"\n"


def read(root: Path, header: RecordingHeader) -> PromptsSoFar | None:
    """Return what is known of a recording's prompts; None where it has no plan. Nothing in the file is trusted.

    A recording of a version that had no such file went as planned.

    Raises:
        RecordingNameError: there is no such recording.
        OSError: no descriptor is left.
    """
    if header.plan is None:
        return None
    found = PromptsSoFar(course_of(header.plan, header.sampling_rate))
    verdicts: dict[int, Verdict] = {}
    answers: dict[str, Answer] = {}
    with suppress(ValueError, BusyError):  # cut off there
        for line in _lines(root, header.name):
            if isinstance(line, Verdict):
                verdicts[line.entry] = line
            elif isinstance(line, Answer):
                answers[line.token] = line
            else:
                found = found.after(line)
    return replace(found, verdicts=verdicts, answers=answers)


def _lines(root: Path, name: str) -> Iterator[Line]:
    if not os.path.lexists(root / name / PROMPTS):
        return
    with folders.open_file(root, name, PROMPTS) as file:
        text = file.read(MAX_BYTES)
    for line in text.split(b"\n")[:-1]:
        yield _line(read_object(line, MAX_LINE))


def _line(values: Mapping[str, Any]) -> Line:
    if "first" in values:
        return Begun(whole_of(values, "first"))
    if "action" in values:
        return Action(
            whole_of(values, "at"), _action(values, (*ACTIONS, OFFER)), maybe(whole_of, values, "index")
        )
    if "verdict" in values:
        verdict = text_of(values, "verdict")
        if verdict not in VERDICTS:
            raise ValueError(f"verdict must be one of {', '.join(VERDICTS)}, got {verdict[:40]!r}")
        return Verdict(whole_of(values, "entry"), verdict, maybe(text_of, values, "advice"))
    return Answer(text_of(values, "token"), maybe(text_of, values, "refused"))


def _action(values: Mapping[str, Any], known: tuple[str, ...]) -> str:
    action = text_of(values, "action")
    if action not in known:
        raise ValueError(f"action must be one of {', '.join(known)}, got {action[:40]!r}")
    return action


def ask(root: Path, name: str, action: str, index: int | None) -> str:
    """Have whatever process writes it do that soon; its Answer has the token that this returns.

    Raises:
        RecordingNameError: there is no such recording.
        OSError: it cannot be written.
    """
    token = secrets.token_hex(8)
    folders.write_beside(
        root, name, f"prompt-{token}.ask", json.dumps({"action": action, "index": index}).encode()
    )
    return token


def asked(root: Path, name: str) -> list[Asked]:
    """Take what other processes ask for; what is none of that is passed over.

    Raises:
        OSError: the folder cannot be read.
    """
    found = []
    for file in sorted(entry.name for entry in (root / name).iterdir()):
        match = _ASKED.fullmatch(file)
        if match is None:
            continue
        with suppress(DataError, ValueError):
            with folders.open_file(root, name, file) as opened:
                values = read_object(opened.read(MAX_LINE + 1), MAX_LINE)
            found.append(Asked(match[1], _action(values, ACTIONS), maybe(whole_of, values, "index")))
        with suppress(OSError):
            (root / name / file).unlink()
    return found
