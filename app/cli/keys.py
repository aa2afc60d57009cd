"""`flask --app wsgi keys new|list|revoke`: API keys, kept as hashes in EMG_API_KEYS_FILE."""

from __future__ import annotations

import json
from contextlib import nullcontext
from pathlib import Path

import click
from flask.cli import AppGroup

from app.cli.options import as_json, one_line_errors
from app.config import Settings
from app.errors import ConfigError
from app.key_file import locked, write_file
from app.keys import SCOPES, Key, Keyring, make, read_file

keys = AppGroup("keys", help="Make, list and revoke API keys.")


@keys.command()
@click.argument("name")
@click.option(
    "--scopes",
    default="read,infer",
    show_default=True,
    help=f"Of {', '.join(SCOPES)}; recording and downloads take control.",
)
@one_line_errors
def new(name: str, scopes: str) -> None:
    """Print a new key, once. Its hash goes into EMG_API_KEYS_FILE, or is printed for EMG_API_KEYS."""
    settings = Settings.from_env()
    key, secret = make(name, [scope.strip() for scope in scopes.split(",")])
    path = settings.api_keys_file
    if path is not None:
        with locked(path):
            there = _in_file(path)
            Keyring((*settings.api_keys, *there, key))  # refuses a name that is taken
            write_file(path, (*there, key))
        click.echo(f"added {name} to {path}; its key is shown only now:", err=True)
    else:
        Keyring((*settings.api_keys, key))
        click.echo(f"for EMG_API_KEYS (entries are separated by commas):\n{key}", err=True)
        click.echo("the key, shown only now:", err=True)
    click.echo(secret)


@keys.command("list")
@as_json
@one_line_errors
def list_keys(as_json: bool) -> None:
    """Return the names and scopes of all keys."""
    settings = Settings.from_env()
    found = [(key, "EMG_API_KEYS") for key in settings.api_keys]
    found += [(key, str(settings.api_keys_file)) for key in _in_file(settings.api_keys_file)]
    rows = [
        {"name": key.name, "scopes": [s for s in SCOPES if s in key.scopes], "from": at} for key, at in found
    ]
    if as_json:
        click.echo(json.dumps({"keys": rows}))
        return
    for row in rows:
        click.echo(f"{row['name']}: {', '.join(row['scopes'])} ({row['from']})")


@keys.command()
@click.argument("name")
@one_line_errors
def revoke(name: str) -> None:
    """Take a key out of EMG_API_KEYS_FILE. A running server refuses it within a second."""
    settings = Settings.from_env()
    path = settings.api_keys_file
    with locked(path) if path is not None and path.exists() else nullcontext():
        there = _in_file(path)
        kept = tuple(key for key in there if key.name != name)
        if path is None or len(kept) == len(there):
            raise ConfigError(f"there is no key {name} in {_place(settings, name)}")
        write_file(path, kept)
    click.echo(f"revoked {name}")


def _place(settings: Settings, name: str) -> str:
    """Where a key of that name could have been, and what to do where it is elsewhere."""
    at = settings.api_keys_file or "EMG_API_KEYS_FILE, which is empty"
    elsewhere = any(key.name == name for key in settings.api_keys)
    return f"{at}; take it out of EMG_API_KEYS and restart" if elsewhere else str(at)


def _in_file(path: Path | None) -> tuple[Key, ...]:
    return () if path is None or not path.exists() else read_file(path)
