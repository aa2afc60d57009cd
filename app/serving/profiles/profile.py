"""A person's profile, as a value that cannot be wrong in form; and as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any
from unicodedata import category

from app.emg.recording.json_fields import expect_object, maybe, read_object, real_of, text_of, whole_of
from app.emg.signal.channel_choice import parse_channels
from app.errors import ArtefactError, DataError
from app.inference.decision_rule import MAX_VOTES, DecisionRule
from app.inference.gestures.events import GestureRuleSet, rule_set
from app.inference.manifest import is_name

MAX_PERSON, MAX_MONTAGE, MAX_NOTES = 64, 1000, 4000  # characters
MAX_BYTES = 1 << 16  # of the JSON: the notes, six bytes a character, and the rest
NO_TEXT = ("Cc", "Cs")  # control characters, and half of a character, as JSON may escape it
NOT_IN_LINES = (*NO_TEXT, "Zl", "Zp")
FIELDS = ("person", "model", "montage", "decision", "gesture_rules", "notes")


class ProfileFieldError(DataError):
    """A field of a profile is wrong."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field, self.reason = field, reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What is a person's own; None: as the server has it.

    Raises:
        ProfileFieldError: a value is not allowed.
    """

    name: str
    person: str | None = None
    model: str | None = None  # its name in a folder of models
    montage: str | None = None  # which of the source's channels the model reads, such as 1-8
    rule: DecisionRule | None = None  # None: the model's own
    gesture_rules: GestureRuleSet | None = None  # None: the model's own
    notes: str = ""

    def __post_init__(self) -> None:
        if not is_name(self.name):
            raise ProfileFieldError("name", NAMES)
        if self.person is not None and not _is_line(self.person, MAX_PERSON):
            raise ProfileFieldError("person", f"must be one printable line of 1 to {MAX_PERSON} characters")
        if self.model is not None and not is_name(self.model):
            raise ProfileFieldError("model", NAMES)
        if self.montage is not None:
            _expect_montage(self.montage)
        if len(self.notes) > MAX_NOTES or not _is_text(self.notes):
            raise ProfileFieldError("notes", f"must be a text of at most {MAX_NOTES} characters")

    @property
    def columns(self) -> tuple[int, ...] | None:
        """Return the source's channels that the model reads, counted from 0; None: all, in order."""
        return None if self.montage is None else parse_channels(self.montage)


NAMES = "must be 1 to 64 letters, digits, '.', '_' and '-', a letter or digit first"


def as_json(profile: Profile) -> dict[str, Any]:
    """Return what a profile says, and its name."""
    return {
        "name": profile.name,
        "person": profile.person,
        "model": profile.model,
        "montage": profile.montage,
        "decision": None if profile.rule is None else asdict(profile.rule),
        "gesture_rules": None if profile.gesture_rules is None else profile.gesture_rules.fields,
        "notes": profile.notes,
    }


def encode(profile: Profile) -> bytes:
    """Return the content of a profile's file; its name is the file's."""
    said = {name: value for name, value in as_json(profile).items() if name != "name"}
    return f"{json.dumps(said, indent=2)}\n".encode("ascii")


def decode(name: str, text: bytes) -> Profile:
    """Return the profile of that name from the content of its file. What is not said is as if it had not been chosen.

    Raises:
        DataError: it is damaged; the line names the field.
    """
    try:
        said = read_object(text, MAX_BYTES)
        for field in said:
            if field not in FIELDS:
                raise ValueError(f"{field[:40]!r} is no field of a profile; those are {', '.join(FIELDS)}")
        values: dict[str, Any] = {**dict.fromkeys(FIELDS), "notes": "", **said}
        return Profile(
            name=name,
            person=maybe(text_of, values, "person"),
            model=maybe(text_of, values, "model"),
            montage=maybe(text_of, values, "montage"),
            rule=_rule(maybe(expect_object, values, "decision")),
            gesture_rules=_gesture_rules(maybe(expect_object, values, "gesture_rules")),
            notes=text_of(values, "notes"),
        )
    except (ValueError, ArtefactError) as error:
        raise DataError(str(error)) from None


def _rule(said: Mapping[str, Any] | None) -> DecisionRule | None:
    if said is None:
        return None
    known = [field.name for field in fields(DecisionRule)]
    for name in said:
        if name not in known:
            raise ValueError(f"decision has {name[:40]!r}; it takes {', '.join(known)}")
    values = {**asdict(DecisionRule()), **said}
    return DecisionRule(
        votes=whole_of(values, "votes", 1, MAX_VOTES),
        min_confidence=real_of(values, "min_confidence", 0, 1),
        **{name: maybe(_share, values, name) for name in ("enter", "leave", "change")},
    )


def _gesture_rules(said: Mapping[str, Any] | None) -> GestureRuleSet | None:
    return None if said is None else rule_set(said)


def _share(values: Mapping[str, Any], name: str) -> float:
    return real_of(values, name, 0, 1)


def _expect_montage(text: str) -> None:
    if len(text) > MAX_MONTAGE:
        raise ProfileFieldError("montage", f"must have at most {MAX_MONTAGE} characters")
    try:
        parse_channels(text, named="montage")
    except DataError as error:
        raise ProfileFieldError("montage", str(error)) from None


def _is_line(text: str, most: int) -> bool:
    return text.strip() != "" and len(text) <= most and not any(category(one) in NOT_IN_LINES for one in text)


def _is_text(text: str) -> bool:
    return not any(category(one) in NO_TEXT and one not in "\n\r\t" for one in text)
