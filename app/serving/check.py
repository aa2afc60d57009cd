"""`python -m app.serving.check` prints `sound`, or in one line why a worker could not open what the settings name.

Before a reload: a worker that does not start would end the whole server. The source is not opened, as the workers
that run may hold its device.
"""

from __future__ import annotations

import sys

from app.config import Settings
from app.errors import MyostreamError
from app.serving.opening import open_artefact


def complaint() -> str | None:
    """None where the settings and the model are sound."""
    try:
        settings = Settings.from_env()
        settings.expect_keys()
        open_artefact(settings)
    except MyostreamError as error:
        return str(error)
    return None


if __name__ == "__main__":
    sys.stdout.write(f"{complaint() or 'sound'}\n")
