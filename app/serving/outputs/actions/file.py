"""The table as it lies in `instance/actions.toml`, read anew when it changes."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from app.errors import ConfigError
from app.serving.outputs.actions.action import ParseAction
from app.serving.outputs.actions.table import NO_ROWS, parse_table

log = logging.getLogger(__name__)

NAME = "actions.toml"
Stamp = tuple[int, int, int]
NEVER: Stamp = (-1, -1, -1)


@dataclass(frozen=True, slots=True)
class ActionsState:
    """What is known of the table."""

    rows: int  # messages in use
    error: str | None  # why the file as it lies there is not in use; the table before it is


class ActionFile:
    """Has the newest table that could be read. A missing file is an empty table."""

    def __init__(self, path: Path, forms: Mapping[str, ParseAction]) -> None:
        self.path, self._forms = path, forms
        self.table = NO_ROWS
        self.error: str | None = None
        self._seen: Stamp | None = NEVER

    @property
    def state(self) -> ActionsState:
        return ActionsState(len(self.table.rows), self.error)

    def look(self) -> bool:
        """Read the file where it is another than before, and say so in the log; whether the table is another now."""
        first, seen = self._seen is NEVER, self._stamp()
        if seen == self._seen:
            return False
        self._seen = seen  # of before it is read: what is written meanwhile is read the next time
        try:
            table = (
                NO_ROWS if seen is None else parse_table(self.path.read_bytes(), self._forms, str(self.path))
            )
        except ConfigError as error:
            return self._failed(str(error))
        except OSError as error:
            return self._failed(f"{self.path} cannot be read: {error.strerror}")
        if table == self.table and self.error is None:
            return False
        self.table, self.error = table, None
        if seen is not None or not first:
            log.info("%s: %d messages are in use", self.path, len(table.rows))
        return True

    def _failed(self, error: str) -> bool:
        if error != self.error:
            self.error = error
            log.error("%s; what was in use before stays so (%d messages)", error, len(self.table.rows))
        return False

    def _stamp(self) -> Stamp | None:
        """Return what changes with the file; None where there is none, or nobody can say."""
        try:
            about = self.path.stat()
        except OSError:
            return None
        return about.st_ctime_ns, about.st_size, about.st_ino  # ctime: also a change of who may read it
