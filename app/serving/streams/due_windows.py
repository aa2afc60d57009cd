"""Windows of several sources that are complete at the same time: whoever comes first has all of them predicted.

Nobody waits for it: a window that is alone is predicted alone, at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, NamedTuple

from app.errors import MyostreamError
from app.serving.engine.together import infer_together
from app.serving.streams.window_classifier import Window, WindowClassifier

if TYPE_CHECKING:
    from app.serving.streams.group import Group


class Due(NamedTuple):
    """A window that somebody is about to look at, and where its answer is kept."""

    classifier: WindowClassifier
    window: Window


class DueWindows:
    """Shared by all groups of a worker. `several` says whether there is more than one source."""

    def __init__(self, several: Callable[[], bool] = lambda: False) -> None:
        self._several = several
        self._groups: dict[Group, None] = {}  # whose window is complete, in their order

    def look(self, groups: Iterable[Group]) -> None:
        """Take note of the groups whose next window has just been completed; after each chunk of their source."""
        if self._several():
            for group in groups:
                if group.complete:
                    self._groups[group] = None

    def predict(self, group: Group) -> None:
        """Have the window that a group is about to look at predicted with those of others like it."""
        self._groups.pop(group, None)
        if not self._groups:
            return
        own = group.due()
        if own is None or own.window.asked.kind is None:
            return
        together, kind, most = [own], own.window.asked.kind, own.window.asked.most
        for other in list(self._groups):
            if len(together) >= most:
                break
            due = other.due()
            if due is None:
                self._groups.pop(other, None)
            elif due.window.asked.kind == kind:
                self._groups.pop(other, None)
                together.append(due)
        if len(together) > 1:
            self._keep(together)

    def _keep(self, together: list[Due]) -> None:
        try:
            answers = infer_together([one.window.asked for one in together])
        except MyostreamError:
            return  # each asks for itself, and says what is wrong
        for one, answer in zip(together, answers, strict=True):
            one.classifier.keep(one.window, answer)
