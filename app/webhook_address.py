"""The address of a webhook and its secret, as settings name them."""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass, field
from urllib.parse import quote, urlsplit

LEAST_SECRET, MOST_SECRET = 24, 64  # bytes, as Standard Webhooks asks for
SECRET = "whsec_"


@dataclass(frozen=True, slots=True)
class WebhookAddress:
    """Where events are posted. Its path may be a secret of its own, and is shown nowhere."""

    tls: bool
    host: str
    port: int
    target: str = field(repr=False)  # path and query

    @property
    def shown(self) -> str:
        """Return what may be told of it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.tls else 'http'}://{host}:{self.port}"


def parse_webhook(text: str) -> WebhookAddress:
    """Return what `https://host[:port]/path?query` says.

    Raises:
        ValueError: it is none, or has a user, a password or a fragment.
    """
    text = text.strip()
    parts = urlsplit(text)
    host = parts.hostname
    if parts.scheme not in ("http", "https") or not host or "@" in parts.netloc or parts.fragment:
        raise ValueError
    if not re.fullmatch(r"[a-z0-9._:-]{1,253}", host) or re.search(r"[\x00-\x20\x7f]", text):
        raise ValueError  # also a scope such as fe80::1%eth0, which is no public address anyway
    target = quote(parts.path or "/", safe="/:@!$&'()*+,;=%-._~")
    if parts.query:
        target += "?" + quote(parts.query, safe="/?:@!$&'()*+,;=%-._~")
    return WebhookAddress(
        tls=parts.scheme == "https",
        host=host,
        port=parts.port or (443 if parts.scheme == "https" else 80),
        target=target,
    )


def parse_secret(text: str) -> bytes:
    """Return the key of a secret such as Standard Webhooks has it: `whsec_` and 24 to 64 bytes in base64.

    Raises:
        ValueError: it is none.
    """
    said = text.strip()
    if not said.startswith(SECRET):
        raise ValueError
    try:
        key = base64.b64decode(said.removeprefix(SECRET), validate=True)
    except binascii.Error:
        raise ValueError from None
    if not LEAST_SECRET <= len(key) <= MOST_SECRET:
        raise ValueError
    return key
