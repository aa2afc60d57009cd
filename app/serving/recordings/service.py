"""The recordings of this server: started, stopped, listed, exported and deleted; all below one folder."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import BinaryIO

from app.emg.recording import folder as folders
from app.emg.recording.folder import LOG
from app.emg.recording.header import RecordingHeader
from app.emg.recording.progress import RecordingProgress
from app.emg.recording.prompts import prompt_log
from app.emg.recording.prompts.label_plan import LabelPlan
from app.emg.recording.prompts.prompt_log import Answer
from app.emg.recording.prompts.step_judge import StepJudge
from app.emg.recording.prompts.trajectory import Trajectory
from app.emg.recording.writer import RecordingWriter, expect_over, is_being_written, recover, running
from app.errors import BusyError, DataError, NotReadyError, RecordingNameError, no_descriptor
from app.serving.pipelines.pipeline import SourcePipeline
from app.serving.process.offload import BlockingWorker
from app.serving.recordings.cursor import FollowedCursor
from app.serving.recordings.export_folder import clear_exports
from app.serving.recordings.exports import exported
from app.serving.recordings.file_imports import FileImports
from app.serving.recordings.headers import header_of, model_of
from app.serving.recordings.info import RecordingInfo, state_of, unreadable
from app.serving.recordings.session import STOP_S, RecordingSession
from app.serving.streams.events import StreamOptions

log = logging.getLogger(__name__)

FPS = 30.0  # predictions recorded a second, where the source has as many samples
STOP_POLL_S = 0.05  # how often a recording is looked at that another worker is to stop


class RecordingService:
    """Records sources into `root`, one recording a source at a time. It touches nothing outside of it.

    Predictions are those of whichever model reads the source. `backend` is that on which streams run that name none;
    empty where there is no model.
    """

    def __init__(
        self,
        root: Path,
        backend: Callable[[], str] = str,
        mains_hz: float | None = None,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.root, self._backend, self._mains, self._wall = root, backend, mains_hz, wall
        self._sessions: dict[
            str, RecordingSession
        ] = {}  # those running, and those whose end the disk could not take
        self._lock = threading.Lock()
        self.imports = FileImports(root)
        self._writing, self._reading, self._exporting = BlockingWorker(), BlockingWorker(), BlockingWorker()

    def open(self) -> None:
        """Look for recordings that a killed server has left behind; what it had written is theirs.

        Exports that it was writing are deleted.
        """
        try:
            clear_exports(self.root)
        except OSError as error:
            log.warning("the exports left in %s cannot be deleted: %s", self.root, error)
        try:
            names = folders.names(self.root)
        except OSError as error:
            log.warning("the recordings in %s cannot be looked at: %s", self.root, error)
            return
        for name in names:
            try:
                progress = folders.read_end(self.root, name)
                if progress is None or not progress.over:
                    recover(self.root, name)
            except (DataError, OSError) as error:
                log.warning("the recording %s cannot be looked at: %s", name, error)

    def start(
        self,
        pipeline: SourcePipeline,
        name: str | None = None,
        subject: str | None = None,
        plan: LabelPlan | None = None,
        follow: Trajectory | None = None,
    ) -> RecordingInfo:
        """Begin to record; the first sample is the next that arrives. It ends with the plan, or with what is followed.

        Raises:
            DataError: a recording may not be called that, or the source has a stream of the cursor's name.
            BusyError: the source is being recorded, or there is a recording of that name.
            NotReadyError: the source has ended, or the disk does not take it.
        """
        if pipeline.acquisition.state == "ended":
            raise NotReadyError(f"the source {pipeline.name} has ended; there is nothing to record")
        with self._lock:
            self._forget()
            options = StreamOptions(fps=min(FPS, pipeline.frame_rate_limit), backend=self._backend())
            writer = self._begin(
                self._header(pipeline, name, subject, plan, options, follow), chosen=name is not None
            )
            header = writer.header
            judge = StepJudge(header.channels, header.sampling_rate, self._mains)
            cursor = None
            if follow is not None:
                cursor = FollowedCursor(follow, header.sampling_rate, len(header.aux) - 1)
            session = RecordingSession(writer, pipeline.acquisition, self._writing, judge, cursor=cursor)
            self._sessions[writer.header.name] = session
            reader = pipeline.broadcast.join(options)  # without a model, too: it may get one
            reader.listen(session.hear)
            session.also_hear(reader.close)
            session.start()
        log.info("recording %s of %s began", writer.header.name, pipeline.name)
        return self._live(session)

    def stop(self, name: str) -> RecordingInfo:
        """End a recording and wait until all of it is on the disk; one that has ended stays as it is.

        Raises:
            RecordingNameError: there is none of that name.
        """
        session = self._sessions.get(folders.check_name(name))
        if session is not None:
            session.stop()
        elif not self.state(name).over:  # another worker writes it
            self._reading.do(lambda: folders.ask_to_stop(self.root, name))
            ends = time.monotonic() + STOP_S
            while not self.state(name).over and time.monotonic() < ends:
                time.sleep(STOP_POLL_S)
        return self.state(name)

    def prompt(self, name: str, action: str, index: int | None = None) -> RecordingInfo:
        """Pause or resume the prompts, have something done again, or skip it; return the recording after that.

        Raises:
            RecordingNameError: there is none of that name.
            BusyError: it has no plan, is over, or the action makes no sense now.
        """
        session = self._sessions.get(folders.check_name(name))
        if session is not None:
            session.act(action, index)
            return self.state(name)
        if self.state(name).over:
            raise BusyError(f"the recording {name} is over; nothing is prompted")
        token = self._reading.do(
            lambda: prompt_log.ask(self.root, name, action, index)
        )  # another worker writes it
        ends = time.monotonic() + STOP_S
        while (answer := self._reading.do(partial(self._answer, name, token))) is None:
            if time.monotonic() > ends:
                raise BusyError(f"the recording {name} does not answer; it may have ended just now")
            time.sleep(STOP_POLL_S)
        if answer.refused is not None:
            raise BusyError(answer.refused)
        return self.state(name)

    def _answer(self, name: str, token: str) -> Answer | None:
        header = folders.read_header(self.root, name)
        prompts = prompt_log.read(self.root, header)
        if prompts is None:
            raise BusyError(f"the recording {name} has no plan; nothing is prompted")
        return prompts.answers.get(token)

    def state(self, name: str, whole: bool = True) -> RecordingInfo:
        """Return a look at one recording; without `repetitions` where it is not to be `whole`.

        Raises:
            RecordingNameError: there is none of that name.
            DataError: it is damaged.
            OSError: no descriptor is left.
        """
        session = self._sessions.get(folders.check_name(name))
        if session is not None:
            return self._live(session, whole)
        try:
            return self._reading.do(lambda: self._on_disk(name, whole))
        except OSError as error:
            if no_descriptor(error):
                raise
            raise DataError(f"the recording {name} cannot be read: {error.strerror or error}") from None

    def states(self) -> list[RecordingInfo]:
        """All recordings, the newest first."""
        names = self._reading.do(lambda: folders.names(self.root))
        found = []
        for name in names:
            try:
                found.append(self.state(name, whole=False))
            except RecordingNameError:  # deleted meanwhile
                continue
            except DataError as error:
                if not self._reading.do(partial(self._passing, name)):
                    found.append(unreadable(name, str(error)))
        return sorted(found, key=lambda state: (state.started_at, state.name), reverse=True)

    def export(self, name: str, form: str) -> tuple[BinaryIO, int]:
        """Return the recording in that form of FORMATS, as a file that is gone once it is closed, and its bytes.

        Raises:
            RecordingNameError: there is none of that name.
            BusyError: it is still being written.
            DataError: it holds no sample, or is nothing that this form can hold.
            NotReadyError: the disk does not take the file.
        """
        folders.check_name(name)
        try:
            file, size = self._exporting.do(lambda: exported(self.root, name, form))
        except OSError as error:
            raise NotReadyError(f"{name} cannot be exported: {error.strerror or error}") from None
        file.seek(0)
        return file, size

    def remove(self, name: str) -> None:
        """Delete a recording for good.

        Raises:
            RecordingNameError: there is none of that name.
            BusyError: it is still being written.
            NotReadyError: it may not be deleted.
        """

        def gone() -> None:
            expect_over(self.root, name)
            folders.remove(self.root, name)

        folders.check_name(name)
        try:
            self._reading.do(gone)
        except OSError as error:
            raise NotReadyError(f"{name} cannot be deleted: {error.strerror or error}") from None
        self._sessions.pop(name, None)
        log.info("recording %s was deleted", name)

    def close(self) -> None:
        """End all recordings; all of them are on the disk when this returns."""
        for session in list(self._sessions.values()):
            session.stop()
        self.imports.close()
        for worker in (self._writing, self._reading, self._exporting):
            worker.close()

    def _forget(self) -> None:
        """Those whose end is on the disk."""
        for name, session in list(self._sessions.items()):
            if session.ended is not None and session.ended.state == "complete":
                del self._sessions[name]

    def _header(
        self,
        pipeline: SourcePipeline,
        name: str | None,
        subject: str | None,
        plan: LabelPlan | None,
        options: StreamOptions,
        follow: Trajectory | None,
    ) -> RecordingHeader:
        return header_of(
            pipeline.source,
            self._wall(),
            name=name,
            subject=subject,
            mains_hz=self._mains,
            plan=plan,
            model=model_of(pipeline.use.model, options),
            follow=follow,
        )

    def _begin(self, header: RecordingHeader, chosen: bool) -> RecordingWriter:
        def begun() -> RecordingWriter:
            with folders.beginning(self.root):
                other = running(self.root, header.source)
                if other is not None:
                    raise BusyError(
                        f"the source {header.source} is being recorded as {other}; stop that first"
                    )
                return RecordingWriter(self.root, header)

        try:
            return self._writing.do(begun)
        except FileExistsError:
            if chosen:
                raise BusyError(
                    f"there is a recording {header.name} already; choose another name or delete it"
                ) from None
            again = replace(header, name=f"{header.name}-{time.time_ns() % 10**6:06d}")
            return self._begin(again, chosen=True)
        except OSError as error:
            raise NotReadyError(f"the recording cannot be written: {error.strerror or error}") from None

    def _passing(self, name: str) -> bool:
        """Whether it lacks its header because it is being begun, or deleted, at this moment."""
        if folders.has_header(self.root, name):
            return False
        return is_being_written(self.root, name) or name not in folders.names(self.root)

    def _live(self, session: RecordingSession, whole: bool = True) -> RecordingInfo:
        ended = session.ended
        state = state_of(session.header, ended or session.writer.progress, session.writer.bytes)
        asked = session.repetitions if whole else None
        prompt = session.prompt if ended is None else None
        return replace(state, prompt=prompt, cursor=session.cursor, repetitions=asked)

    def _on_disk(self, name: str, whole: bool) -> RecordingInfo:
        header = folders.read_header(self.root, name)
        progress = folders.read_end(self.root, name)
        if progress is None or not progress.over:
            # None: another process writes it, and may have said more meanwhile
            progress = recover(self.root, name) or folders.read_end(self.root, name) or RecordingProgress()
        with folders.open_file(self.root, name, LOG):  # without its log it is damaged, whatever is said of it
            pass
        state = state_of(header, progress, folders.size(self.root, name))
        asked = prompt_log.read(self.root, header) if whole or not progress.over else None
        if asked is None:
            return replace(state, repetitions=() if whole else None)
        return replace(
            state,
            prompt=None if progress.over else asked.course.prompt(progress.position),
            repetitions=asked.repetitions(progress.position) if whole else None,
        )
