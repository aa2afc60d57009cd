"""Tests that need requirements-devices.txt are skipped where a package, or its library for this machine, is absent."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from app.errors import ConfigError


def require_extra(load: Callable[[], object]) -> None:
    try:
        load()
    except ConfigError as error:
        pytest.skip(str(error), allow_module_level=True)
