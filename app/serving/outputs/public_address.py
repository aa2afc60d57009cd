"""Which addresses belong to the internet, and to nobody's own network: a webhook goes to no other unasked.

Otherwise whoever may choose its name, or answers for it in the DNS, could have this server talk to what only it
reaches: itself, the machines beside it, a cloud's metadata service at 169.254.169.254.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Sequence
from typing import Any

from app.errors import MyostreamError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

NAT64 = ipaddress.ip_network("64:ff9b::/96")  # RFC 6052
NAT64_LOCAL = ipaddress.ip_network("64:ff9b:1::/48")  # RFC 8215
SITE_LOCAL = ipaddress.ip_network("fec0::/10")
COMPATIBLE = ipaddress.ip_network("::/96")  # RFC 4291, deprecated
TRANSLATED = ipaddress.ip_network("::ffff:0:0:0/96")  # RFC 2765


class NotPublicError(MyostreamError):
    """A name leads to an address that is not to be talked to."""


def why_not_public(address: Address) -> str | None:
    """Return what kind of address it is where it is none of the internet; None where it is."""
    inner = _inside(address)
    if inner is not None:
        return why_not_public(inner)
    for kind, holds in (
        ("loopback", address.is_loopback),
        ("unspecified", address.is_unspecified),
        ("link-local", address.is_link_local),
        ("multicast", address.is_multicast),
    ):
        if holds:
            return kind
    if isinstance(address, ipaddress.IPv6Address) and (address in SITE_LOCAL or address in NAT64_LOCAL):
        return "private"
    if address.is_private or not address.is_global:
        return "private"
    return "reserved" if address.is_reserved else None


def resolve(host: str, port: int, *, private: bool) -> list[tuple[Any, ...]]:
    """Return the socket addresses of a host, each checked; `private`: any will do.

    Raises:
        OSError: it is not found.
        NotPublicError: one of them is not public. Then none is taken: who answers so is not to be trusted.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = list(dict.fromkeys(entry[4] for entry in found))
    if not private:
        expect_public(host, [str(one[0]) for one in addresses])
    return addresses


def expect_public(host: str, addresses: Sequence[str]) -> None:
    """See that all of these are public.

    Raises:
        NotPublicError: one is not, or is no address.
    """
    for text in addresses:
        try:
            kind = why_not_public(ipaddress.ip_address(text.partition("%")[0]))
        except ValueError:
            kind = "unknown"
        if kind is not None:
            at = "" if host == text else f" is at {text}, which"
            raise NotPublicError(
                f"{host}{at} is a {kind} address; webhooks go to public ones, unless EMG_WEBHOOK_PRIVATE=1"
            )


def is_address(host: str) -> bool:
    """Whether it is an address and no name."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _inside(address: Address) -> ipaddress.IPv4Address | None:
    """Return the IPv4 address that an IPv6 one stands for."""
    if isinstance(address, ipaddress.IPv4Address):
        return None
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if address.teredo is not None:
        return address.teredo[1]
    embeds = address in NAT64 or address in TRANSLATED
    if embeds or (address in COMPATIBLE and int(address) > 0xFFFF):
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return None
