"""What a client says of a stream, made into one: all that can be refused is refused here, before the first byte."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from app.api.context import named_in_body
from app.api.errors import InvalidBody
from app.api.schemas.params import StreamJob
from app.api.schemas.streaming import RULE
from app.inference.gesture_events import GestureRuleSet
from app.serving.pipelines.model_use import ModelUse
from app.serving.pipelines.pipeline import SourcePipeline
from app.serving.runtime import Runtime
from app.serving.streams.client_stream import EventWriter, Stream, StreamCursor
from app.serving.streams.events import StreamOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenStream:
    """A stream, and what is to be called once when it is over."""

    stream: Stream
    close: Callable[[], None]
    duration_s: float | None


def open_stream(
    runtime: Runtime,
    pipeline: SourcePipeline,
    job: StreamJob,
    *,
    place: StreamCursor | None = None,
    writer: EventWriter | None = None,
    writable: Callable[[], bool] = lambda: True,
    caller: str = "",
    counted: bool = False,
) -> OpenStream:
    """Return the stream that `job` describes; `place` is where it was when its connection was cut.

    `counted`: the caller's connection counts as a stream already.

    Raises:
        InvalidBody: by field, what cannot be.
        MyostreamError: as `StreamOpener.open`.
    """
    duration_s = _duration_s(runtime, job)
    named = None
    if job.model is not None:
        with named_in_body():
            named = runtime.source_models.named(pipeline, job.model)
    with ExitStack() as held:
        if named is not None:
            held.callback(pipeline.named.leave, named)
        options = _options(runtime, pipeline.use if named is None else named.use, job)
        frames, close_stream = runtime.streams.open(
            pipeline,
            options,
            duration_s,
            named=named,
            place=place,
            writer=writer,
            writable=writable,
            caller=caller,
            counted=counted,
        )
        held.callback(close_stream)
        return OpenStream(stream=frames, close=held.pop_all().close, duration_s=duration_s)


def _duration_s(runtime: Runtime, job: StreamJob) -> float | None:
    most, asked = runtime.settings.max_duration_s, job.duration_seconds
    if most is not None and asked is not None and asked > most:
        raise InvalidBody(
            {"duration_seconds": [f"must be at most EMG_MAX_DURATION, {most:g} s, got {asked:g}"]}
        )
    return most if asked is None else asked


def _options(runtime: Runtime, use: ModelUse, job: StreamJob) -> StreamOptions:
    rate, most = use.feed.rate, runtime.settings.max_fps  # a frame ends with a sample
    if job.fps > most:
        raise InvalidBody({"fps": [f"must be at most EMG_MAX_FPS, {most:g}, got {job.fps:g}"]})
    if job.fps > rate:
        raise InvalidBody({"fps": [f"must be at most the sampling rate, {rate:g} Hz, got {job.fps:g}"]})
    if use.manifest is not None and use.manifest.gives_values:
        _expect_no_rule(job, use.manifest.name)
    elif use.manifest is not None and job.gesture_rules is not None:
        _expect_classes(job.gesture_rules, use.manifest.classes)
    # the rest is kept without a model too: a source that one reads may be chosen while the stream runs
    engine = runtime.engine if use.model is None else use.model.engine
    named = job.backend if use.model is not None else None
    return StreamOptions(
        fps=job.fps,
        backend=engine.backends.for_stream(named, job.use_tensorrt),
        preprocess=job.preprocess,
        votes=job.votes,
        min_confidence=job.min_confidence,
        enter=job.enter,
        leave=job.leave,
        change=job.change,
        include_signal=job.include_signal,
        include_aux=job.include_aux,
        events=job.events,
        gesture_rules=job.gesture_rules if job.events else None,
    )


def _expect_classes(rules: GestureRuleSet, classes: Sequence[str]) -> None:
    """See that the rules of gestures are of some that the model knows."""
    for name in rules.overrides:
        if name not in classes:
            why = f"classes has {name[:40]!r}; the model's are {', '.join(classes[:20])}"
            raise InvalidBody({"gesture_rules": [why]})


def _expect_no_rule(job: StreamJob, model: str) -> None:
    """See that nobody asks how gestures are to be decided of a model that gives values."""
    usual = StreamJob(votes=1 if job.votes is not None else None)
    asked = [name for name in RULE if getattr(job, name) != getattr(usual, name)]
    if asked or job.votes is not None:
        why = f"is for gestures, and {model} gives values: leave it out"
        raise InvalidBody({name: [why] for name in asked or ["votes"]})
