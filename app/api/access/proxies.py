"""What proxies say of a client (`X-Forwarded-*`), believed only of those in EMG_TRUSTED_PROXIES."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


class TrustedProxies:
    """WSGI middleware. From the right, the first address that is no trusted proxy is the client's."""

    def __init__(self, app: WSGIApplication, trusted: tuple[str, ...]) -> None:
        self._app = app
        self._unix = "unix" in trusted  # a peer on a unix socket has no address
        self._networks = [ipaddress.ip_network(text, strict=False) for text in trusted if text != "unix"]

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if self._trusts(environ.get("REMOTE_ADDR", "")):
            self._believe(environ)
        return self._app(environ, start_response)

    def _believe(self, environ: WSGIEnvironment) -> None:
        hops = [hop.strip() for hop in environ.get("HTTP_X_FORWARDED_FOR", "").split(",") if hop.strip()]
        for hop in reversed(hops):
            if address(hop) is None:
                break
            environ["REMOTE_ADDR"] = hop
            if not self._trusts(hop):
                break
        scheme = environ.get("HTTP_X_FORWARDED_PROTO", "").rpartition(",")[2].strip()
        if scheme in ("http", "https"):
            environ["wsgi.url_scheme"] = scheme
        host = environ.get("HTTP_X_FORWARDED_HOST", "").rpartition(",")[2].strip()
        if host:
            environ["HTTP_HOST"] = host

    def _trusts(self, peer: str) -> bool:
        found = address(peer)
        if found is None:
            return self._unix and not peer
        return any(found in network for network in self._networks)


def address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """None for what is none. A socket of both families writes an IPv4 client as `::ffff:192.0.2.1`: that is IPv4."""
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        return None
    return getattr(found, "ipv4_mapped", None) or found
