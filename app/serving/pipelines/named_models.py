"""The models that streams and requests name, beside the one that reads the source: each has groups of its own."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from app.emg.signal.signal_path import SignalPath
from app.serving.models.open_models import OpenModel
from app.serving.pipelines.model_use import ModelUse
from app.serving.sources.signal_feed import SignalFeed
from app.serving.streams.broadcast import Broadcast
from app.serving.streams.events import ENDED

KEPT_S = 10.0  # without users, for one who was cut off, or asks again


@dataclass(slots=True, eq=False)
class NamedModel:
    """A model that somebody named, on this source. `held` counts who has it; `release` gives the model back."""

    use: ModelUse
    broadcast: Broadcast
    release: Callable[[], None]
    held: int = 0
    left_at: float = field(default_factory=time.monotonic)


class NamedModels:
    """Those of one source. `make` gives a model on it, `group` the broadcast of that; `fill` has their feeds filled."""

    def __init__(
        self,
        make: Callable[[OpenModel, SignalPath], ModelUse],
        group: Callable[[ModelUse], Broadcast],
        fill: Callable[[], None],
    ) -> None:
        self._make, self._group, self._fill = make, group, fill
        self._known: dict[str, NamedModel] = {}  # by the sha256 of the manifest
        self._lock = threading.Lock()

    @property
    def feeds(self) -> list[SignalFeed]:
        return [one.use.feed for one in list(self._known.values())]

    def running(self) -> list[tuple[ModelUse, Broadcast]]:
        """Return what there is."""
        return [(one.use, one.broadcast) for one in list(self._known.values())]

    def hold(
        self, model: OpenModel, path: Callable[[], SignalPath], release: Callable[[], None]
    ) -> NamedModel:
        """Return that model on this source, until `leave`. The caller holds the model; `release` is called once.

        Raises:
            DataError: it cannot read the source; says `path`, which is asked for where it is not read so already.
        """
        sha256 = model.artefact.sha256
        with self._lock:
            found = self._known.get(sha256)
            if found is None:
                use = self._make(model, path())
                found = self._known[sha256] = NamedModel(use, self._group(use), release)
                self._fill()
            else:
                release()  # it is held once
            found.held += 1
            return found

    def leave(self, named: NamedModel) -> None:
        """Do without it; it stays for KEPT_S."""
        with self._lock:
            named.held -= 1
            named.left_at = time.monotonic()

    @contextmanager
    def holding(self, named: NamedModel) -> Iterator[ModelUse]:
        """Have it until the end of the block, and leave it then."""
        try:
            yield named.use
        finally:
            self.leave(named)

    def tidy(self, now: float | None = None) -> None:
        """Let those go that nobody has asked for since KEPT_S; called often."""
        if not self._known:
            return
        since = (time.monotonic() if now is None else now) - KEPT_S
        self._let_go([one for one in list(self._known.values()) if not one.held and one.left_at < since])

    def end(self, why: str = ENDED) -> None:
        """Let all go: the source is another, or over."""
        self._let_go(list(self._known.values()), why)

    def _let_go(self, models: list[NamedModel], why: str = ENDED) -> None:
        with self._lock:
            models = [one for one in models if one in self._known.values()]
            self._known = {sha: one for sha, one in self._known.items() if one not in models}
        for one in models:
            one.broadcast.end(why)
            one.release()
        if models:
            self._fill()
