"""`python -m app.serving.preflight WORKERS [ADDRESS...]` prints `sound`, or in one line what forbids them to start.

Before a reload: a worker that does not start would end the whole server. No device is opened, as the workers that run
may hold it, and no backend.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable

from app.config import Settings, expect_alone
from app.errors import MyostreamError
from app.serving.build import make_runtime


def complaint(workers: int, addresses: Iterable[str] = ()) -> str | None:
    """None where the settings, and all that they name, are sound for so many workers who listen there."""
    try:
        settings = Settings.from_env()
        settings.expect_closed_door(addresses)
        settings.expect_keys()
        settings.expect_certificate()
        settings.expect_instance()
        expect_alone(workers)
        make_runtime(settings, encode=lambda _: b"", ask=False).close()
    except MyostreamError as error:
        return str(error)
    return None


if __name__ == "__main__":
    sys.stdout.write(f"{complaint(int(sys.argv[1]), sys.argv[2:]) or 'sound'}\n")
