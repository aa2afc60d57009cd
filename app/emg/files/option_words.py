"""Options in what is said of files: `--rate` as the command takes them, `rate=` where they are parameters of HTTP."""

from __future__ import annotations

import re

_NAMES = "emg|label|time|rest|rate|units|gestures|board|subject|name|format"
# What stands behind an option and is its value: `2-9`, `none`, 'emg(1)', rest,fist, data.emg, what a colon follows.
_VALUE = (
    r"'[^']*'|(?:none|npz|cyton|N|HZ)\b|\w+(?:,\w+)+|\w*\d[\w,:-]*(?<![,:-])|\w+[.:(][\w.:()-]*[\w)]|"
    r"[^\s:;,]+(?=: )"
)
_OPTION = re.compile(rf"--({_NAMES})\b(?: ({_VALUE}))?")
_COMMAND = "flask --app wsgi"


def speaks_of_options(text: str) -> bool:
    """Return whether it says which option would be right."""
    return bool(_OPTION.search(text))


def as_parameters(text: str) -> str:
    """Return what was said with options as parameters: `--rate` as `rate=`, `--emg 2-9` as `emg=2-9`."""
    if _COMMAND in text:
        return text  # it is about a command
    return _OPTION.sub(lambda found: f"{found[1]}={found[2] or ''}", text)
