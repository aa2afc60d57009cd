"""The examples import one another as they lie in their folder, and so do their tests."""

from __future__ import annotations

import sys

from app.config import ROOT

sys.path.insert(0, str(ROOT / "examples"))
