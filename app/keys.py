"""API keys: what one is, how it is kept (as a hash), and whose it is."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from app.errors import ConfigError

SCOPES = ("read", "infer", "control")
FORM = "name:scopes:hash, as `flask --app wsgi keys new NAME` prints it"
NAME = re.compile(r"[A-Za-z0-9._-]{1,32}")
_HASH = re.compile(r"[0-9a-f]{64}")
_PREFIX = "emg_"  # a leaked key is recognised by scanners, and by whoever finds it


@dataclass(frozen=True, slots=True)
class Key:
    """A named key, as an operator keeps it: the secret itself is not in it."""

    name: str
    scopes: frozenset[str]
    hash: str  # SHA-256 in hexadecimal; the secret has 256 random bits, so nothing slower is needed

    def __str__(self) -> str:
        return f"{self.name}:{'+'.join(scope for scope in SCOPES if scope in self.scopes)}:{self.hash}"


class Keyring:
    """The keys that are accepted."""

    def __init__(self, keys: Iterable[Key] = ()) -> None:
        self.keys = tuple(keys)
        self._by_name = {key.name: key for key in self.keys}
        if len(self._by_name) != len(self.keys):
            raise ConfigError("two API keys have the same name; each needs its own")

    def find(self, secret: str) -> Key | None:
        """Return the key with that secret. Takes as long for one that is nearly right as for any other."""
        given, found = hash_of(secret), None
        for key in self.keys:  # all of them, whichever it is
            if hmac.compare_digest(given, key.hash):
                found = key
        return found

    def named(self, name: str) -> Key | None:
        return self._by_name.get(name)


def make(name: str, scopes: Iterable[str]) -> tuple[Key, str]:
    """Return a new key and its secret, which is nowhere else and cannot be had again.

    Raises:
        ConfigError: no such name or scope.
    """
    secret = _PREFIX + secrets.token_urlsafe(32)
    return parse(f"{name}:{'+'.join(scopes)}:{hash_of(secret)}"), secret


def hash_of(secret: str) -> str:
    """Return the SHA-256 of a key's secret, in hexadecimal: all that is kept of it."""
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()


def parse(entry: str) -> Key:
    """Return the key that `name:scopes:hash` describes.

    Raises:
        ConfigError: what is wrong with it, without what may be a secret.
    """
    name, _, rest = entry.strip().partition(":")
    scopes, _, digest = rest.partition(":")
    if not rest or _HASH.fullmatch(digest) is None:  # perhaps a plain key: never repeat it
        raise ConfigError(f"an API key is not in the form {FORM}: a key itself is never kept, only its hash")
    if NAME.fullmatch(name) is None:
        raise ConfigError(f"an API key's name has 1 to 32 letters, digits, dots, dashes, got {name!r}")
    chosen = frozenset(scopes.split("+"))
    if not chosen <= set(SCOPES):
        raise ConfigError(f"the API key {name} has the scopes {scopes!r}; there are {'+'.join(SCOPES)}")
    return Key(name, chosen, digest)


def read_file(path: Path) -> tuple[Key, ...]:
    """Return the keys of a file: one a line, and comments after `#`.

    Raises:
        ConfigError: it cannot be read, or a line is wrong.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not a text"
        raise ConfigError(
            f"EMG_API_KEYS_FILE={path} cannot be read ({reason}); `flask --app wsgi keys new NAME` makes it"
        ) from None
    keys = []
    for number, line in enumerate(lines, start=1):
        if entry := line.partition("#")[0].strip():
            try:
                keys.append(parse(entry))
            except ConfigError as error:
                raise ConfigError(f"{path}, line {number}: {error}") from None
    return tuple(keys)
