"""Who may do what: one check for the views and for the fast path. What declares no scope is refused.

With no keys, no rate and no origins set, letting a request in is one look at one header.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar, cast
from urllib.parse import urlsplit

from flask import Flask, Response, current_app, request
from werkzeug.exceptions import Forbidden, Unauthorized

from app.api.access.proxies import address
from app.api.access.rate import Rate
from app.api.access.tickets import Tickets
from app.config import Settings
from app.errors import TooFastError
from app.key_file import WatchedKeys
from app.keys import SCOPES, Key

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

OPEN, READ, INFER, CONTROL = "open", "read", "infer", "control"
API_KEY_HEADER, SCOPES_HEADER = "X-API-Key", "X-API-Key-Scopes"
_SCOPE, _CALLER, _KEY = "__scope__", "myostream.caller", "myostream.key"
_OF_OTHERS = dict.fromkeys(
    ("static", "swagger_ui.static", "api-docs.openapi_json", "api-docs.openapi_swagger_ui"), OPEN
)
MOST_HOSTS = 64  # kept, so that each is looked at once
BY_TICKET = ("streaming.stream_by_get", "live.push", "live.infer")  # what a browser opens without headers
_SAFE = ("GET", "HEAD", "OPTIONS")

Declares = TypeVar("Declares")


def needs(scope: str) -> Callable[[Declares], Declares]:
    """Declare the scope of a view, right above its `def`, or of a blueprint, around its making."""

    def declare(target: Declares) -> Declares:
        setattr(target, _SCOPE, scope)
        return target

    return declare


def scope_of(app: Flask, endpoint: str) -> str | None:
    """Return the scope that a view, or else its blueprint, declares; None for neither."""
    found = getattr(app.view_functions.get(endpoint), _SCOPE, None)
    if found is None:
        found = getattr(app.blueprints.get(endpoint.rpartition(".")[0]), _SCOPE, None)
    return found or _OF_OTHERS.get(endpoint)


@dataclass(frozen=True, slots=True)
class Caller:
    """Whose request it is: the holder of a key, or an address."""

    name: str  # what limits are counted by; holds no secret
    key: Key | None = None


class Access:
    """Shared by all requests of a worker."""

    def __init__(self, settings: Settings, tickets: Tickets) -> None:
        self.keys = WatchedKeys(settings.api_keys, settings.api_keys_file) if settings.asks_for_keys else None
        self.rate = Rate(settings.rate_limit, settings.redis_url) if settings.rate_limit else None
        self.tickets = tickets
        self._origins = frozenset(settings.cors_origins)
        # Without keys whoever reaches this machine may come in, and nobody else: a page must not get in by a name of
        # its own that it has made mean this machine (DNS rebinding). Behind a proxy any name may be right.
        self._any_host = settings.asks_for_keys or settings.allow_anonymous or bool(settings.trusted_proxies)
        self._good_hosts: set[str] = set()

    def admit(self, environ: WSGIEnvironment, scope: str | None, ticket: str | None = None) -> Caller | None:
        """Return the caller, let in and counted once; None where nobody asks who it is.

        Raises:
            Unauthorized: there is no key. Forbidden: it is a wrong one, or not for this.
            TooFastError: the caller sends more than EMG_RATE_LIMIT.
        """
        if not self._any_host and environ.get("HTTP_HOST", "") not in self._good_hosts:
            self._refuse_other_names(environ)
        if "HTTP_ORIGIN" in environ or "HTTP_SEC_FETCH_SITE" in environ:
            self._refuse_other_sites(environ)
        if self.keys is None and self.rate is None:
            return None
        if scope == OPEN:
            return None
        known = environ.get(_CALLER)
        if known is None:
            known = environ[_CALLER] = self._looked_at(environ, scope, ticket)
        if isinstance(known, Exception):
            raise known
        return known

    def _looked_at(
        self, environ: WSGIEnvironment, scope: str | None, ticket: str | None
    ) -> Caller | Exception:
        caller, refusal = Caller(address_of(environ)), None
        try:
            if self.keys is not None:
                key = environ[_KEY] = self._key(environ, ticket)
                caller = Caller(f"key:{key.name}", key)
                _expect_scope(key, scope)
        except (Unauthorized, Forbidden) as error:
            refusal = error
        if self.rate is not None and (wait_s := self.rate.hit(caller.name)) is not None:
            return TooFastError(f"more requests than EMG_RATE_LIMIT, {self.rate.rule}", wait_s)
        return refusal or caller

    def _key(self, environ: WSGIEnvironment, ticket: str | None) -> Key:
        assert self.keys is not None
        secret = environ.get("HTTP_X_API_KEY")
        if secret:
            found = self.keys.ring.find(secret)
            if found is None:
                raise Forbidden(f"the key in {API_KEY_HEADER} is not one of this server's")
            return found
        if ticket:
            name = self.tickets.redeem(ticket)
            found = None if name is None else self.keys.ring.named(name)
            if found is None:
                raise Forbidden("the ticket is used, too old or not ours; POST /stream/tickets gives another")
            return found
        raise NoKey(f"send your key in the header {API_KEY_HEADER}")

    def _refuse_other_names(self, environ: WSGIEnvironment) -> None:
        if not environ.get("REMOTE_ADDR"):  # a unix socket, which no browser reaches
            return
        host = environ.get("HTTP_HOST", "")  # HTTP/1.0 may have none; browsers do not speak it
        name = _split(f"//{host}")[1]
        if host and not (name == "localhost" or name.endswith(".localhost") or address(name)):
            raise Forbidden(
                f"without keys this server answers to localhost and addresses, not to {host}: set keys, or "
                "EMG_ALLOW_ANONYMOUS=1 if everybody may use it"
            )
        if len(self._good_hosts) < MOST_HOSTS:
            self._good_hosts.add(host)

    def expect_own_site(self, environ: WSGIEnvironment) -> None:
        """See that a page which opens a WebSocket is ours, or one of EMG_CORS_ORIGINS: browsers ask nobody before.

        Raises:
            Forbidden: it is another (cross-site WebSocket hijacking).
        """
        origin = environ.get("HTTP_ORIGIN")
        if origin is None or environ.get("HTTP_SEC_FETCH_SITE") == "same-origin":
            return
        if _split(origin)[0] != environ.get("HTTP_HOST"):
            self._expect_allowed(origin)

    def _expect_allowed(self, origin: str) -> None:
        if origin not in self._origins and "*" not in self._origins:
            raise Forbidden(
                f"a page of another origin, {origin}, asked: name it in EMG_CORS_ORIGINS to allow that"
            )

    def _refuse_other_sites(self, environ: WSGIEnvironment) -> None:
        """Refuse a page elsewhere that would act through the browser of somebody who can reach this server.

        Browsers send `Sec-Fetch-Site` to https and to this machine only, and `Origin` with everything that is not safe.
        """
        site, origin = environ.get("HTTP_SEC_FETCH_SITE"), environ.get("HTTP_ORIGIN", "")
        if site in ("same-origin", "none") or environ["REQUEST_METHOD"] in _SAFE:
            return
        if site is None and _split(origin)[0] == environ.get("HTTP_HOST"):
            return
        self._expect_allowed(origin)


def _split(url: str) -> tuple[str, str]:
    """Host with port, and host alone; empty where it is no URL."""
    try:
        parts = urlsplit(url)
        return parts.netloc, parts.hostname or ""
    except ValueError:
        return "", ""


class NoKey(Unauthorized):
    """401 with the challenge that RFC 9110 (section 11.6.1) asks for; browsers know it not and open no dialogue."""

    def get_headers(self, *args: Any, **kwargs: Any) -> list[tuple[str, str]]:
        return [
            *super().get_headers(*args, **kwargs),
            ("WWW-Authenticate", f'ApiKey header="{API_KEY_HEADER}"'),
        ]


def _expect_scope(key: Key, scope: str | None) -> None:
    if scope is None:
        raise Forbidden("this route declares no scope, so no key opens it")
    if scope not in key.scopes:
        raise Forbidden(f"the key {key.name} may {', '.join(sorted(key.scopes))}; this needs {scope}")


def address_of(environ: WSGIEnvironment) -> str:
    """Return what an anonymous caller is counted by: an IPv4 address, or the /64 of an IPv6 client's."""
    text = environ.get("REMOTE_ADDR") or "local"
    found = address(text)
    if isinstance(found, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((found, 64), strict=False))
    return text if found is None else str(found)


def relayed_as(caller: Caller) -> WSGIEnvironment:
    """Return what goes into the environment of a request that another worker has let in: it is not asked again."""
    return {_CALLER: caller}


def register(app: Flask, settings: Settings, tickets: Tickets) -> Access:
    """Have every request that reaches Flask let in before it is looked at."""
    access = Access(settings, tickets)
    app.extensions["access"] = access

    @app.before_request
    def admit() -> None:
        if request.method == "OPTIONS":  # a preflight carries no key, and changes nothing
            return
        ticket = request.args.get("ticket") if request.endpoint in BY_TICKET else None
        scope = OPEN if request.endpoint is None else scope_of(app, request.endpoint)
        access.admit(request.environ, scope, ticket)

    @app.after_request
    def tell_scopes(answer: Response) -> Response:
        """Have whoever asks with a key see what it may do, also where it was not this: a page turns its buttons off."""
        key: Key | None = request.environ.get(_KEY)
        if key is not None:
            answer.headers[SCOPES_HEADER] = ", ".join(scope for scope in SCOPES if scope in key.scopes)
        return answer

    return access


def current_caller() -> Caller:
    """Of this request, by key or address."""
    found = request.environ.get(_CALLER)
    return found if isinstance(found, Caller) else Caller(address_of(request.environ))


def current_access() -> Access:
    """Return what this application lets in whom by."""
    return cast(Access, current_app.extensions["access"])
