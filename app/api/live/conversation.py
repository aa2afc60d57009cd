"""What is said on one live socket, from its opening to its close. It knows of bytes in and out, not of sockets.

`receive` is called with what the client sends, `looks` from time to time; both by whoever holds the connection. What
the client hears goes by the writer, its frames straight from the thread that makes them.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import orjson
from werkzeug.exceptions import HTTPException

from app.api.errors import problem_fields
from app.api.live import events
from app.api.live import framing as ws
from app.api.live.incoming import Incoming
from app.api.live.roles import Budget, Connection, RefusedError, Talk
from app.api.live.silence import GONE_S, Silence
from app.api.live.slowing import Slowing
from app.api.live.writer import LiveWriter
from app.api.schemas.live import live_job
from app.api.schemas.params import LiveJob
from app.errors import MyostreamError, OverloadedError, TooFastError
from app.serving.streams.client_stream import CLIENT_POLL_S, Stream
from app.serving.streams.events import Completed

log = logging.getLogger(__name__)

FIRST_S = 10.0  # for a client to say what it wants
PARTIAL_S = 10.0  # for a message to come in full
ACK_S = 0.1  # between two acknowledgements
QUALITY_S = 0.5  # between two looks at the electrodes
BUSY_S = 0.05  # until the next look at a conversation that is at work
GOODBYE_S = 1.0  # the same for one from whom nothing is heard: it is gone within 10 s in all
CLOSING_S = 2.0  # for the last bytes to be taken, and the client's close to come


class Conversation:
    """One live socket. `begin` gives what the client came for once it has said it; `leaving` why the server ends.

    `left` is called once, when it is over.
    """

    def __init__(
        self,
        writer: LiveWriter,
        begin: Callable[[LiveJob, LiveWriter], Talk],
        *,
        most: int,
        leaving: Callable[[], str | None],
        why_leaving: Callable[[], str],
        talk: Talk | None = None,
        budget: Budget | None = None,
        left: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.writer, self._begin, self._clock = writer, begin, clock
        self._leaving, self._why_leaving = leaving, why_leaving
        self._left = left
        self._talk = talk
        self._beginning = self._held = False
        self._opened_at = self._acked_at = clock()
        self._quality_at = self._opened_at
        self._incoming = Incoming(most, budget, self._opened_at)
        self._silence, self._slowing = Silence(self._opened_at), Slowing()
        self._said_goodbye = False  # the client
        self._close_by: float | None = None  # when the connection is cut, whatever the client does
        self.connection: Connection  # set by whoever holds it, before the first call
        self.hurry: Callable[[], None] = lambda: None  # has the next look taken at once; set likewise
        self._lock = threading.RLock()
        self.over = False

    @property
    def stream(self) -> Stream | None:
        return None if self._talk is None else self._talk.stream

    @property
    def owes_ack(self) -> bool:
        """Whether an acknowledgement waits for its time."""
        return self._held and not self.over

    def start(self) -> None:
        """Greet a client that has said in its query what it wants."""
        talk = self._talk
        if talk is not None:
            self._guarded(lambda: self._greet(talk))

    def receive(self, data: bytes) -> None:
        """Take what the client has sent; empty: it sends no more."""
        if not data:
            self.lost()
            return

        now = self._clock()
        self._silence.heard(now)

        def take() -> None:
            try:
                self._incoming.feed(data, now)
            except ws.FramingError:
                self._work()
                raise
            except OverloadedError as error:
                self._tell(error)
                raise RefusedError(ws.OVERLOADED, "see the error before this") from None
            if self._incoming.pause_s:
                self.connection.pause(self._incoming.pause_s)
            self._work()

        self._guarded(take)

    def _guarded(self, step: Callable[[], None]) -> None:
        with self._lock:
            try:
                step()
            except ws.FramingError as error:
                self._end(error.code, error.reason)
            except RefusedError as refused:
                self._end(refused.code, refused.reason)
            except OSError:  # it does not take what it is told
                self.lost()
            except Exception:
                log.exception("a live socket failed")
                self._end(ws.FAILED, "the server failed; its log has the reason")

    def go_on(self) -> None:
        """Take up what could not be taken when it came."""
        with self._lock:
            if self._beginning:  # a model may take longer to open; what came meanwhile would pile up here
                self.connection.pause(FIRST_S)
                return
        self._guarded(self._work)

    def lost(self) -> None:
        """Note that the client has gone."""
        self.over = True
        self.connection.abort()
        self.hurry()

    def _work(self) -> None:
        while self._incoming.waiting and not self._beginning and self._close_by is None:
            message = self._incoming.waiting[0]
            if message.kind == ws.BINARY and not self._took(message.data):
                return
            self._incoming.waiting.popleft()
            if message.kind != ws.BINARY:
                self._control(message)
        if self._close_by is not None:
            self._said_goodbye |= any(message.kind == ws.CLOSE for message in self._incoming.waiting)
            self._incoming.waiting.clear()

    def _took(self, data: bytes) -> bool:
        """Take samples or windows; False where they must wait."""
        if self._talk is None:
            raise RefusedError(ws.UNSUPPORTED, "the first message is text: it says what is to come")
        now = self._clock()
        try:
            self._talk.take(data)
        except (TooFastError, OverloadedError) as error:
            pause_s = self._slowing.pause_s(error, now)
            if pause_s is None:
                self._tell(error)
                code = ws.REFUSED if isinstance(error, TooFastError) else ws.OVERLOADED
                raise RefusedError(code, str(error)) from None
            self.connection.pause(pause_s)
            return False
        except (MyostreamError, HTTPException) as error:
            self._tell(error)
            raise RefusedError(ws.REFUSED, "see the error before this") from None
        self._slowing.took(now)
        self._held = True
        if now - self._acked_at >= ACK_S:
            self._acknowledge()
        return True

    def acknowledge_due(self) -> None:
        """Tell the client what has waited long enough to be told."""
        if self._clock() - self._acked_at >= ACK_S:
            self._guarded(self._acknowledge)

    def _acknowledge(self) -> None:
        """Tell the client how far its samples are taken in, where there is something new, and it reads."""
        if self._talk is not None and self.writer.idle and self._close_by is None:
            answer = self._talk.acknowledge()
            self._held = self._talk.owes
            self._acked_at = self._clock()
            if answer is not None:
                self.writer.say(answer)

    def _control(self, message: ws.Message) -> None:
        if message.kind in (ws.PING, ws.PONG):
            self._incoming.expect_few_controls(self._clock())
        if message.kind == ws.PING:
            self.writer.say(ws.frame(ws.PONG, message.data))
        elif message.kind == ws.CLOSE:
            self._said_goodbye = True
            self._end(ws.close_code(message.data), "")
        elif message.kind == ws.TEXT:
            self._told(message.data)

    def _told(self, text: bytes) -> None:
        """Begin with what the first text says. It may open a model: the other clients do not wait for that."""
        if self._talk is not None:
            raise RefusedError(
                ws.UNSUPPORTED, "it has been said what comes: samples or windows, as binary messages"
            )
        self._beginning = True
        self.connection.pause(FIRST_S)
        threading.Thread(target=self._begun, args=(text,), name="live opening", daemon=True).start()

    def _begun(self, text: bytes) -> None:
        code, why, talk = ws.REFUSED, "see the error before this", None
        try:
            talk = self._begin(live_job(_parsed(text)), self.writer)
        except RefusedError as refused:
            code, why = refused.code, refused.reason
        except (MyostreamError, HTTPException) as error:
            with self._lock:
                self._tell(error)
        except Exception:
            log.exception("a live socket failed")
            code, why = ws.FAILED, "the server failed; its log has the reason"
        with self._lock:
            self._beginning = False
            self._silence.heard(self._clock())  # nobody has listened meanwhile
            self._incoming.go_on(self._clock())
            if talk is None:
                self._end(code, why)
            elif self.over:
                talk.close()
            else:
                self._talk = talk
                try:
                    self._greet(talk)
                except OSError:
                    self.lost()
        self.connection.pause(0.0)
        self.hurry()  # its stream begins now

    def _greet(self, talk: Talk) -> None:
        self.writer.say(events.said("live", **talk.hello()))

    def _tell(self, error: MyostreamError | HTTPException) -> None:
        try:
            self.writer.say(events.said("error", **problem_fields(error)))
        except OSError:
            self.lost()

    def _end(self, code: int, reason: str, wait_s: float = CLOSING_S) -> None:
        """Close: say why, send no more, and wait a moment for the client to have heard it."""
        if self._close_by is not None:
            return
        self._close_by = self._clock() + wait_s
        self._incoming.waiting.clear()
        try:
            self.writer.end(ws.closing(code, reason))
        except OSError:
            self.lost()
            return
        if self.writer.idle:
            self.connection.shut()
        self.hurry()

    def looks(self) -> Iterator[float]:
        """Yield the seconds until the next look; ends with the conversation."""
        shown = None  # the stream, once there is one
        while not self.over:
            if shown is None and self.stream is not None:
                self.stream.attend(self.hurry)
                shown = iter(self.stream)
            if not self._lock.acquire(blocking=False):  # a window is being predicted: the others go on
                yield BUSY_S
                continue
            try:
                pause_s = self._looked(shown)
            finally:
                self._lock.release()
            yield pause_s
        self.connection.abort()

    def _looked(self, shown: Iterator[Any] | None) -> float:
        now = self._clock()
        try:
            if self._close_by is not None:
                return self._closing(now)
            if shown is not None and not self._shows(shown):
                return 0.0
            if self._leaving() is not None:
                self._restart()
            elif self._talk is not None and (why := self._talk.over) is not None:
                self._end(ws.NORMAL, why)
            elif self._talk is None and not self._beginning and now - self._opened_at > FIRST_S:
                self._end(ws.REFUSED, f"say what you want within {FIRST_S:g} s of opening")
            elif not self._beginning and self._incoming.partial_for_s(now) > PARTIAL_S:
                self._end(ws.REFUSED, f"a message must come in full within {PARTIAL_S:g} s")
            else:
                self._alive(now)
        except OSError:
            self.lost()
        if self.writer.overfull:
            self.lost()
        return ACK_S if self._held else CLIENT_POLL_S

    def _shows(self, shown: Iterator[Any]) -> bool:
        """Go on with the stream, whose frames come by the writer; whether it has not ended."""
        for item in shown:
            if isinstance(item, Completed):
                self.writer.say(events.said("completed", **item.fields))
                if item.cut_short:
                    self._restart()
                else:
                    self._end(ws.NORMAL, item.reason or "completed")
                return False
            if item is None:
                return True
            self.writer.insist(item)
        self.lost()  # it reads nothing
        return False

    def _restart(self) -> None:
        self._end(ws.RESTART, f"the server stops ({self._why_leaving()}): come back")

    def _alive(self, now: float) -> None:
        self.writer.flush()
        if self._beginning:  # it is not read, so that nothing can be heard of it
            return
        if self._held and now - self._acked_at >= ACK_S:
            self._acknowledge()
        if self._silence.gone(now):
            self._end(ws.GOING_AWAY, f"nothing heard for {GONE_S:g} s", wait_s=GOODBYE_S)
            return
        if self._silence.ping_due(now) and self.writer.idle:
            self._silence.pinged(now)
            self.writer.say(ws.frame(ws.PING, b""))
        if self._talk is not None and now - self._quality_at >= QUALITY_S and self.writer.idle:
            self._quality_at = now
            quality = self._talk.quality()
            if quality is not None:
                self.writer.say(events.said("quality", **quality))

    def _closing(self, now: float) -> float:
        assert self._close_by is not None
        if self.writer.flush():
            self.connection.shut()
            self.over |= self._said_goodbye
        self.over |= now > self._close_by
        return 0.02

    def close(self) -> None:
        """Let go what the client held; called once, when it is over."""
        self._incoming.close()
        try:
            if self._talk is not None:
                self._talk.close()
        finally:
            self._left()


def _parsed(text: bytes) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise RefusedError(ws.INVALID_TEXT, f"the first message is no JSON: {error}") from None
