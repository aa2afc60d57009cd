"""Where a fleet is that speaks the Open Inference Protocol, and the header that it may want."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,252})|\[[0-9a-fA-F:.]+\]")
_PATH = re.compile(r"(/[A-Za-z0-9._~%-]+)*")
_FIELD, _VALUE = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}"), re.compile(r"[\x20-\x7e]{1,4096}")
_OWN_FIELDS = {"host", "content-length", "transfer-encoding", "connection", "inference-header-content-length"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Of a server of the protocol; `path` is what comes before /v2."""

    host: str
    port: int
    path: str
    tls: bool

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.tls else 'http'}://{host}:{self.port}{self.path}"


def parse_address(url: str) -> Address:
    """Return the address that a URL means.

    Raises:
        ValueError: it is none.
    """
    parts = urlsplit(url)
    host = parts.netloc.rpartition(":")[0] if re.search(r":\d*$", parts.netloc) else parts.netloc
    path = parts.path.rstrip("/")
    path = path[: -len("/v2")] if path.endswith("/v2") else path
    sound = _HOST.fullmatch(host) is not None and _PATH.fullmatch(path) is not None
    if parts.scheme not in ("http", "https") or not sound or "?" in url or "#" in url:
        raise ValueError(url)
    port = parts.port  # raises ValueError beyond 65535
    if port == 0:
        raise ValueError(url)
    tls = parts.scheme == "https"
    usual = 443 if tls else 80
    return Address(host=host.strip("[]"), port=usual if port is None else port, path=path, tls=tls)


def parse_header(line: str) -> tuple[str, str]:
    """Return name and value of a header such as `Authorization: Bearer ...`.

    Raises:
        ValueError: it is none, or one that belongs to every request anyway.
    """
    name, colon, value = line.partition(":")
    name, value = name.strip(), value.strip()
    if not colon or not _FIELD.fullmatch(name) or not _VALUE.fullmatch(value) or name.lower() in _OWN_FIELDS:
        raise ValueError(name)
    return name, value
