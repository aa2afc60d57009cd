"""`flask --app wsgi profile list|show|set|delete`: people, each with their montage, model and way of deciding."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click
from flask.cli import AppGroup

from app.cli.options import BAD_DATA, as_json, one_line_errors

if TYPE_CHECKING:
    from app.config import Settings
    from app.inference.gestures.events import GestureRuleSet
    from app.serving.profiles.profile import Profile
    from app.serving.profiles.store import ProfileStore

profile = AppGroup("profile", help="Keep people's montage, model and way of deciding.")

RULE = ("votes", "min_confidence", "enter", "leave", "change")
NOTHING = ""  # said of a field: as the server has it
MINE = ("person", "model", "montage", "notes")


@profile.command("list")
@as_json
@one_line_errors
def list_profiles(as_json: bool) -> None:
    """Return the profiles in instance/profiles."""
    settings = _settings()
    found = _store(settings).all()
    sound = [_described(settings, one.profile) for one in found if one.profile is not None]
    damaged = [{"name": one.name, "reason": one.damage} for one in found if one.damage is not None]
    if as_json:
        click.echo(json.dumps({"profiles": sound, "damaged": damaged}))
    else:
        for row in sound:
            click.echo(_line(row))
    for bad in damaged:
        click.echo(f"error: the profile {bad['name']} is damaged: {bad['reason']}", err=True)
    if damaged:
        sys.exit(BAD_DATA)


@profile.command()
@click.argument("name")
@as_json
@one_line_errors
def show(name: str, as_json: bool) -> None:
    """Return one profile."""
    settings = _settings()
    _say(_described(settings, _store(settings).find(name)), as_json)


@profile.command("set")
@click.argument("name")
@click.option("--person", help="Who it is, as recordings name their subject.")
@click.option("--model", help="A name in instance/models.")
@click.option("--montage", help="The source's channels that the model reads, counted from 1: 1-8 or 3,1,2.")
@click.option("--notes", help="Anything.")
@click.option("--votes", type=int, help="The decision is the majority of so many predictions.")
@click.option("--min-confidence", type=float, help="A prediction below this confidence is no vote.")
@click.option("--enter", type=float, help="A gesture begins at this probability.")
@click.option("--leave", type=float, help="It lasts until its own probability is below this one.")
@click.option("--change", type=float, help="Then another gesture follows at this probability, else rest.")
@click.option(
    "--gesture-rules",
    metavar="JSON",
    help='When gestures begin and end as events: {"enter": 0.9, "long_s": 1}.',
)
@click.option("--model-rule", is_flag=True, help="Decide as the model says: forget votes and thresholds.")
@as_json
@one_line_errors
def set_profile(name: str, as_json: bool, model_rule: bool, **said: Any) -> None:
    """Make a profile, or change what is said of one; an empty text takes a field back."""
    from app.errors import ProfileNameError
    from app.inference import artefact
    from app.serving.profiles.chosen import expect_usable
    from app.serving.profiles.profile import Profile

    settings = _settings()
    store = _store(settings)
    try:
        before = store.find(name)
    except ProfileNameError:
        before = Profile(name=name)
    changed = _changed(before, model_rule, said)
    expect_usable(changed, lambda model: artefact.find(model, settings.model_folders).manifest)
    settings.expect_instance()
    store.keep(changed)
    _say(_described(settings, changed), as_json)


@profile.command()
@click.argument("name")
@as_json
@one_line_errors
def delete(name: str, as_json: bool) -> None:
    """Delete a profile for good, also a damaged one."""
    _store(_settings()).remove(name)
    click.echo(json.dumps({"deleted": name}) if as_json else f"deleted {name}")


def _changed(before: Profile, model_rule: bool, said: dict[str, Any]) -> Profile:
    """Return the profile with what was said of it.

    Raises:
        DataError: a value is not allowed.
    """
    from app.errors import ArtefactError, DataError
    from app.inference.decision_rule import DecisionRule

    rule = None if model_rule else before.rule
    chosen = {name: said[name] for name in RULE if said[name] is not None}
    if model_rule and chosen:
        raise DataError(f"--model-rule contradicts --{next(iter(chosen)).replace('_', '-')}: say one of them")
    if chosen:
        try:
            rule = replace(rule or DecisionRule(), **chosen)
        except ArtefactError as error:
            raise DataError(str(error)) from None
    rules = said["gesture_rules"]
    if rules is not None:
        before = replace(before, gesture_rules=_gesture_rules(rules) if rules != NOTHING else None)
    own = {name: said[name] for name in MINE if said[name] is not None}
    given: dict[str, Any] = {
        name: None if value == NOTHING and name != "notes" else value for name, value in own.items()
    }
    return replace(before, rule=rule, **given)


def _gesture_rules(text: str) -> GestureRuleSet:
    """Return the rules of gestures that a text says.

    Raises:
        DataError: it is no JSON, or a rule is not allowed.
    """
    from app.errors import ArtefactError, DataError
    from app.inference.gestures.events import rule_set

    try:
        said = json.loads(text)
        if not isinstance(said, dict):
            raise DataError('--gesture-rules must be a JSON object such as {"enter": 0.9}')
        return rule_set(said)
    except json.JSONDecodeError as error:
        raise DataError(f"--gesture-rules is no JSON: {error}") from None
    except ArtefactError as error:
        raise DataError(str(error)) from None


def _described(settings: Settings, found: Profile) -> dict[str, Any]:
    """Return what GET /profiles says of a profile."""
    from app.inference import artefact
    from app.serving.profiles.chosen import expect_usable
    from app.serving.profiles.profile import ProfileFieldError, as_json

    try:
        expect_usable(found, lambda model: artefact.find(model, settings.model_folders).manifest)
    except ProfileFieldError as error:
        return {**as_json(found), "trouble": str(error)}
    return {**as_json(found), "trouble": None}


def _say(row: dict[str, Any], as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(row))
        return
    rule = row["decision"]
    decided = (
        None
        if rule is None
        else ", ".join(f"{name} {value:g}" for name, value in rule.items() if value is not None)
    )
    rules = row["gesture_rules"] and json.dumps(row["gesture_rules"])
    for name, value in {**row, "decision": decided, "gesture_rules": rules}.items():
        if value:
            click.echo(f"{name}: {value}")


def _line(row: dict[str, Any]) -> str:
    parts = [row["name"], row["person"] or "-", row["model"] or "the server's model"]
    parts += [f"channels {row['montage']}"] if row["montage"] else []
    parts += [f"votes {row['decision']['votes']}"] if row["decision"] else []
    parts += [f"({row['trouble']})"] if row["trouble"] else []
    return "  ".join(parts)


def _settings() -> Settings:
    from app.config import Settings

    return Settings.from_env()


def _store(settings: Settings) -> ProfileStore:
    from app.serving.profiles.store import ProfileStore

    return ProfileStore(settings.instance)
