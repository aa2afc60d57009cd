"""What a client says of a stream, made into one: all that can be refused is refused here, before the first byte.

The source may be read by another worker; then that says what it would refuse, in the same words.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from typing import Any

from app.api.context import named_in_body
from app.api.errors import InvalidBody
from app.api.schemas.params import StreamJob
from app.api.schemas.streaming import RULE
from app.errors import SourceNameError
from app.inference.gestures.events import GestureRuleSet, rule_set
from app.serving.fanout.asking import FieldsError
from app.serving.fanout.topic import Asked
from app.serving.pipelines.model_use import ModelUse
from app.serving.pipelines.named_models import NamedModel
from app.serving.pipelines.pipeline import SourcePipeline
from app.serving.pipelines.stream_opener import ANYBODY, Client
from app.serving.runtime import Runtime
from app.serving.streams.client_stream import Stream
from app.serving.streams.events import StreamOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenStream:
    """A stream, and what is to be called once when it is over."""

    stream: Stream
    close: Callable[[], None]
    duration_s: float | None


def open_stream(
    runtime: Runtime, source: SourcePipeline | str, job: StreamJob, client: Client = ANYBODY
) -> OpenStream:
    """Return the stream that `job` describes; of a source that another worker reads, by its name.

    Raises:
        InvalidBody: by field, what cannot be.
        MyostreamError: as `StreamOpener.open`.
    """
    duration_s = _duration_s(runtime, job)
    if isinstance(source, str):
        return _open_elsewhere(runtime, source, job, duration_s, client)
    with ExitStack() as held:
        named = _held(runtime, source, job, held)
        options = _options(runtime, source.use if named is None else named.use, job)
        frames, close_stream = runtime.streams.open(source, options, duration_s, client, named=named)
        held.callback(close_stream)
        return OpenStream(stream=frames, close=held.pop_all().close, duration_s=duration_s)


def _open_elsewhere(
    runtime: Runtime, source: str, job: StreamJob, duration_s: float | None, client: Client
) -> OpenStream:
    remote = None if runtime.sharing is None else runtime.sharing.remote_streams
    if remote is None:
        raise SourceNameError(f"no source {source!r}")
    asked = {name: value for name, value in asdict(job).items() if name not in _OWN}
    if job.gesture_rules is not None:
        asked[RULES] = job.gesture_rules.fields
    try:
        frames, close = runtime.streams.open_elsewhere(
            source,
            lambda seen: remote.join(source, asked, seen),
            job.fps,
            duration_s,
            client.hearing(job.events),
            named=job.model is not None,
        )
    except FieldsError as error:
        raise InvalidBody(error.errors) from None
    return OpenStream(stream=frames, close=close, duration_s=duration_s)


RULES = "gesture_rules"  # the one of what is asked that is no plain value
_OWN = (
    "duration_seconds",
    "source",
    "last_event_id",
)  # of one client's stream, and no part of what it is made of


def asked_elsewhere(runtime: Runtime, source: str, asked: Mapping[str, Any]) -> Asked:
    """Return what a stream of a source of this worker is made of, of which another worker has readers.

    Raises:
        SourceNameError: this worker has no such source.
        FieldsError: by field, what cannot be.
        MyostreamError: as `StreamOpener.open`.
    """
    pipeline = runtime.pipelines.find(source)
    lease = None if pipeline is None else pipeline.lease
    if pipeline is None or lease is None:
        raise SourceNameError(f"no source {source!r} at this worker")
    rules = asked.get(RULES)
    job = StreamJob(**{**asked, "source": source, RULES: None if rules is None else rule_set(rules)})
    with ExitStack() as held:
        try:
            named = _held(runtime, pipeline, job, held)
            options = _options(runtime, pipeline.use if named is None else named.use, job)
        except InvalidBody as error:
            raise FieldsError(error.errors) from None
        broadcast = pipeline.broadcast if named is None else named.broadcast
        runtime.streams.expect_group(broadcast, options)
        return Asked(
            lease=lease,
            broadcast=broadcast,
            options=options,
            model="" if named is None or named.use.model is None else named.use.model.artefact.sha256,
            release=held.pop_all().close,
        )


def _held(runtime: Runtime, pipeline: SourcePipeline, job: StreamJob, held: ExitStack) -> NamedModel | None:
    """Return the model that a stream names, on that source, until the stack is closed."""
    if job.model is None:
        return None
    with named_in_body():
        named = runtime.source_models.named(pipeline, job.model)
    held.callback(pipeline.named.leave, named)
    return named


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
