"""The exceptions of this project. They know nothing of HTTP: `api/errors.py` gives each its status."""

from __future__ import annotations

import errno


class MyostreamError(Exception):
    """Anything this project refuses. The message says what was wrong and what would be right."""


class ConfigError(MyostreamError):
    """A setting is wrong or contradicts another; the server does not start."""


class ArtefactError(MyostreamError):
    """A model's folder is missing, damaged or does not match its manifest."""


class DataError(MyostreamError):
    """A recording (or a caller's array) cannot be used as asked."""


class RecordingNameError(DataError):
    """There is no recording of that name."""


class WindowError(DataError):
    """An array is not a window this model takes."""


class SourceError(MyostreamError):
    """Samples cannot be read from the source."""


class SourceNameError(MyostreamError):
    """There is no source of that name."""


class ModelNameError(MyostreamError):
    """There is no model of that name."""


class ProfileNameError(MyostreamError):
    """There is no profile of that name."""


class JobNameError(MyostreamError):
    """There is no job of that name."""


class NotReadyError(MyostreamError):
    """The engine is closed or the source has not delivered enough samples yet."""


class NodeGoneError(NotReadyError):
    """Another worker that has the source is gone, or has not answered in time."""


class SourceElsewhereError(NotReadyError):
    """Another worker has the source. `alive` says whether that still lives: else nobody reads it just now."""

    def __init__(self, source: str, node: str, alive: bool = True) -> None:
        what = (
            "is another worker's, which is to be asked"
            if alive
            else "has lost its worker, and goes on at another with the next samples that are pushed"
        )
        super().__init__(f"the source {source} {what}; try again")
        self.source, self.node, self.alive = source, node, alive


class FencedError(MyostreamError):
    """A source that this worker has read is another's by now, so that nothing may be said of it here any more."""


class NoNumberError(MyostreamError):
    """A model's graph gives NaN or infinity where it is to give a value."""


class OverloadedError(MyostreamError):
    """The engine's queue is full, or an answer did not come in time."""


class BusyError(MyostreamError):
    """Something that runs once at a time is running already, or what is there already contradicts what is asked."""


class TooFastError(MyostreamError):
    """A client sends more than it may. `retry_s` is when it may go on."""

    def __init__(self, message: str, retry_s: float) -> None:
        super().__init__(message)
        self.retry_s = retry_s


class BackendUnavailableError(MyostreamError):
    """A backend cannot be used here. `cure` says what would make it available."""

    def __init__(self, backend: str, reason: str, cure: str) -> None:
        super().__init__(f"{backend} is not available: {reason}. {cure}")
        self.backend, self.reason, self.cure = backend, reason, cure


def no_descriptor(error: BaseException) -> bool:
    """Whether a file could not be opened because this process, or the system, has no descriptor left for it."""
    return isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE)
