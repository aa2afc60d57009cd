"""How the value of an environment variable is read: functions of the environment and the variable's name.

Each returns the value, and raises ValueError or an error of environs where it is not allowed; `app.variables` says then
what is.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import parse_qsl, urlsplit

from environs import Env

from app.fleet_address import parse_address, parse_header
from app.keys import Key
from app.keys import parse as parse_key
from app.mqtt_address import MqttAddress, parse_mqtt_address
from app.webhook_address import WebhookAddress, parse_secret, parse_webhook

Parser = Callable[[Env, str], Any]
_ONE_RATE = r"[1-9]\d{0,8}\s*/\s*([1-9]\d{0,4}\s*)?(second|minute|hour|day)s?"
Number = TypeVar("Number", int, float)


def positive_int(env: Env, name: str) -> int:
    """Return a whole number above 0."""
    value: int = env.int(name)
    if value < 1:
        raise ValueError
    return value


def positive_float(env: Env, name: str) -> float:
    """Return a finite number above 0."""
    value: float = env.float(name)
    if not 0 < value < float("inf"):
        raise ValueError
    return value


def not_negative(env: Env, name: str) -> float:
    """Return a finite number, 0 or above."""
    value: float = env.float(name)
    if not 0 <= value < float("inf"):
        raise ValueError
    return value


def at_most(most: float, parse: Callable[[Env, str], Number]) -> Callable[[Env, str], Number]:
    """Make a parser that refuses what is above `most`."""

    def bounded(env: Env, name: str) -> Number:
        value = parse(env, name)
        if value > most:
            raise ValueError
        return value

    return bounded


def one_of(*choices: str) -> Callable[[Env, str], str]:
    """Make a parser of one of the choices, in any case of letters."""

    def parse(env: Env, name: str) -> str:
        value: str = env.str(name).strip().lower()
        if value not in choices:
            raise ValueError
        return value

    return parse


def matching(pattern: str) -> Callable[[Env, str], str]:
    """Make a parser of texts that match a pattern as a whole."""

    def parse(env: Env, name: str) -> str:
        value: str = env.str(name).strip()
        if re.fullmatch(pattern, value) is None:
            raise ValueError
        return value

    return parse


def mains_hz(env: Env, name: str) -> float | None:
    """Return 50 or 60 Hz; None for `off`."""
    value = one_of("50", "60", "off")(env, name)
    return None if value == "off" else float(value)


def speed(env: Env, name: str) -> float | None:
    """Return how many times real time; None for `max`."""
    return None if env.str(name).strip().lower() == "max" else positive_float(env, name)


def several_of(*choices: str) -> Parser:
    """Make a parser of some of the choices, each at most once, in the order that was chosen."""

    def parse(env: Env, name: str) -> tuple[str, ...]:
        names = tuple(part.strip().lower() for part in env.str(name).split(","))
        if not set(names) <= set(choices) or len(set(names)) != len(names):
            raise ValueError
        return names

    return parse


_REDIS_OPTIONS = {
    "db",
    "username",
    "password",
    "ssl_ca_certs",
    "ssl_ca_path",
    "ssl_certfile",
    "ssl_keyfile",
    "ssl_cert_reqs",
    "ssl_check_hostname",
}


def redis_url(env: Env, name: str) -> str:
    """Return a URL of Redis.

    What the client of Redis would raise for later, or pass over, is refused here, and with it what would change how
    long it is waited for: leases go by that.
    """
    value = matching(r"(rediss?|unix)://.+")(env, name)
    parts = urlsplit(value)
    _ = parts.port  # raises ValueError
    said = dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query)))
    database = said.get("db", "0" if parts.scheme == "unix" else parts.path[1:] or "0")
    if not re.fullmatch(r"\d{1,5}", database) or not said.keys() <= _REDIS_OPTIONS:
        raise ValueError
    return value


def oip_url(env: Env, name: str) -> str:
    """Return the address of a server of the Open Inference Protocol."""
    value: str = env.str(name).strip()
    parse_address(value)
    return value


def header(env: Env, name: str) -> tuple[str, str]:
    """Return name and value of an HTTP header."""
    return parse_header(env.str(name))


def mqtt(env: Env, name: str) -> MqttAddress:
    """Return a broker and a topic."""
    return parse_mqtt_address(env.str(name))


def webhook(env: Env, name: str) -> WebhookAddress:
    """Return where events are posted to."""
    return parse_webhook(env.str(name))


def webhook_secret(env: Env, name: str) -> bytes:
    """Return the bytes that events are signed with."""
    return parse_secret(env.str(name))


def host_port(env: Env, name: str) -> tuple[str, int]:
    """Return host and port."""
    host, _, port = env.str(name).strip().rpartition(":")
    if not host or not port.isdigit() or not 1 <= int(port) <= 65535:
        raise ValueError
    return host.strip("[]"), int(port)


def otb_bind(env: Env, name: str) -> tuple[str, int]:
    """Return an address, and a port where one is said; else 0: the probe's usual one."""
    value = env.str(name).strip()
    host, colon, port = value.rpartition(":") if value.count(":") == 1 or "]" in value else (value, "", "")
    if colon and not (port.isdigit() and 1 <= int(port) <= 65535):
        raise ValueError
    return str(ipaddress.ip_address(host.strip("[]"))), int(port or 0)


def text(env: Env, name: str) -> str:
    """Return the text without blanks around it."""
    return str(env.str(name)).strip()


def path(env: Env, name: str) -> Path:
    """Return a path, `~` as the home of a user."""
    try:
        return Path(env.str(name)).expanduser()
    except RuntimeError:  # ~name of a user whom this machine does not know
        raise ValueError from None


def folder(env: Env, name: str) -> Path:
    """Return a path that stays the same, wherever a process goes to from here."""
    return path(env, name).absolute()


def channel_list(env: Env, name: str) -> str:
    """Return channels such as `1-8` or `3,1,2`, as they are written."""
    value: str = env.str(name).strip()
    if re.fullmatch(r"\s*\d+(\s*-\s*\d+)?\s*(,\s*\d+(\s*-\s*\d+)?\s*)*", value) is None:
        raise ValueError
    return value


def flag(env: Env, name: str) -> bool:
    """Return whether it is on."""
    return bool(env.bool(name))


def api_keys(env: Env, name: str) -> tuple[Key, ...]:
    """Return the keys, of which only hashes are written."""
    return tuple(parse_key(entry) for entry in env.str(name).split(",") if entry.strip())


def rate_limit(env: Env, name: str) -> str:
    """Return rates in the notation of `limits`."""
    value: str = env.str(name).strip().lower()
    if re.fullmatch(rf"{_ONE_RATE}(\s*[;,]\s*{_ONE_RATE})*", value) is None:
        raise ValueError
    return value


def origins(env: Env, name: str) -> tuple[str, ...]:
    """Return origins of web pages, or `*`."""
    found = tuple(part.strip().rstrip("/").lower() for part in env.str(name).split(","))
    if not all(part == "*" or re.fullmatch(r"https?://[a-z0-9.\-\[\]:]+", part) for part in found):
        raise ValueError
    return found


def proxies(env: Env, name: str) -> tuple[str, ...]:
    """Return addresses, networks or `unix`, as they are written."""
    found = tuple(part.strip() for part in env.str(name).split(","))
    for part in found:
        if part != "unix":
            ipaddress.ip_network(part, strict=False)  # raises ValueError
    return found
