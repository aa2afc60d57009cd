"""What makes the frames of a group of readers, by what reads the source: a model of classes, one of values, or none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from app.serving.pipelines.model_use import ModelUse
from app.serving.streams.events import StreamOptions
from app.serving.streams.frame_context import FrameContext
from app.serving.streams.frames import FrameMaker
from app.serving.streams.group import Maker
from app.serving.streams.signal_frames import SignalFrameMaker
from app.serving.streams.value_frames import ValueFrameMaker
from app.serving.streams.value_reader import ValueReader


def maker_for(
    options: StreamOptions, use: ModelUse, context: FrameContext, gesture_names: Sequence[str]
) -> Maker:
    """Return it. `gesture_names` are those of the source's own labels."""
    if use.manifest is None or use.classifier is None or use.model is None:
        return SignalFrameMaker(options, context, use.feed.rate, gesture_names)
    options = replace(options, backend=use.model.backend(options.backend))
    if isinstance(use.classifier, ValueReader):
        return ValueFrameMaker(options, context, use.classifier, use.manifest, use.model.artefact)
    return FrameMaker(options, context, use.classifier, use.manifest, use.model.artefact)
