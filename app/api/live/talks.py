"""What a client comes to a live socket for: to push a source, to listen to one, or to have its windows predicted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from typing import Any

import numpy as np

from app.api.codec.decoding import as_windows, expect_shape
from app.api.codec.live_samples import HEADER, read_header, read_pushed, read_values
from app.api.codec.responses import infer_answer
from app.api.context import named_in_body
from app.api.errors import InvalidBody
from app.api.live import events
from app.api.live import framing as ws
from app.api.live.heard_sources import HeardSource, OwnSource
from app.api.live.roles import RefusedError
from app.api.live.writer import LiveWriter
from app.api.open_stream import OpenStream
from app.api.schemas.live import DEFAULT_SENT
from app.api.schemas.params import InferJob, LiveJob, StreamJob
from app.api.sse import events as sse
from app.emg.pushed_source import PushSource
from app.errors import BusyError, DataError, SourceNameError
from app.inference.values import Values
from app.serving.pipelines.pipeline import SourcePipeline
from app.serving.pipelines.stream_opener import Client
from app.serving.runtime import Runtime
from app.serving.streams.client_stream import Stream


class Listening:
    """Hears the stream of a source, and no more."""

    @property
    def owes(self) -> bool:
        return False

    def __init__(self, source: HeardSource, job: LiveJob, writer: LiveWriter, caller: str) -> None:
        """Open the stream that `job` asks for; the writer takes its events as soon as it is drawn from.

        Raises:
            InvalidBody, MyostreamError: as `open_stream`.
        """
        self._heard, self._job = source, job
        self._opened: OpenStream | None = None
        self._quality: tuple[bool, Any] | None = None
        writer.send_what, writer.binary = job.send, job.format == "binary"
        if job.listens:
            place = sse.place_of(job.stream.last_event_id)
            client = Client(place=place, writer=writer, caller=caller, counted=True)
            self._opened = source.open(job.stream, client)

    @property
    def stream(self) -> Stream | None:
        return None if self._opened is None else self._opened.stream

    @property
    def over(self) -> str | None:
        return self._heard.over

    def hello(self) -> dict[str, Any]:
        return {**self._heard.greeting(), "send": sorted(self._job.send), "format": self._job.format}

    def take(self, _message: bytes, /) -> None:
        raise DataError("this socket only tells; samples go to GET /emg/sources/<name>/live")

    def acknowledge(self) -> bytes | None:
        return None

    def quality(self) -> dict[str, Any] | None:
        if "quality" not in self._job.send:
            return None
        quality = self._heard.quality()
        if quality is None:
            return None
        problems = [(one["channel"], *one["problems"]) for one in quality["channels"] if not one["ok"]]
        if self._quality == (quality["ok"], problems):
            return None
        self._quality = quality["ok"], problems
        return quality

    def close(self) -> None:
        if self._opened is not None:
            self._opened.close()


class Pushing(Listening):
    """Brings the samples of a source, and hears what is made of them."""

    def __init__(
        self, runtime: Runtime, pipeline: SourcePipeline, job: LiveJob, writer: LiveWriter, caller: str
    ) -> None:
        """As `Listening`.

        Raises:
            BusyError: the source is the server's own.
        """
        if not isinstance(pipeline.source, PushSource):
            raise BusyError(
                f"the source {pipeline.name} is the server's own; clients push to those they declared"
            )
        self._runtime, self._pipeline = runtime, pipeline
        self._source, self._scale = pipeline.source, job.scale
        self._received = self._duplicates = self._lost = 0
        self._came = False
        super().__init__(OwnSource(runtime, pipeline), job, writer, caller)

    def take(self, message: bytes, /) -> None:
        if self._pipeline.moved:
            raise RefusedError(ws.RESTART, "another worker has the source: come back")
        if self._runtime.pipelines.find(self._pipeline.name) is not self._pipeline:
            raise SourceNameError(
                f"no source {self._pipeline.name!r} any more: it has ended; declare it again"
            )
        source = self._source
        pushed = read_pushed(message, source.channels, source.aux_streams, self._scale)
        receipt = source.push(pushed.first_sample, pushed.samples, pushed.aux)
        self._received += receipt.accepted
        self._duplicates += receipt.duplicates
        self._lost += receipt.lost_samples
        self._came = True

    def acknowledge(self) -> bytes | None:
        if not self._came:
            return None
        answer = events.acknowledged(self._source.next_sample, self._received, self._duplicates, self._lost)
        self._received = self._duplicates = self._lost = 0
        self._came = False
        return answer


class Predicting:
    """Has a client's own windows predicted, message by message."""

    stream: Stream | None = None
    over: str | None = None
    owes = False

    def __init__(
        self, runtime: Runtime, job: LiveJob, writer: LiveWriter, wanted: Callable[[], bool]
    ) -> None:
        """`wanted` is asked, before a window's turn has come, whether the client is still there.

        Raises:
            InvalidBody: the windows are not the model's, or something of a stream is asked for with them.
            MyostreamError: the model cannot be opened.
        """
        assert job.windows is not None
        _expect_windows_alone(job)
        self._runtime, self._writer, self._wanted = runtime, writer, wanted
        self._job: InferJob = job.windows
        self._backend, self._binary, self._scale = job.stream.backend, job.format == "binary", job.scale
        if self._job.model is None:
            _ = runtime.manifest  # without a model of the server's own, what to do is said
        with named_in_body():
            self._model = runtime.open_models.hold(self._job.model) if self._job.model is not None else None
        try:
            self._manifest = runtime.manifest if self._model is None else self._model.manifest
            expect_shape(self._job, self._manifest, own=True)
        except BaseException:
            self.close()
            raise

    def hello(self) -> dict[str, Any]:
        manifest = self._manifest
        return {
            "source": None,
            "channels": manifest.channels,
            "length": self._job.length or manifest.length,
            "sampling_rate_hz": manifest.sampling_rate,
            "units": manifest.units,
            "next_sample": None,
            "model": manifest.name,
            "classes": None if manifest.gives_values else list(manifest.classes),
            "format": "binary" if self._binary else "json",
        }

    def take(self, message: bytes, /) -> None:
        header = read_header(message)
        if header.aux:
            raise DataError("windows have no auxiliary blocks")
        manifest, most = self._manifest, self._runtime.settings.max_batch
        length = self._job.length or manifest.length
        size = {1: 4, 2: 2, 3: 3}[header.form] * header.number * length * manifest.channels
        if header.number > most:
            raise DataError(f"a message has at most {most} windows (EMG_MAX_BATCH), got {header.number}")
        if len(message) != HEADER.size + size:
            raise DataError(
                f"{header.number} windows of {length} x {manifest.channels} in format {header.form} are {size} bytes "
                f"after the header, got {len(message) - HEADER.size}"
            )
        values = read_values(message[HEADER.size :], header.form, self._scale)
        windows = as_windows(values.reshape(-1, length, manifest.channels), self._job, manifest, most)
        engine = self._runtime.engine if self._model is None else self._model.engine
        answer = engine.infer(
            windows, preprocess=self._job.preprocess, backend=self._backend, wanted=self._wanted
        )
        self._runtime.engine.thread.breathe()
        told = answer.told
        if self._binary and not isinstance(told, Values):
            pairs = zip(told.prediction.tolist(), told.confidence.astype(np.float64).tolist(), strict=True)
            for place, (prediction, confidence) in enumerate(pairs):
                record = events.window_record(header.first, place, prediction, confidence, answer.latency_ms)
                self._writer.say(record)
            return
        fields = infer_answer(answer, manifest, self._runtime.cpu.percent)
        self._writer.say(ws.frame(ws.TEXT, b'{"type":"prediction","id":%d,%b' % (header.first, fields[1:])))

    def acknowledge(self) -> bytes | None:
        return None

    def quality(self) -> dict[str, Any] | None:
        return None

    def close(self) -> None:
        if self._model is not None:
            self._runtime.open_models.release(self._model)
            self._model = None


def _expect_windows_alone(job: LiveJob) -> None:
    if job.stream.source is not None:
        raise InvalidBody({"source": ["your own windows come from no source; leave one of the two out"]})
    plain = StreamJob(backend=job.stream.backend)
    lost = [one.name for one in fields(plain) if getattr(job.stream, one.name) != getattr(plain, one.name)]
    lost += ["send"] if job.send and job.send != DEFAULT_SENT else []
    if lost:
        raise InvalidBody({name: ["is of a stream; your own windows get predictions alone"] for name in lost})
