"""A text file as blocks of whole lines, whatever its encoding and line ends, never more than some MiB at a time."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from app.errors import DataError

BLOCK_CHARS = 2**20
SAMPLE_CHARS = 2**18  # what is looked at to find the columns
MAX_LINE_CHARS = 2**18  # 256 channels need some 8 thousand
LOOKED_AT = 2**16  # bytes, to tell text from anything else
_BOMS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_ODD = bytes(set(range(32)) - set(b"\t\n\r\f\v\x1b"))  # control characters that no text has


def encoding_of(head: bytes) -> str | None:
    """Return the encoding of a text that begins so; None where it is no text."""
    for mark, encoding in _BOMS:
        if head.startswith(mark):
            return encoding
    if b"\0" in head:
        return _without_a_mark(head)
    if any(head.count(odd) for odd in (bytes([k]) for k in _ODD)):
        return None
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)  # the last letter may be cut
    except UnicodeDecodeError:
        return "cp1252"  # where a micro or a degree sign is one byte
    return "utf-8"


def _without_a_mark(head: bytes) -> str | None:
    """Return which UTF-16 it is: plain letters have a NUL in each second byte."""
    for first, encoding in ((1, "utf-16-le"), (0, "utf-16-be")):
        nuls, letters = head[first::2], head[1 - first :: 2]
        if nuls.count(0) > 0.9 * len(nuls) and not letters.count(0):
            return encoding
    return None


@dataclass(frozen=True, slots=True)
class TextFile:
    """A text file that can be read as often as wanted."""

    path: Path
    encoding: str

    def blocks(self) -> Iterator[str]:
        r"""Yield whole lines, each ended by \n, about BLOCK_CHARS at a time; a last line may have no end.

        Raises:
            DataError: a line is longer than any line of numbers.
        """
        with self.path.open(encoding=self.encoding, errors="replace") as file:
            rest = ""
            while text := file.read(BLOCK_CHARS):
                text = rest + text
                end = text.rfind("\n") + 1
                block, rest = text[:end], text[end:]
                if len(rest) > MAX_LINE_CHARS:
                    raise self._endless()
                if block:
                    yield block
            if rest:
                yield rest

    def _endless(self) -> DataError:
        return DataError(
            f"{self.path.name}: has a line of more than {MAX_LINE_CHARS} characters; "
            "a table of numbers has one sample a line"
        )

    def sample(self) -> tuple[list[str], bool]:
        """Return the first whole lines, and whether they are all that the file has.

        Raises:
            DataError: the first line is longer than any line of numbers.
        """
        with self.path.open(encoding=self.encoding, errors="replace") as file:
            text = file.read(SAMPLE_CHARS)
            whole = not file.read(1)
        lines = text.split("\n")
        if not whole and len(lines) == 1:
            raise self._endless()
        if not whole or not lines[-1]:
            lines.pop()
        return lines, whole


def open_text(path: Path) -> TextFile:
    """Return the text file.

    Raises:
        DataError: there is none, it is empty, or no text.
    """
    if not path.is_file():
        raise DataError(f"{path}: {'is a folder, not a file' if path.is_dir() else 'no such file'}")
    with path.open("rb") as file:
        head = file.read(LOOKED_AT)
    if not head.strip(b" \t\r\n\0\xff\xfe\xef\xbb\xbf"):
        raise DataError(f"{path.name}: is empty; a table of numbers is expected, one sample a line")
    encoding = encoding_of(head)
    if encoding is None:
        raise DataError(
            f"{path.name}: is no text (it holds bytes such as NUL that no text has); "
            "a table of numbers is expected, one sample a line"
        )
    return TextFile(path, encoding)
