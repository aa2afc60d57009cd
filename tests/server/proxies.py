"""nginx and Caddy in front of a server, by the files in deploy/."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

import pytest

from tests.server.live import ROOT, free_port, until

READ_TIMEOUT = "proxy_read_timeout 60s;"


@contextmanager
def nginx(
    folder: Path, upstream: int, read_timeout_s: int = 60, certificate: Path | None = None
) -> Iterator[int]:
    """deploy/nginx.conf on a port of its own, over TLS with a certificate (and its key); the port."""
    port = free_port()
    plain = free_port() if certificate else port
    tls = {
        "# listen 443 ssl": f"listen 127.0.0.1:{port} ssl",
        "# ssl_certificate     /etc/letsencrypt/live/emg.example.org/fullchain.pem": f"ssl_certificate {certificate}",
        "# ssl_certificate_key /etc/letsencrypt/live/emg.example.org/privkey.pem": f"ssl_certificate_key {certificate}",
    }
    site = replaced(
        "nginx.conf",
        {
            "server 127.0.0.1:8000": f"server 127.0.0.1:{upstream}",
            "listen 80;": f"listen 127.0.0.1:{plain};",
            READ_TIMEOUT: f"proxy_read_timeout {read_timeout_s}s;",
            "/var/log/nginx/access.log": f"{folder}/access.log",
            "/var/log/nginx/error.log": f"{folder}/error.log",
            **(tls if certificate else {}),
        },
    )
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temporary = "".join(f"{kind}_temp_path {folder}/{kind};\n" for kind in kinds)
    user = "user root;\n" if os.geteuid() == 0 else ""  # who may write into the folder of the tests
    (folder / "nginx.conf").write_text(
        f"{user}daemon off;\npid {folder}/nginx.pid;\nerror_log {folder}/nginx.log;\nevents {{}}\n"
        f"http {{\n{temporary}{site}\n}}\n"
    )
    command = ["nginx", "-p", str(folder), "-e", str(folder / "nginx.log"), "-c", str(folder / "nginx.conf")]
    with running(command, folder, port):
        yield port


@contextmanager
def caddy(folder: Path, upstream: int, certificate: Path | None = None) -> Iterator[int]:
    """deploy/Caddyfile on a port of its own, over TLS with a certificate (and its key); the port."""
    port = free_port()
    address = f"https://localhost:{port}" if certificate else f"http://127.0.0.1:{port}"
    tls = f"\n\ttls {certificate} {certificate}" if certificate else ""
    site = replaced(
        "Caddyfile",
        {
            "{\n\t#": "{\n\tadmin off\n\tauto_https off\n\t#",
            "emg.example.org {": f"{address} {{\n\tbind 127.0.0.1{tls}",
            "reverse_proxy 127.0.0.1:8000": f"reverse_proxy 127.0.0.1:{upstream}",
        },
    )
    (folder / "Caddyfile").write_text(site)
    command = ["caddy", "run", "--config", str(folder / "Caddyfile"), "--adapter", "caddyfile"]
    with running(command, folder, port):
        yield port


@contextmanager
def caddy_of_a_fleet(folder: Path, *upstreams: int) -> Iterator[int]:
    """deploy/fleet/Caddyfile on a port of its own, in front of two servers; the port."""
    port = free_port()
    one, two = (f"127.0.0.1:{upstream}" for upstream in upstreams)
    site = replaced(
        "fleet/Caddyfile",
        {
            "{\n\t#": "{\n\tadmin off\n\tauto_https off\n\t#",
            "{$SITE} {": f"http://127.0.0.1:{port} {{\n\tbind 127.0.0.1",
            "reverse_proxy server-1:8000 server-2:8000": f"reverse_proxy {one} {two}",
        },
    )
    (folder / "Caddyfile").write_text(site)
    command = ["caddy", "run", "--config", str(folder / "Caddyfile"), "--adapter", "caddyfile"]
    with running(command, folder, port):
        yield port


PROXIES: dict[str, Callable[..., AbstractContextManager[int]]] = {"nginx": nginx, "caddy": caddy}


def replaced(name: str, changes: dict[str, str]) -> str:
    """The text of that file in deploy/, with each of these changed; each must be there once."""
    text = (ROOT / "deploy" / name).read_text(encoding="utf-8")
    for old, new in changes.items():
        assert text.count(old) == 1, f"deploy/{name} should have {old!r} once"
        text = text.replace(old, new)
    return text


@contextmanager
def running(command: list[str], folder: Path, port: int) -> Iterator[None]:
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed")
    log = folder / f"{command[0]}.out"
    home = {"HOME": str(folder), "XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, env={**os.environ, **home})
    try:
        until(lambda: process.poll() is not None or answers(port))
        assert process.poll() is None, log.read_text()
        yield
    finally:
        process.terminate()
        process.wait(10)


def answers(port: int) -> bool:
    try:
        with urlopen(f"http://127.0.0.1:{port}/health/live", timeout=5):
            return True
    except HTTPError as error:  # it has nobody behind it
        error.close()
        return True
    except URLError:
        return False
