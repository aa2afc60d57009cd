"""The server's own source: opened at the start, awaited where it does not answer yet, changed while the server runs."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from app.config import NO_MODEL, EmgMode, Settings
from app.emg.description import SourceDescription, describe_source
from app.emg.source import SourceState, trouble_with
from app.errors import BusyError, MyostreamError, NotReadyError, SourceError
from app.inference.manifest import Manifest
from app.serving.counters.shared_replay import SharedReplay
from app.serving.counters.source_choice import SourceChoice, newest, newest_number, publish
from app.serving.counters.worker_group import WorkerGroup
from app.serving.engine.opening import expect_no_contradiction
from app.serving.sources.chosen_settings import with_choice
from app.serving.sources.device_opening import describe_device
from app.serving.sources.opening import Describe, Opened, open_reading

log = logging.getLogger(__name__)

RETRY_S = 1.0  # between two tries to ask a device what it is
UNDER_WAY = "another change of the source is under way; try again"

Adopt = Callable[[Settings, Opened], None]


class OwnSource:
    """Knows which source the server has. Workers that share it learn from each other what it is, and of a change.

    `adopt` is called with each source that was opened after the start. `describe` asks a device what it is.
    """

    def __init__(
        self,
        settings: Settings,
        expected: Manifest | None,
        worker_group: WorkerGroup,
        others: Sequence[Manifest] = (),
        describe: Describe = describe_device,
    ) -> None:
        self._start, self._others = settings, others
        self.expected = expected  # the model that this worker runs, whether or not it reads the source
        self._describe = describe
        self._worker_group, self.base = worker_group, worker_group.link(repr(settings))
        self.adopt: Adopt = lambda _settings, _opened: None
        self.settings = settings  # of now
        self._said: Mapping[str, str] = {}
        self._description: SourceDescription | None = None  # of the source of now
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
        self._number, choice = newest(self._worker_group, self.base)
        if choice is not None:
            self._said, self.settings = choice.said, with_choice(self._start, choice.said)
            self._expect(choice.model)
        others, self._others = self._others, ()  # only here: then the engine has its model
        try:
            opened = self._opened(self.settings, self._said, choice, ask, others=others)
        except SourceError as error:
            self.awaited = trouble_with(error)
            return None
        if opened is not None:
            self._description = describe_source(opened.source)
            self.expected = opened.manifest or self.expected
        if opened is not None and ask and choice is None:
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

    def switch(self, said: Mapping[str, str], again: bool = False) -> None:
        """Have the server read another source, in all workers; no said setting goes back to that of the start.

        Nothing happens where it is read already, unless it is to begin `again`.

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
            raise BusyError(UNDER_WAY)
        try:
            in_all_workers = self._worker_group.try_lock("source")
            if in_all_workers is None:
                raise BusyError(UNDER_WAY)
            with in_all_workers:
                settings = with_choice(self._start, said)
                followed = newest_number(self._worker_group) == self._number
                if settings == self.settings and self.awaited is None and followed and not again:
                    return
                opened = self._opened(settings, said, None, there=True)
                assert opened is not None
                # a recording that was played before begins anew, and plays
                SharedReplay(self._worker_group, self._worker_group.link(repr(settings))).give(
                    0, paused=False
                )
                self._publish(said, opened)
                self._take(settings, said, opened)
        finally:
            self._lock.release()

    def tick(self) -> None:
        """Follow a change that another worker has made; called often, and never waits."""
        # a smaller one: another worker is just writing the next
        if newest_number(self._worker_group) > self._number and not self._following:
            self._following = True
            threading.Thread(target=self._follow, name="source change", daemon=True).start()

    def _follow(self) -> None:
        with self._lock:
            try:
                number, choice = newest(self._worker_group, self.base)
                if choice is not None and dict(choice.said) != dict(self._said):
                    settings = with_choice(self._start, choice.said)
                    opened = self._opened(settings, choice.said, choice)
                    assert opened is not None
                    self._take(settings, choice.said, opened)
                self._number = number or self._number
            except MyostreamError as error:
                log.error("the source that another worker has chosen cannot be read here: %s", error)
                self._number = newest_number(self._worker_group)
            finally:
                self._following = False

    def _wait(self) -> None:
        settings, said = self.settings, self._said
        while not self._stop.wait(RETRY_S):
            trouble, opened, choice = "", None, None
            try:  # without the lock: it takes seconds, and somebody may rather choose another source
                _, choice = newest(self._worker_group, self.base)
                opened = self._opened(settings, said, choice)
            except MyostreamError as error:
                trouble = str(error)
            except Exception:
                log.exception("the source cannot be opened")
            with self._lock:
                if self.awaited is None:  # another was chosen meanwhile
                    return
                self.awaited = trouble or self.awaited
                if opened is not None:
                    if choice is None or not choice.description:
                        self._publish(said, opened)
                    self._take(settings, said, opened)

    def _expect(self, model: str | None) -> None:
        """Have the model that the other workers run, where the operator names none."""
        self.expected = next((one for one in self._others if one.name == model), self.expected)
        self._others = ()

    def _opened(
        self,
        settings: Settings,
        said: Mapping[str, str],
        choice: SourceChoice | None,
        ask: bool = True,
        *,
        there: bool = False,
        others: Sequence[Manifest] = (),
    ) -> Opened | None:
        """Return the source; `there`: it must answer now, and not later than the server.

        What `choice` knows of it, it is not asked: another worker may hold it.
        """
        known = self._description if self._same_device(settings) else None
        if choice is not None and choice.description and dict(choice.said) == dict(said):
            known = SourceDescription.from_json(choice.description)

        def describe(chosen: Settings) -> SourceDescription:
            if known is not None:
                return known
            if not ask:
                raise SourceError("the device was not asked what it is")
            try:
                return self._describe(chosen)
            except SourceError as error:
                raise NotReadyError(str(error)) if there else error from None

        expected = None if settings.model == NO_MODEL else self.expected
        if expected is not None and settings.emg_mode is not EmgMode.PUSH:
            expect_no_contradiction(settings, expected)
        return open_reading(settings, expected, others, describe)

    def _same_device(self, settings: Settings) -> bool:
        """Whether they differ from those of now in what is made of the signal only: it may have one reader, us."""
        same = replace(self.settings, montage=settings.montage, model=settings.model)
        return self.awaited is None and same == settings

    def _publish(self, said: Mapping[str, str], opened: Opened) -> None:
        description = describe_source(opened.source).as_json()
        model = None if self.expected is None else self.expected.name
        choice = SourceChoice(base=self.base, said=dict(said), model=model, description=description)
        try:
            self._number = publish(self._worker_group, choice)
        except ValueError:  # hundreds of channels with long names: each worker asks the device
            self._number = publish(self._worker_group, replace(choice, description={}))

    def _take(self, settings: Settings, said: Mapping[str, str], opened: Opened) -> None:
        self.settings, self._said, self.awaited = settings, said, None
        self._description = describe_source(opened.source)
        self.adopt(settings, opened)
        log.info("the source is now %s: %s", opened.source.name, describe_source(opened.source))
