"""`flask --app wsgi emg actions check`: whether the table of messages is sound, without a server."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from flask.cli import AppGroup

from app.cli.options import as_json, one_line_errors
from app.counted import counted
from app.errors import ConfigError

if TYPE_CHECKING:
    from app.config import Settings
    from app.inference.manifest import Manifest
    from app.serving.outputs.actions.table import ActionTable

actions = AppGroup("actions", help="The table that says which gesture becomes which message.")


@actions.command()
@click.argument("path", type=click.Path(path_type=Path), required=False)
@click.option("--model", help="Whose gestures the table must name; else that of the settings.")
@as_json
@one_line_errors
def check(path: Path | None, model: str | None, as_json: bool) -> None:
    """Read the table at PATH, else that of the instance folder; exit status 1 where a row is wrong."""
    from app.config import Settings
    from app.serving.outputs.actions.file import NAME
    from app.serving.outputs.actions.table import parse_table
    from app.serving.outputs.forms import FORMS
    from app.serving.profiles.chosen import with_profile

    settings = with_profile(Settings.from_env())
    path = path or settings.instance / NAME
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from None
    table = parse_table(content, FORMS, str(path))
    decides = _manifest(settings, model)
    if decides is not None:
        table.expect_gestures(decides)
    notes = _notes(settings, table) + _never_told(settings, decides, table)
    if as_json:
        told: dict[str, Any] = {"path": str(path), "messages": len(table.rows), "ways": table.ways}
        click.echo(json.dumps({**told, "model": decides and decides.name, "notes": notes}))
        return
    click.echo(f"{path}: {counted(len(table.rows), 'message')} by {', '.join(table.ways) or 'no way out'}")
    for note in notes:
        click.echo(note)


def _manifest(settings: Settings, model: str | None) -> Manifest | None:
    """Return that of the model that decides; None where there is none."""
    from dataclasses import replace

    from app.serving.engine.opening import expected_artefact

    found = expected_artefact(settings if model is None else replace(settings, model=model))
    return None if found is None else found.manifest


def _notes(settings: Settings, table: ActionTable) -> list[str]:
    """Return what is no mistake, and yet may not be what was meant."""
    from app.serving.outputs.forms import SETTINGS, switched_on

    on = switched_on(settings)
    off = [way for way in table.ways if way not in on]
    silent = [way for way in sorted(on) if not table.names(way)]
    return [
        *(f"{way} is off: {SETTINGS[way]} is not set, so its messages are not sent" for way in off),
        *(f"{way} is on, and no row names it: it sends every event in its default form" for way in silent),
    ]


def _never_told(settings: Settings, decides: Manifest | None, table: ActionTable) -> list[str]:
    """Return which rows wait for a double or long gesture that no rule allows."""
    from app.inference.gestures.events import GestureRuleSet
    from app.serving.profiles.store import ProfileStore

    rules = decides and decides.gesture_rules
    if settings.profile is not None:
        rules = ProfileStore(settings.instance).find(settings.profile).gesture_rules or rules
    rules = rules or GestureRuleSet()
    each = {"": rules.rules, **rules.overrides}
    found = []
    for row in table.rows:
        name = {"double": "double_s", "long": "long_s"}.get(row.pattern.variant)
        if name is None:
            continue
        named = row.pattern.gesture
        asked = each.values() if named == "*" else [each.get(named, rules.rules)]
        if not any(getattr(one, name) for one in asked):
            found.append(f"{row.where}: none is ever {row.pattern.variant}, as {name} of gesture_rules is 0")
    return list(dict.fromkeys(found))
