"""Text formats of the field, one a module, in the order in which they are tried."""

from __future__ import annotations
