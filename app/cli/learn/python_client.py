"""The client of `clients/python`, which lies beside the server: a command that speaks to one uses no other."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path

from app.errors import DataError

FOLDER = Path(__file__).resolve().parents[3] / "clients" / "python" / "src"


def expect_client() -> None:
    """See that `myostream_client` can be imported: that of this version, or else the one that is installed.

    Raises:
        DataError: there is none.
    """
    if FOLDER.is_dir() and str(FOLDER) not in sys.path:
        sys.path.insert(0, str(FOLDER))
    if find_spec("myostream_client") is None:
        raise DataError(
            f"there is no client in {FOLDER}: in Myostream's folder, pip install ./clients/python"
        )
