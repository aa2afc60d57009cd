"""A webhook goes to the internet, and to no address of our own network unless it may. Nothing here is connected to."""

from __future__ import annotations

import ipaddress
import socket
from typing import Any

import pytest

from app.errors import ConfigError
from app.serving.outputs.public_address import NotPublicError, resolve, why_not_public
from app.serving.outputs.webhook import expect_allowed
from app.webhook_address import parse_secret, parse_webhook


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("127.0.0.1", "loopback"),
        ("127.8.9.1", "loopback"),
        ("::1", "loopback"),
        ("0.0.0.0", "unspecified"),
        ("::", "unspecified"),
        ("10.1.2.3", "private"),
        ("172.16.0.1", "private"),
        ("192.168.1.1", "private"),
        ("100.64.0.1", "private"),
        ("198.18.0.1", "private"),
        ("fd00::1", "private"),
        ("fec0::1", "private"),
        ("169.254.169.254", "link-local"),
        ("fe80::1", "link-local"),
        ("224.0.0.1", "multicast"),
        ("ff02::1", "multicast"),
        ("255.255.255.255", "private"),
        ("::ffff:127.0.0.1", "loopback"),
        ("::ffff:169.254.169.254", "link-local"),
        ("::ffff:0:10.0.0.1", "private"),
        ("::10.0.0.1", "private"),
        ("64:ff9b::a00:1", "private"),
        ("64:ff9b::7f00:1", "loopback"),
        ("64:ff9b:1::a00:1", "private"),
        ("2002:a00:1::", "private"),
        ("2002:7f00:1::1", "loopback"),
        ("2001:0:5ef5:79fb:0:59d:f5ff:fffe", "private"),  # Teredo of 10.0.0.1
    ],
)
def test_what_is_no_address_of_the_internet(address: str, kind: str) -> None:
    assert why_not_public(ipaddress.ip_address(address)) == kind


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "1.1.1.1", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"]
)
def test_what_is_one(address: str) -> None:
    assert why_not_public(ipaddress.ip_address(address)) is None


def answers(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
    found: list[Any] = [
        (socket.AF_INET6 if ":" in one else socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, 443))
        for one in addresses
    ]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)


def test_a_name_that_leads_inside_is_refused_also_where_it_leads_outside_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answers(monkeypatch, "8.8.8.8", "10.0.0.7")
    with pytest.raises(NotPublicError, match=r"hooks.example is at 10.0.0.7, which is a private address"):
        resolve("hooks.example", 443, private=False)
    assert len(resolve("hooks.example", 443, private=True)) == 2


def test_a_name_that_leads_outside_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    answers(monkeypatch, "8.8.8.8", "8.8.8.8", "2606:4700::1111")
    assert resolve("hooks.example", 443, private=False) == [("8.8.8.8", 443), ("2606:4700::1111", 443)]


@pytest.mark.parametrize("host", ["2130706433", "0x7f.1", "017700000001", "127.1"])
def test_an_address_in_disguise_is_what_it_leads_to(host: str) -> None:
    """As the C library reads it: all of these are 127.0.0.1."""
    with pytest.raises((NotPublicError, OSError)):
        resolve(host, 443, private=False)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("https://127.0.0.1/hook", "is a loopback address"),
        ("https://[::1]:8443/hook", "is a loopback address"),
        ("https://169.254.169.254/latest", "is a link-local address"),
        ("https://[::ffff:10.0.0.1]/", "is a private address"),
        ("http://example.org/hook", "use https, or EMG_WEBHOOK_PRIVATE=1"),
    ],
)
def test_the_server_does_not_start_with_an_address_that_cannot_be_meant(url: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said) as failed:
        expect_allowed(parse_webhook(url), private=False)
    assert "/hook" not in str(failed.value)
    expect_allowed(parse_webhook(url), private=True)


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.org/",
        "https://",
        "https://user@example.org/",
        "https://user:pw@example.org/",
        "https://example.org/#there",
        "https://exa mple.org/",
        "https://example.org\\@127.0.0.1/",
        "https://example.org:99999/",
        "https://[fe80::1%25eth0]/",
        "https://example.org/a\r\nHost: inside",
        "example.org",
    ],
)
def test_what_is_no_url_of_a_webhook(url: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - a setting says what is allowed
        parse_webhook(url)


def test_a_path_and_a_query_are_kept_and_shown_nowhere() -> None:
    address = parse_webhook("https://Example.org:8443/T0/secret?key=a+b&x=%20")
    assert (address.host, address.port, address.tls) == ("example.org", 8443, True)
    assert address.target == "/T0/secret?key=a+b&x=%20"
    assert address.shown == "https://example.org:8443"
    assert "secret" not in repr(address)


@pytest.mark.parametrize(
    "secret", ["", "whsec_", "whsec_c2hvcnQ=", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_%%%"]
)
def test_what_is_no_secret(secret: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        parse_secret(secret)


def test_a_secret_is_its_bytes() -> None:
    assert parse_secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw") == bytes.fromhex(
        "31f290f6bf06298aab4f08d43c3f082cf648a362da2da4b0"
    )
