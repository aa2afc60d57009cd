"""Text of any script that is fit for a line: what gestures may be called."""

from __future__ import annotations

import unicodedata

# Control characters, halves of surrogates, ends of lines and paragraphs. `isprintable` also refuses what joins the
# parts of an emoji or of a Persian word, and all that is younger than Python's own table.
_REFUSED = {"Cc", "Cs", "Zl", "Zp"}
_TURNS = set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")  # have a line read in another order


def is_plain(text: str) -> bool:
    """Whether nothing in the text acts on the line that it stands in."""
    return not any(_acts(c) for c in text)


def plain(text: str, instead: str = "") -> str:
    """Return the text with `instead` for each character that acts on its line."""
    return "".join(instead if _acts(c) else c for c in text)


def _acts(c: str) -> bool:
    return c in _TURNS or unicodedata.category(c) in _REFUSED
