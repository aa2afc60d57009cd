"""From a source to the header of a recording of it."""

from __future__ import annotations

import re
from datetime import datetime, timezone

from app.emg.recording import folder as folders
from app.emg.recording.header import Model, RecordingHeader
from app.emg.recording.prompts.label_plan import REST, LabelPlan
from app.emg.recording.prompts.trajectory import Trajectory
from app.emg.source import Source, aux_streams, channel_names
from app.inference.manifest import Manifest
from app.serving.models.open_models import OpenModel
from app.serving.recordings.cursor import aux_stream, expect_room
from app.serving.streams.events import StreamOptions


def header_of(
    source: Source,
    now: float,
    *,
    name: str | None = None,
    subject: str | None,
    mains_hz: float | None,
    plan: LabelPlan | None,
    model: Model | None = None,
    follow: Trajectory | None = None,
) -> RecordingHeader:
    """Of a recording of that source which begins now (Unix s); without a name it is called by time and source.

    Raises:
        DataError: a recording may not be called that, or the source has a stream of the cursor's name.
    """
    aux = aux_streams(source)
    if follow is not None:
        expect_room(aux)
        aux = (*aux, aux_stream(follow, source.sampling_rate))
    return RecordingHeader(
        name=_stamped(source.name, now) if name is None else folders.check_name(name),
        source=source.name,
        subject=subject,
        started_at=now,
        sampling_rate=source.sampling_rate,
        channels=source.channels,
        units=source.units,
        gesture_names=tuple(source.gesture_names),
        mains_hz=mains_hz,
        model=model,
        plan=plan,
        channel_names=_own_names(source),
        aux=aux,
    )


def _own_names(source: Source) -> tuple[str, ...]:
    """Return the names that the device itself gives its channels; empty where it gives none."""
    names = channel_names(source)
    return () if names == tuple(f"ch{k}" for k in range(1, source.channels + 1)) else names


def _stamped(source: str, now: float) -> str:
    stamp = datetime.fromtimestamp(now, timezone.utc).strftime("%Y%m%d-%H%M%S")
    slug = re.sub(r"[^A-Za-z0-9]+", "-", source).strip("-")[:32]
    return f"{stamp}-{slug}".rstrip("-")


def rest_of(manifest: Manifest | None) -> str:
    """Return what rest is called in a plan, where that model reads the source."""
    return (manifest.rest_class if manifest is not None else "") or REST


def model_of(model: OpenModel | None, options: StreamOptions) -> Model | None:
    """Return what a header says of the model that reads the source when a recording begins."""
    if model is None:
        return None
    return Model(
        name=model.name,
        version=model.manifest.version,
        sha256=model.artefact.sha256,
        classes=model.manifest.classes,
        values=model.manifest.columns if model.manifest.gives_values else (),
        backend=model.backend(options.backend),
        fps=options.fps,
    )
