"""What is declared of the sources of all workers of a machine, in memory that outlives each of them.

A worker that dies, or goes before its successor is there, could tell nobody what its sources are. gunicorn's master
imports this file.
"""

from __future__ import annotations

import json
import mmap
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

BYTES = 2**20  # some thousand sources
LOCKED_S, LOOK_S = 1.0, 0.001  # for another worker to be done with it, and between two looks
_SIZE = struct.Struct("<I")  # of the JSON behind it

Entries = dict[str, tuple[int, str]]  # by source: token and declaration


def memory_for_declarations() -> mmap.mmap:
    """Return memory that every process shares which is forked from here on."""
    return mmap.mmap(-1, BYTES)


class SharedDeclarations:
    """`try_lock` gives what only one worker may have, which is closed when it is done; None where another has it."""

    def __init__(self, memory: mmap.mmap, try_lock: Callable[[str], Any]) -> None:
        self._memory, self._try_lock = memory, try_lock

    def put(self, source: str, token: int, declaration: bytes) -> None:
        """Remember a source. Where there is no room left, it is not remembered."""
        with self._held() as entries:
            entries[source] = token, declaration.decode()

    def remove(self, source: str, token: int) -> None:
        """Forget a source, unless it has another owner by now."""
        with self._held() as entries:
            if source in entries and entries[source][0] <= token:
                del entries[source]

    def all(self) -> dict[str, tuple[int, bytes]]:
        """Return token and declaration of each source by name."""
        with self._held() as entries:
            return {source: (token, text.encode()) for source, (token, text) in entries.items()}

    @contextmanager
    def _held(self) -> Iterator[Entries]:
        """Give what is there; what was changed of it is written."""
        ends = time.monotonic() + LOCKED_S
        while (lock := self._try_lock("declarations")) is None and time.monotonic() < ends:
            time.sleep(LOOK_S)
        if lock is None:  # it hangs: nothing is remembered, and nothing is spoilt
            yield {}
            return
        try:
            (size,) = _SIZE.unpack_from(self._memory)
            before = self._memory[_SIZE.size : _SIZE.size + size]
            entries: Entries = json.loads(before) if size else {}
            yield entries
            after = json.dumps(entries).encode()
            if after != before and len(after) <= len(self._memory) - _SIZE.size:
                _SIZE.pack_into(self._memory, 0, 0)  # whoever dies here leaves nothing half
                self._memory[_SIZE.size : _SIZE.size + len(after)] = after
                _SIZE.pack_into(self._memory, 0, len(after))
        finally:
            lock.close()
