"""The models that judged a recorded signal, one after the other, with the classes of all of them in one list."""

from __future__ import annotations

from app.emg.recording.header import Model
from app.emg.recording.log_format import RecordedModel

NONE = -1


class ModelsUsed:
    """What is known of the models so far; the log is gone through in its order.

    Classes of one name are one, as gestures are everywhere here: an id into `classes` means the same in the whole
    recording. They are those of the first model, as it has them, and behind them what others have beside.
    """

    def __init__(self, first: Model | None) -> None:
        self.names: list[str] = []
        self.sha256: list[str] = []
        self.classes: list[str] = []
        self.changes: list[tuple[int, int]] = []  # first sample, and which of `names` from there on; NONE
        self.now = NONE
        self._ids: tuple[int, ...] = ()  # of the model of now, into `classes`
        self._known: dict[RecordedModel, int] = {}
        if first is not None:
            self._take(RecordedModel(0, first.name, first.sha256, first.classes))

    def change(self, entry: RecordedModel) -> None:
        """Have another model from here on."""
        self._take(entry)
        self.changes.append((entry.sample_index, self.now))

    def united(self, number: int) -> int:
        """Return the id into `classes` of what the model of now calls `number`; NONE where it has no such class."""
        return self._ids[number] if 0 <= number < len(self._ids) else NONE

    def _take(self, entry: RecordedModel) -> None:
        if entry.name is None:
            self.now, self._ids = NONE, ()
            return
        key = RecordedModel(0, entry.name, entry.sha256, entry.classes)
        if key not in self._known:
            self._known[key] = len(self.names)
            self.names.append(entry.name)
            self.sha256.append(entry.sha256 or "")
        self.now = self._known[key]
        self._ids = tuple(map(self._id, entry.classes))

    def _id(self, name: str) -> int:
        if name not in self.classes:
            self.classes.append(name)
        return self.classes.index(name)
