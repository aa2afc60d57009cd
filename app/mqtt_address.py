"""The address of an MQTT broker, as a setting names it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit


@dataclass(frozen=True, slots=True)
class MqttAddress:
    """Where a broker is, who we are there, and below which topic we publish."""

    host: str
    port: int
    tls: bool
    user: str | None
    password: str | None = field(repr=False)
    prefix: str


def parse_mqtt_address(text: str) -> MqttAddress:
    """Return what `mqtt[s]://[user[:password]@]host[:port][/topic]` says.

    Raises:
        ValueError: it is none.
    """
    parts = urlsplit(text.strip())
    if parts.scheme not in ("mqtt", "mqtts") or not parts.hostname or parts.query or parts.fragment:
        raise ValueError
    if not re.fullmatch(r"[A-Za-z0-9._:-]+", parts.hostname):
        raise ValueError
    prefix = unquote(parts.path).strip("/") or "myostream"
    if re.search(r"[+#\s\x00]", prefix) or prefix.startswith("$") or len(prefix) > 200:
        raise ValueError
    tls = parts.scheme == "mqtts"
    if parts.password is not None and not parts.username:
        raise ValueError
    return MqttAddress(
        host=parts.hostname,
        port=parts.port or (8883 if tls else 1883),
        tls=tls,
        user=None if parts.username is None else unquote(parts.username),
        password=None if parts.password is None else unquote(parts.password),
        prefix=prefix,
    )
