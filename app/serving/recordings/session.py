"""A recording in progress: from the acquisition into a bounded queue, and from there to the disk."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

from app.emg.recording.log_format import Entry, RecordedModel, RecordedPrediction
from app.emg.recording.progress import RecordingProgress
from app.emg.recording.prompts.course import Course, Prompt
from app.emg.recording.prompts.prompt_log import Answer, Asked, Repetition, Verdict
from app.emg.recording.prompts.step_judge import StepJudge
from app.emg.recording.writer import RecordingWriter
from app.emg.simulated_person import SimulatedPerson, person_of
from app.emg.source import Chunk
from app.errors import BusyError
from app.serving.process.offload import BlockingWorker
from app.serving.recordings.copies import chunks_of, copied
from app.serving.recordings.cursor import CursorNow, FollowedCursor
from app.serving.recordings.prompts import RunningPrompts
from app.serving.sources.acquisition import Acquisition
from app.serving.streams.events import Frame, ModelChange
from app.serving.streams.group_events import GroupEvent

log = logging.getLogger(__name__)

PERIOD_S = 0.25  # between two writes; with the time these take, what a killed server loses
MAX_WAITING = 16 * 2**20  # bytes in the queue: at 16 x 2000 Hz two minutes of a disk that does not answer
MAX_BYTES = 2**30  # of one recording: 16 x 2000 Hz for 2 h 19 min
PAUSED_S = 3600.0  # of rest, where nobody knows how long
STOP_S = 10.0  # for the disk to take the rest


class RecordingSession:
    """Records what one source delivers until it is stopped, its plan is over, the source ends, or the disk fails.

    With a `judge`, the steps of its plan are judged as they end; where whoever prompts `offers` it, what goes wrong at
    last can be done again.
    """

    def __init__(
        self,
        writer: RecordingWriter,
        acquisition: Acquisition,
        worker: BlockingWorker,
        judge: StepJudge | None = None,
        offers: bool = True,
        cursor: FollowedCursor | None = None,
    ) -> None:
        self.writer, self.header = writer, writer.header
        self._acquisition, self._worker = acquisition, worker
        self._queue: deque[Entry] = deque()
        self._waiting = 0  # bytes
        self._lock = threading.Lock()
        self._first: int | None = None  # sample index
        self._next = 0
        self._told = self._asked = False  # that the disk is slow; by another process to stop
        self._model = None if self.header.model is None else self.header.model.sha256  # as the log has it
        self._stop = threading.Event()
        self._done = threading.Event()
        self._leave: Callable[[], None] = lambda: None
        self._prompts: RunningPrompts | None = None
        if self.header.plan is not None:
            self._prompts = RunningPrompts(self.header.plan, self.header.sampling_rate, judge, offers)
        self._person, self._turn, self._cursor = person_of(acquisition.source), 0, cursor
        self.ended: RecordingProgress | None = None

    def start(self) -> None:
        self._acquisition.taps.append(self._tap)
        threading.Thread(target=self._run, name=f"recording {self.header.name}", daemon=True).start()

    def also_hear(self, leave: Callable[[], None]) -> None:
        """Predictions come to `hear`; `leave` ends that."""
        self._leave = leave

    def stop(self) -> None:
        """End it, and wait until all is on the disk. Safe to call twice."""
        self._stop.set()
        if not self._done.wait(STOP_S):
            log.error("the recording %s waits for its disk for over %g s", self.header.name, STOP_S)

    @property
    def running(self) -> bool:
        return not self._done.is_set()

    @property
    def begun(self) -> bool:
        """Whether a sample has come."""
        return self._first is not None

    @property
    def prompt(self) -> Prompt | None:
        """What the plan asks of the person now; None without a plan, before the first sample, and after the last."""
        if self._prompts is None or self.ended is not None:
            return None
        return self._prompts.now.course.prompt(self._position)

    @property
    def cursor(self) -> CursorNow | None:
        """Where the cursor is that is followed; None without one, before the first sample, and after the last."""
        if self._cursor is None or not self.begun or self.ended is not None:
            return None
        return self._cursor.now(self._position)

    @property
    def repetitions(self) -> tuple[Repetition, ...]:
        """What the plan has asked so far, and how it went."""
        return () if self._prompts is None else self._prompts.now.repetitions(self._position)

    def act(self, action: str, index: int | None = None) -> None:
        """Pause, resume, redo or skip, at the sample that comes next.

        Raises:
            BusyError: there is no plan, it is over, or the action makes no sense now.
        """
        if self._prompts is None:
            raise BusyError(f"the recording {self.header.name} has no plan; nothing is prompted")
        with self._lock:
            self._prompts.act(action, index, self._position)
            self._turn = 0  # something else is asked now

    def hear(self, published: GroupEvent, _missed: int) -> bool:
        """Take a prediction, or a change of the model, on the group's thread: without a wait, and never raise."""
        event = published.event
        if self._acquisition.state == "ended":  # it is of the source after it
            return True
        if isinstance(event, ModelChange):
            self._note_model(RecordedModel(event.from_sample, event.model, event.sha256, event.classes))
        elif isinstance(event, Frame):
            self._note_prediction(event)
        return True

    def _note_prediction(self, frame: Frame) -> None:
        """Put it, and before it the model where that is not the one of the log: it changed as the recording began."""
        if (model := frame.model) is not None:
            at = frame.sample_index
            self._note_model(RecordedModel(at, model.path.name, model.sha256, model.manifest.classes))
        window = frame.window
        self._put(
            RecordedPrediction(frame.sample_index, window.prediction, window.confidence, frame.decision), 64
        )

    def _note_model(self, model: RecordedModel) -> None:
        if model.sha256 != self._model:
            self._model = model.sha256
            with self._lock:  # in any case: without it, predictions would be taken for those of another
                self._queue.append(model)

    def _tap(self, chunk: Chunk, _arrived: float) -> None:
        """Take a chunk on the acquisition's thread: without a wait, and never raise."""
        copy = copied(chunk)  # the source may use its buffer again
        if self._put(copy, copy.samples.nbytes + sum(aux.samples.nbytes for aux in copy.aux)):
            if self._first is None:
                self._first = chunk.index
                if self._prompts is not None:
                    self._prompts.begin(chunk.index)
            self._next = chunk.index + len(chunk.samples)
            if self._cursor is not None:
                self._follow(self._cursor, self._first)
        if self._person is not None and self._prompts is not None and self._position >= self._turn:
            self._prompt(self._person, self._prompts.now.course)

    def _follow(self, cursor: FollowedCursor, first: int) -> None:
        """Write down where the cursor was, and show it to a simulated person."""
        beside = cursor.due(first, self._position)
        if beside is not None:
            self._put(beside, beside.samples.nbytes)
        if self._person is not None:
            cursor.show(self._person, self._position)

    def _prompt(self, person: SimulatedPerson, course: Course) -> None:
        """Tell a simulated person what is asked now, once for each step."""
        prompt = course.prompt(self._position)
        if prompt is None:  # it is over, or what comes next is up to whoever prompts
            label, seconds, until = None, 0.0, PAUSED_S
        else:
            label = None if prompt.label == course.plan.rest else prompt.label
            seconds = until = PAUSED_S if prompt.paused else prompt.seconds_left
        self._turn = self._position + round(until * self.header.sampling_rate)
        person.ask(label, seconds)

    def _put(self, entry: Entry, size: int) -> bool:
        with self._lock:
            fits = self._waiting + size <= MAX_WAITING
            if fits:
                self._queue.append(entry)
                self._waiting += size
        if not fits and not self._told:
            self._told = True
            log.warning("the disk is too slow for the recording %s: it will have gaps", self.header.name)
        return fits

    @property
    def _position(self) -> int:
        """Samples since the first, those lost included."""
        return 0 if self._first is None else self._next - self._first

    @property
    def over_plan(self) -> bool:
        """Whether the plan, or the cursor, has come to its end."""
        if self._cursor is not None:
            return self._cursor.over(self._position)
        return self._prompts is not None and self._prompts.now.course.over(self._position)

    def _over(self) -> bool:
        if self._asked or self._is_over_plan():
            return True
        if self._acquisition.state == "ended":
            log.info(
                "the source %s has ended, and with it the recording %s", self.header.source, self.header.name
            )
            return True
        if self.writer.bytes > MAX_BYTES:
            log.warning("the recording %s holds %d bytes, all it may: it ends", self.header.name, MAX_BYTES)
            return True
        return False

    def _is_over_plan(self) -> bool:
        """The same, and if so for good: no action is taken any more."""
        if self._prompts is None:
            return self.over_plan
        with self._lock:
            return self._prompts.close_if_over(self._position)

    def _run(self) -> None:
        error: str | None = None
        try:
            while not self._stop.wait(PERIOD_S) and not self._over():
                self._write()
            self._detach()
            self._write()
            self._write()  # what is thought of the last samples
        except OSError as reason:
            error = f"the recording cannot be written: {reason.strerror or reason}"
        except Exception:
            error = "the recording failed; the server's log has the reason"
            log.exception("the recording %s failed", self.header.name)
        finally:
            self._detach()
            self._end(error)

    def _write(self) -> None:
        with self._lock:
            entries, self._queue, self._waiting = list(self._queue), deque(), 0
            lines = [] if self._prompts is None else self._prompts.take()

        def written() -> tuple[bool, list[Asked], list[Verdict]]:
            self.writer.write_prompts(lines)  # first: what was done again is never taken for done
            self.writer.write(entries)
            verdicts = [] if self._prompts is None else self._prompts.judged(chunks_of(entries))
            return self.writer.asked_to_stop, self.writer.asked_of_prompts(), verdicts

        self._asked, asked, verdicts = self._worker.do(written)
        if self._prompts is not None:
            with self._lock:
                for verdict in verdicts:
                    self._prompts.add(verdict)
        for one in asked:
            self._answer(one)

    def _answer(self, asked: Asked) -> None:
        """Do what another process asks for; what became of it is written the next time."""
        refused = None
        try:
            self.act(asked.action, asked.index)
        except BusyError as error:
            refused = str(error)
        if self._prompts is not None:
            with self._lock:
                self._prompts.add(Answer(asked.token, refused))

    def _detach(self) -> None:
        """Hear nothing any more: no sample, no prediction, no action."""
        if self._prompts is not None:
            with self._lock:
                self._prompts.close()
        with suppress(ValueError):
            self._acquisition.taps.remove(self._tap)
        if self._person is not None and (self._prompts or self._cursor):
            self._person.ask(None, 0.0)  # nobody asks for anything any more
        leave, self._leave = self._leave, lambda: None
        leave()

    def _end(self, error: str | None) -> None:
        state = "complete" if error is None else "failed"
        if error is not None:
            log.error("the recording %s ended: %s", self.header.name, error)
        try:
            self.ended = self._worker.do(lambda: self.writer.finish(state, error))
        except Exception:
            log.exception("the recording %s could not be closed", self.header.name)
            self.ended = replace(
                self.writer.progress, state="failed", error=error or "it could not be closed"
            )
        finally:
            self._done.set()
