"""A form with files in it: they go where they are kept as they come, and nowhere in between."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack
from itertools import chain

from werkzeug.exceptions import BadRequest, RequestEntityTooLarge
from werkzeug.sansio.multipart import Data, Epilogue, Field, File, MultipartDecoder, NeedData

from app.api.errors import InvalidBody

FILE = "file"  # what the field of a file is called
MOST_FIELD = 2**16  # bytes of a field that is no file
MOST_PARTS = 1100
AT_ONCE = MOST_FIELD // 2

Opens = Callable[[str], AbstractContextManager[Callable[[bytes], None]]]


def read_form(pieces: Iterable[bytes], boundary: bytes, open_file: Opens) -> dict[str, str]:
    """Return the fields that are no files; each file is written to what `open_file` opens for its name.

    Raises:
        BadRequest: it is no form. RequestEntityTooLarge: a field, or their number, is.
        InvalidBody: a field comes twice, or a file has another name than `file`.
    """
    decoder = MultipartDecoder(boundary, max_form_memory_size=MOST_FIELD, max_parts=MOST_PARTS)
    parts = _Parts(open_file)
    try:
        for piece in chain(_cut(pieces), (None,)):  # None: its end
            decoder.receive_data(piece)
            event = decoder.next_event()
            while not isinstance(event, NeedData | Epilogue):
                parts.take(event)
                event = decoder.next_event()
        return parts.fields
    except ValueError as error:
        raise BadRequest(f"the form is malformed: {str(error)[:200]}") from None
    finally:
        parts.close()


def _cut(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Yield less at a time than a field may have: the decoder refuses a piece of a file for it, too."""
    for piece in pieces:
        for at in range(0, len(piece), AT_ONCE):
            yield piece[at : at + AT_ONCE]


class _Parts:
    """What has come of a form."""

    def __init__(self, open_file: Opens) -> None:
        self.fields: dict[str, str] = {}
        self._open_file, self._held = open_file, ExitStack()
        self._write: Callable[[bytes], object] = lambda _: None
        self._name: str | None = None  # of the field that comes; None while it is a file
        self._text = bytearray()

    def take(self, event: object) -> None:
        if isinstance(event, File):
            if event.name != FILE:
                raise InvalidBody({event.name: [f"a file is called {FILE}"]})
            self._name, self._write = None, self._held.enter_context(self._open_file(event.filename))
        elif isinstance(event, Field):
            if event.name in self.fields or event.name == FILE:
                wrong = "must be a file" if event.name == FILE else "comes twice"
                raise InvalidBody({event.name: [wrong]})
            self._name, self._write, self._text = event.name, self._keep, bytearray()
        elif isinstance(event, Data):
            self._write(event.data)
            if not event.more_data:
                self._end()

    def close(self) -> None:
        self._held.close()

    def _keep(self, piece: bytes) -> None:
        self._text += piece
        if len(self._text) > MOST_FIELD:
            raise RequestEntityTooLarge

    def _end(self) -> None:
        self._held.close()
        if self._name is not None:
            self.fields[self._name] = self._text.decode("utf-8", "replace")
