"""The worker's runtime, as a request finds it."""

from __future__ import annotations

from typing import cast

from flask import current_app

from app.serving.runtime import Runtime


def current_runtime() -> Runtime:
    """The runtime that `create_app` was given, or the one that it opens when first asked."""
    return cast(Runtime, current_app.extensions["runtime"]())
