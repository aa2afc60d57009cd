"""Machines that are network namespaces of this one: each has a link for clients, and one for the bus, to be cut."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import pytest

CLIENTS, BUS = "198.18", "198.19"  # networks for trials (RFC 2544), which are nobody's


@dataclass(frozen=True, slots=True)
class Machine:
    """A namespace; `address` is where clients find it, `hub` where it finds what runs outside."""

    number: int

    @property
    def name(self) -> str:
        return f"myostream-{os.getpid()}-{self.number}"

    @property
    def prefix(self) -> tuple[str, ...]:
        """What makes a command run there."""
        return ("ip", "netns", "exec", self.name)

    @property
    def address(self) -> str:
        return f"{CLIENTS}.{self.number}.2"

    @property
    def hub(self) -> str:
        return f"{BUS}.{self.number}.1"

    def link(self, network: str) -> str:
        """Return the name of this side of that link."""
        return f"my{os.getpid() % 10**8}{'c' if network == CLIENTS else 'b'}{self.number}"

    def cut(self) -> None:
        """Have nothing come to it, or from it, by the link of the bus: packets vanish, nobody is told."""
        _ip("link", "set", self.link(BUS), "down")

    def mend(self) -> None:
        _ip("link", "set", self.link(BUS), "up")


@contextmanager
def machine(number: int) -> Iterator[Machine]:
    """Make one; skips the test where that is not allowed."""
    made = Machine(number)
    try:
        _ip("netns", "add", made.name)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"needs leave to make network namespaces (root, iproute2): {_why(error)}")
    with ExitStack() as undone:
        undone.callback(_ip, "netns", "del", made.name)
        _ip("-n", made.name, "link", "set", "lo", "up")
        for network in (CLIENTS, BUS):
            here, there = made.link(network), f"eth-{'c' if network == CLIENTS else 'b'}"
            undone.callback(_gone, here)  # before the namespace, which goes when it likes
            try:
                _ip("link", "add", here, "type", "veth", "peer", "name", there, "netns", made.name)
            except subprocess.CalledProcessError as error:
                pytest.skip(f"needs leave to make virtual links: {_why(error)}")
            _ip("addr", "add", f"{network}.{number}.1/24", "dev", here)
            _ip("-n", made.name, "addr", "add", f"{network}.{number}.2/24", "dev", there)
            _ip("link", "set", here, "up")
            _ip("-n", made.name, "link", "set", there, "up")
        yield made


def _gone(link: str) -> None:
    with contextlib.suppress(subprocess.CalledProcessError):  # there is none
        _ip("link", "del", link)


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)


def _why(error: OSError | subprocess.CalledProcessError) -> str:
    said = error.stderr if isinstance(error, subprocess.CalledProcessError) else str(error).encode()
    return str(said.decode(errors="replace").strip())
