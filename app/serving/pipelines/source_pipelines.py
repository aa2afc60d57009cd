"""The pipelines of a worker, by name."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator

from app.counted import counted, verb
from app.errors import NotReadyError, OverloadedError, SourceNameError
from app.serving.pipelines.pipeline import SourcePipeline
from app.serving.process.memory import trim

DECLARE = "there is no source yet: declare one with POST /emg/sources/<name>"


class SourcePipelines:
    """The pipelines of a worker, by name; the first is the default."""

    def __init__(self, most: int, none_yet: Callable[[], str] = lambda: DECLARE) -> None:
        self._most, self.none_yet = most, none_yet
        self._pipelines: dict[str, SourcePipeline] = {}
        self.elsewhere: Callable[[str | None], None] = lambda _: None  # raises where another worker has it

    def __iter__(self) -> Iterator[SourcePipeline]:
        return iter(list(self._pipelines.values()))

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._pipelines)

    @property
    def default(self) -> SourcePipeline | None:
        return next(iter(self), None)

    def named(self, name: str | None = None) -> SourcePipeline:
        """Return the pipeline of that name; None: the default.

        Raises:
            NotReadyError: there is no source yet.
            SourceNameError: there is none of that name.
            SourceElsewhereError: another worker has it.
        """
        if name is None:
            self.elsewhere(None)
            if self.default is None:
                raise NotReadyError(self.none_yet())
            return self.default
        found = self._pipelines.get(name)
        if found is None:
            self.elsewhere(name)
            there_is = f"there is {', '.join(self.names)}" if self._pipelines else "there is none yet"
            raise SourceNameError(f"no source {name!r}; {there_is}")
        return found

    def find(self, name: str) -> SourcePipeline | None:
        return self._pipelines.get(name)

    def add(self, pipeline: SourcePipeline) -> None:
        """Take one more, not yet started.

        Raises:
            OverloadedError: there are as many as EMG_MAX_SOURCES.
        """
        if len(self._pipelines) >= self._most:
            are = verb(self._most, "is", "are")
            raise OverloadedError(f"{counted(self._most, 'source')} {are} open, as many as EMG_MAX_SOURCES")
        self._pipelines[pipeline.name] = pipeline

    def rename(self, pipeline: SourcePipeline, name: str) -> None:
        """Know it by another name from now on; its place stays."""
        self._pipelines = {
            name if one is pipeline else its_name: one for its_name, one in self._pipelines.items()
        }

    def remove(self, pipeline: SourcePipeline) -> None:
        """Close and forget it. Safe to call twice."""
        known = self._pipelines.get(pipeline.name) is pipeline
        if known:
            del self._pipelines[pipeline.name]
        pipeline.close()
        if not known:  # whoever has removed it does the rest
            return
        del pipeline  # its parts know each other: the rings would wait for a full collection
        gc.collect()
        trim()  # the rings of sources that come and go would tear glibc's heap, which then grows with each

    def close(self) -> None:
        for pipeline in self:
            self.remove(pipeline)
