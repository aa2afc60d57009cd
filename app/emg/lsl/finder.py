"""Streams of the Lab Streaming Layer on this network: which there are, the one that is meant, and what it says it is.

Nothing here waits in native code for longer than CALL_WAIT_S: under gevent that would hold up every stream.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from app.emg.description import SourceDescription
from app.emg.lsl.library import load_pylsl
from app.emg.lsl.stream_description import StreamDescription, described, described_beside
from app.emg.simulated.pacing import Clock, Sleep
from app.errors import ConfigError, SourceError

Found = TypeVar("Found")
Fits = Callable[[Any], bool]  # whether a stream's short description may be the one

POLL_S = 0.005
CALL_WAIT_S = 0.001  # how long one native call may wait
SETTLE_S = 0.5  # after the first answer, for other streams that would fit as well
OPEN_S = 3.0  # for a stream that was found to say what it is and to begin
BUFFERED_S = 30


@dataclass(frozen=True, slots=True)
class Query:
    """Which stream is meant, such as type=EMG."""

    prop: str  # name, type or source_id
    value: str

    @classmethod
    def parse(cls, text: str, setting: str = "EMG_LSL") -> Query:
        """Read it; raise ConfigError where it is not name=..., type=... or source_id=..."""
        prop, _, value = text.partition("=")
        if prop not in ("name", "type", "source_id") or not value:
            raise ConfigError(
                f"{setting}={text!r} is not allowed: name=..., type=... or source_id=... of a stream"
            )
        return cls(prop, value)

    @classmethod
    def parse_several(cls, text: str, setting: str) -> tuple[Query, ...]:
        """Read none or more, separated by commas; raise ConfigError as `parse` does."""
        return tuple(cls.parse(part.strip(), setting) for part in text.split(",") if part.strip())

    def __str__(self) -> str:
        return f"{self.prop}={self.value}"

    def matches(self, info: Any) -> bool:
        return bool(getattr(info, self.prop)() == self.value)


class StreamFinder:
    """Looks for the streams that match a query, for as long as it lives."""

    def __init__(
        self, query: Query, lsl: Any, clock: Clock = time.monotonic, sleep: Sleep = time.sleep
    ) -> None:
        self.query, self._lsl, self._clock, self._sleep = query, lsl, clock, sleep
        self._resolver: Any = None
        self._asked_at = 0.0  # when it was made
        self.closed = False

    def now(self) -> float:
        """Return the time of its clock, in s."""
        return self._clock()

    def nap(self) -> None:
        """Wait a little for streams that answer late."""
        self._sleep(POLL_S)

    @property
    def asking_s(self) -> float:
        """For how long the network has been asked."""
        return self._clock() - self._asked_at

    def rest(self) -> None:
        """Ask no more, until the next look; that begins with knowing no stream."""
        self._resolver = None

    def visible(self) -> list[Any]:
        """Return the streams on the network, each once."""
        if self._resolver is None:
            self._resolver, self._asked_at = self._lsl.ContinuousResolver(), self._clock()
        return list({info.uid(): info for info in self._resolver.results()}.values())

    def find(self, fits: Fits = lambda _info: True) -> Any:
        """Return the one stream that is meant; of several that match, the one that `fits`.

        Raises:
            SourceError: there is none.
            ConfigError: there is more than one.
        """
        matching = [info for info in self.visible() if self.query.matches(info)]
        if matching:
            self._sleep(SETTLE_S)
            matching = [info for info in self.visible() if self.query.matches(info)]
        if not matching:
            others = ", ".join(sorted(f"name={i.name()} type={i.type()}" for i in self.visible()))
            raise SourceError(f"no LSL stream with {self.query} on this network; there is {others or 'none'}")
        fitting = [info for info in matching if fits(info)]
        if len(fitting) > 1:
            them = ", ".join(f"name={i.name()} source_id={i.source_id()} on {i.hostname()}" for i in fitting)
            raise ConfigError(f"{len(fitting)} LSL streams have {self.query}: {them}; name one of them")
        return (fitting or matching)[0]  # what does not fit is refused with its description

    def inlet(self, info: Any) -> tuple[Any, StreamDescription]:
        """Return an inlet of the stream, not yet open, and what the stream carries.

        Raises:
            SourceError: it does not answer.
        """
        inlet = self._lsl.StreamInlet(info, max_buflen=BUFFERED_S, recover=False)
        full = self.patiently(lambda: inlet.info(CALL_WAIT_S), "does not say what it is")
        return inlet, _description(full)

    def patiently(self, call: Callable[[], Found], trouble: str) -> Found:
        """Return what `call` returns, at last; it waits CALL_WAIT_S each time.

        Raises:
            SourceError: the stream has gone, or OPEN_S have passed.
        """
        until = self._clock() + OPEN_S
        while not self.closed:
            try:
                return call()
            except self._lsl.util.TimeoutError:
                if self._clock() > until:
                    break
                self._sleep(POLL_S)
            except self._lsl.util.LostError:
                raise SourceError(f"the LSL stream {self.query} has gone") from None
        raise SourceError(f"the LSL stream {self.query} {trouble}")


def describe(
    query: Query,
    seconds: float,
    *,
    scale: float | None = None,
    aux: Sequence[Query] = (),
    clock: Clock = time.monotonic,
    sleep: Sleep = time.sleep,
) -> SourceDescription:
    """Return what the stream says of itself, and the `aux` streams beside it; look for each for so many `seconds`.

    `scale` makes microvolts of the stream's numbers.

    Raises:
        SourceError: there is none.
        ConfigError: pylsl is not there, more than one stream is meant, or it carries no signal.
    """
    lsl = load_pylsl()
    found = described(_said(StreamFinder(query, lsl, clock, sleep), seconds), scale)
    further = [described_beside(_said(StreamFinder(one, lsl, clock, sleep), seconds)) for one in aux]
    return replace(found, aux_streams=(*found.aux_streams, *further))


def _said(finder: StreamFinder, seconds: float) -> StreamDescription:
    until = finder.now() + seconds
    while True:
        try:
            return finder.inlet(finder.find())[1]
        except SourceError:
            if finder.now() >= until:
                raise
            finder.nap()


def _description(info: Any) -> StreamDescription:
    return StreamDescription(
        name=info.name(),
        channels=info.channel_count(),
        rate=info.nominal_srate(),
        text=info.channel_format() == 3,
        labels=tuple(label or "" for label in info.get_channel_labels() or ()),
        types=tuple(kind or "" for kind in info.get_channel_types() or ()),
        units=tuple(unit or "" for unit in info.get_channel_units() or ()),
    )
