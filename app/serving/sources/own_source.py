"""The server's own source: opened at the start, awaited where it does not answer yet, changed while the server runs."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence

from app.config import NO_MODEL, EmgMode, Settings
from app.emg.description import SourceDescription, describe_source
from app.emg.source import SourceState, trouble_with
from app.errors import BusyError, MyostreamError, NotReadyError, SourceError
from app.inference.manifest import Manifest
from app.serving.counters.source_choice import SourceChoice, newest, newest_number, publish
from app.serving.counters.worker_group import WorkerGroup
from app.serving.sources.chosen_settings import with_choice
from app.serving.sources.device_opening import describe_device
from app.serving.sources.opening import Opened, open_reading

log = logging.getLogger(__name__)

RETRY_S = 1.0  # between two tries to ask a device what it is

Adopt = Callable[[Settings, Opened], None]


class OwnSource:
    """Knows which source the server has. Workers that share it learn from each other what it is, and of a change.

    `adopt` is called with each source that was opened after the start.
    """

    def __init__(
        self,
        settings: Settings,
        expected: Manifest | None,
        worker_group: WorkerGroup,
        others: Sequence[Manifest] = (),
    ) -> None:
        self._start, self._expected, self._others = settings, expected, others
        self._worker_group, self._base = worker_group, worker_group.link(repr(settings))
        self.adopt: Adopt = lambda _settings, _opened: None
        self.settings = settings  # of now
        self._said: Mapping[str, str] = {}
        self._number = 0  # of the choice that this worker has followed
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._following = False
        self.awaited: str | None = None  # why there is none yet

    def open(self, ask: bool = True) -> Opened | None:
        """Return the source at the start; None where clients bring theirs, or the device does not answer yet.

        With `ask=False` no device is touched.

        Raises:
            MyostreamError: it cannot be used, whatever the device will say.
        """
        self._number, choice = newest(self._worker_group, self._base)
        if choice is not None:
            self._said, self.settings = choice.said, with_choice(self._start, choice.said)
        try:
            opened = self._opened(self.settings, choice, ask)
        except SourceError as error:
            self.awaited = trouble_with(error)
            return None
        if opened is not None and ask:
            self._publish(self._said, opened)
        return opened

    def start(self) -> None:
        """Wait for a source that did not answer, where there is one."""
        if self.awaited is not None:
            log.warning("the source is not there yet: %s", self.awaited)
            threading.Thread(target=self._wait, name="awaited source", daemon=True).start()

    def close(self) -> None:
        self._stop.set()

    @property
    def state(self) -> SourceState | None:
        """Return how it is with a source that is awaited; None where none is."""
        if self.awaited is None:
            return None
        return SourceState(
            name=self.settings.emg_mode.value,
            state="disconnected",
            last_sample_age_ms=None,
            samples=0,
            gaps=0,
            lost_samples=0,
            error=self.awaited,
            measured_rate_hz=None,
            rate_ok=True,
        )

    def switch(self, said: Mapping[str, str]) -> None:
        """Have the server read another source, in all workers; no said setting goes back to that of the start.

        Raises:
            BusyError: clients bring their sources, or another change is under way.
            ConfigError, DataError: it may not be chosen like that, or cannot be used.
            NotReadyError: it does not answer; the one before goes on.
        """
        if self._start.emg_mode is EmgMode.PUSH:
            raise BusyError(
                "EMG_MODE=push: clients bring their sources; this server has none of its own to change"
            )
        if not self._lock.acquire(blocking=False):
            raise BusyError("another change of the source is under way; try again")
        try:
            settings = with_choice(self._start, said)
            opened = self._opened(settings, None, ask=True, there=True)
            assert opened is not None
            self._publish(said, opened)
            self._take(settings, said, opened)
        finally:
            self._lock.release()

    def tick(self) -> None:
        """Follow a change that another worker has made; called often, and never waits."""
        if newest_number(self._worker_group) != self._number and not self._following:
            self._following = True
            threading.Thread(target=self._follow, name="source change", daemon=True).start()

    def _follow(self) -> None:
        with self._lock:
            try:
                number, choice = newest(self._worker_group, self._base)
                if choice is not None and dict(choice.said) != dict(self._said):
                    settings = with_choice(self._start, choice.said)
                    opened = self._opened(settings, choice, ask=True)
                    assert opened is not None
                    self._take(settings, choice.said, opened)
                self._number = number or self._number
            except MyostreamError as error:
                log.error("the source that another worker has chosen cannot be read here: %s", error)
                self._number = newest_number(self._worker_group)
            finally:
                self._following = False

    def _wait(self) -> None:
        while not self._stop.wait(RETRY_S):
            with self._lock:
                if self.awaited is None:  # another was chosen meanwhile
                    return
                try:
                    _, choice = newest(self._worker_group, self._base)
                    opened = self._opened(self.settings, choice, ask=True)
                    assert opened is not None
                    self._publish(self._said, opened)
                    self._take(self.settings, self._said, opened)
                    return
                except MyostreamError as error:
                    self.awaited = str(error)
                except Exception:
                    log.exception("the source cannot be opened")

    def _opened(
        self, settings: Settings, choice: SourceChoice | None, ask: bool, there: bool = False
    ) -> Opened | None:
        """Return the source; `there`: it must answer now, and not later than the server."""
        known = None
        if choice is not None and choice.description and choice.said == self._said:
            known = SourceDescription.from_json(choice.description)

        def describe(chosen: Settings) -> SourceDescription:
            if known is not None:
                return known
            if not ask:
                raise SourceError("the device was not asked what it is")
            try:
                return describe_device(chosen)
            except SourceError as error:
                raise NotReadyError(str(error)) if there else error from None

        expected = None if settings.model == NO_MODEL else self._expected
        others, self._others = self._others, ()  # only at the start: then the engine has its model
        return open_reading(settings, expected, others, describe)

    def _publish(self, said: Mapping[str, str], opened: Opened) -> None:
        description = describe_source(opened.source).as_json()
        choice = SourceChoice(base=self._base, said=dict(said), description=description)
        try:
            self._number = publish(self._worker_group, choice)
        except ValueError:  # hundreds of channels with long names: each worker asks the device
            self._number = publish(self._worker_group, SourceChoice(base=self._base, said=dict(said)))

    def _take(self, settings: Settings, said: Mapping[str, str], opened: Opened) -> None:
        self.settings, self._said, self.awaited = settings, said, None
        self.adopt(settings, opened)
        log.info("the source is now %s: %s", opened.source.name, describe_source(opened.source))
