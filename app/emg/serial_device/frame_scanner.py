"""Finds good frames of either version among anything else."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from app.emg.serial_device.frames import (
    BLOCK_BYTES,
    CRC_BYTES,
    FRAME2_BYTES,
    FRAME_BYTES,
    HEAD,
    HEAD2,
    MAX_BYTES,
    SYNC,
    Block,
    Form,
    Frame,
    blocks_of,
    crc16,
    form_of,
)

ANY_SYNC = re.compile(rb"\xa5[\x5a\x5b]")
GIVEN_UP = 4096  # bytes without a good frame: the device may have changed
MOST_FORMS = 64  # that are remembered; noise has any number


class FrameScanner:
    """Keeps the bytes of an unfinished frame until the rest has come.

    Once a frame was good and `wanted`, only headers like its own are believed: bytes that look like another header
    never make it wait for more than one frame. After GIVEN_UP bytes without a good frame any is believed again.
    """

    def __init__(self, wanted: Callable[[Form], bool] = lambda _form: True) -> None:
        self._wanted = wanted
        self.crc_errors = self.garbage_bytes = 0
        self._forms: dict[bytes, Form | None] = {}
        self.reset()

    def reset(self) -> None:
        """Forget the unfinished rest, and what the frames looked like. Sums count on."""
        self._buffer = bytearray()
        self._form: Form | None = None  # of the frames that are wanted
        self._same = b""  # in their headers
        self._least = 0  # bytes of one without auxiliary blocks
        self._skipped = 0  # bytes since the last of them
        self.bad = 0  # frames with a wrong CRC since then
        self.other: Form | None = None  # of frames that are good, but not wanted

    @property
    def waiting(self) -> int:
        """Bytes that are kept."""
        return len(self._buffer)

    def feed(self, data: bytes) -> Iterator[Frame]:
        """Return the wanted frames that are complete now."""
        self._buffer += data
        at = 0
        while True:
            found = self._like_the_last(at) or self._next(at)
            if found is None:
                return
            at, frame = found
            yield frame

    def _like_the_last(self, at: int) -> tuple[int, Frame] | None:
        """Return the frame at `at` where all is as it nearly always is: it follows the last one and is good.

        That costs half of what `_next` does.
        """
        form, buffer = self._form, self._buffer
        if form is None or len(buffer) - at < self._least or buffer[at : at + 2] != form.sync:
            return None
        if form.version == 1:
            counter, same = HEAD.unpack_from(buffer, at)
            first, length = HEAD.size - 2, self._least
        else:
            length, counter, same = HEAD2.unpack_from(buffer, at)
            first = HEAD2.size - 2
        if same != self._same or length != self._least:  # another is longer where it has auxiliary blocks
            return None
        end = at + length
        body = bytes(buffer[at + 2 : end])
        if crc16(body[:-CRC_BYTES]) != body[-1] << 8 | body[-2]:
            return None
        self._skipped = self.bad = 0
        return end, Frame(form, counter, body[first:-CRC_BYTES])

    def _next(self, start: int) -> tuple[int, Frame] | None:
        """(where it ends, the next good frame from `start`); None: what is left is kept."""
        at = start
        while (at := self._sync(at)) >= 0:
            head = self._head(at)
            if head is None:
                break
            form, counter, end = head
            if form is None:
                at += 1
                continue
            if end > len(self._buffer):
                break
            frame = self._checked(at, form, counter, end)
            if frame is None:
                self.crc_errors += 1
                self.bad += 1
                at += 1
                continue
            if not self._wanted(form):
                self.other = form
                at = end
                continue
            self.garbage_bytes += at - start
            self._skipped, self.bad, self.other = 0, 0, None
            self._lock(form, at)
            return end, frame
        tail = len(self._buffer) - self._buffer.endswith(SYNC[:1])
        self._keep_from(start, at if at >= 0 else tail)
        return None

    def _lock(self, form: Form, at: int) -> None:
        """Believe frames like this one only."""
        self._form = form
        layout, around = (HEAD, FRAME_BYTES) if form.version == 1 else (HEAD2, FRAME2_BYTES)
        self._same, self._least = layout.unpack_from(self._buffer, at)[-1], around + form.values_bytes

    def _sync(self, at: int) -> int:
        if self._form is not None:
            return self._buffer.find(self._form.sync, at)
        found = ANY_SYNC.search(self._buffer, at)
        return -1 if found is None else found.start()

    def _head(self, at: int) -> tuple[Form | None, int, int] | None:
        """Return (form, counter, where the frame ends); no form: that is no header; None: it is not whole yet."""
        first = self._buffer[at + 1] == SYNC[1]
        layout, around = (HEAD, FRAME_BYTES) if first else (HEAD2, FRAME2_BYTES)
        if len(self._buffer) - at < layout.size:
            return None
        if first:
            counter, same = HEAD.unpack_from(self._buffer, at)
        else:
            length, counter, same = HEAD2.unpack_from(self._buffer, at)
        form = self._known(same)
        if form is None or (self._form is not None and form != self._form):
            return None, 0, 0
        size = around + form.values_bytes
        if not first:
            if not size <= length <= MAX_BYTES or 0 < length - size < BLOCK_BYTES:
                return None, 0, 0
            size = length
        return form, counter, at + size

    def _known(self, same: bytes) -> Form | None:
        if same not in self._forms:
            if len(self._forms) >= MOST_FORMS:
                self._forms.clear()
            self._forms[same] = form_of(same)
        return self._forms[same]

    def _checked(self, at: int, form: Form, counter: int, end: int) -> Frame | None:
        body = bytes(self._buffer[at + 2 : end])
        if crc16(body[:-CRC_BYTES]) != int.from_bytes(body[-CRC_BYTES:], "little"):
            return None
        first = (HEAD if form.version == 1 else HEAD2).size - 2
        last = first + form.values_bytes
        blocks: tuple[Block, ...] | None = ()
        if len(body) - CRC_BYTES > last:
            blocks = blocks_of(body[last:-CRC_BYTES])
        return None if blocks is None else Frame(form, counter, body[first:last], blocks)

    def _keep_from(self, start: int, at: int) -> None:
        """Drop what can no longer begin a frame."""
        self.garbage_bytes += at - start
        self._skipped += at - start
        if self._skipped > GIVEN_UP:
            self._form = None
        del self._buffer[:at]
