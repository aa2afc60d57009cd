"""The opening of a WebSocket (RFC 6455, section 4.2): what a client must ask for, and what it is answered."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Mapping
from typing import Any

from werkzeug.exceptions import BadRequest, HTTPException

VERSION = "13"
_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # section 1.3
_KEY_BYTES = 16


class UpgradeRequired(HTTPException):
    """426: it was asked without a WebSocket, or with one of another version."""

    code = 426
    description = (
        "this is a WebSocket: ask with Upgrade: websocket and Sec-WebSocket-Version: 13; "
        "without one, POST /emg/sources/<name>/samples and GET /infer/stream do the same"
    )

    def get_headers(self, *args: Any, **kwargs: Any) -> list[tuple[str, str]]:
        return [
            *super().get_headers(*args, **kwargs),
            ("Upgrade", "websocket"),
            ("Sec-WebSocket-Version", VERSION),
        ]


def accepted(environ: Mapping[str, Any]) -> str:
    """Return the `Sec-WebSocket-Accept` of a sound opening.

    Raises:
        UpgradeRequired: it is no opening of a WebSocket that is known.
        BadRequest: its key is none.
    """
    upgrade = [part.strip().lower() for part in environ.get("HTTP_UPGRADE", "").split(",")]
    connection = [part.strip().lower() for part in environ.get("HTTP_CONNECTION", "").split(",")]
    if "websocket" not in upgrade or "upgrade" not in connection:
        raise UpgradeRequired
    if environ.get("HTTP_SEC_WEBSOCKET_VERSION") != VERSION or environ.get("SERVER_PROTOCOL") != "HTTP/1.1":
        raise UpgradeRequired
    key = environ.get("HTTP_SEC_WEBSOCKET_KEY", "")
    try:
        sound = len(base64.b64decode(key, validate=True)) == _KEY_BYTES
    except (binascii.Error, ValueError):
        sound = False
    if not sound:
        raise BadRequest("Sec-WebSocket-Key is 16 bytes in base64")
    # the section asks for SHA-1; nothing is kept secret by it
    return base64.b64encode(hashlib.sha1((key + _GUID).encode(), usedforsecurity=False).digest()).decode()
