"""The name of a model, where a body or a query has one."""

from __future__ import annotations

import re
from typing import Any

from marshmallow import fields, validate

from app.api.schemas import fields as own

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")  # of a model; as in app/inference/manifest.py


def model_field(about: str, of: str = "model", **more: Any) -> fields.String:
    """Return a field for the name of a model or, `of` it, a profile; what it is for is in `about`."""
    words = f"must be a {of}'s name: 1 to 64 letters, digits, '.', '_' and '-', a letter or digit first"
    match = validate.Regexp(f"^{NAME.pattern}\\Z", error=words)
    return fields.String(validate=match, **own.about(about, pattern=f"^{NAME.pattern}$"), **more)
