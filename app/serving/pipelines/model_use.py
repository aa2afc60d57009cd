"""One model on one source: the signal as it wants it, and what it finds in it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from app.emg.signal.montage import Montage
from app.emg.signal.signal_path import SignalPath
from app.errors import DataError
from app.inference.description import described_outputs
from app.inference.manifest import Manifest
from app.serving.models.open_models import OpenModel
from app.serving.profiles.profile import Profile
from app.serving.sources.signal_feed import SignalFeed
from app.serving.streams.events import ModelChange
from app.serving.streams.value_reader import ValueReader
from app.serving.streams.window_classifier import WindowClassifier


@dataclass(frozen=True, slots=True, eq=False)
class ModelUse:
    """`model` is None where none reads the source: then `feed` has the signal for the eye."""

    model: OpenModel | None
    feed: SignalFeed
    classifier: WindowClassifier | ValueReader | None
    manifest: Manifest | None  # the model's, with the decision rule of the profile where that has one
    profile: Profile | None = None  # of the person at the source

    @property
    def name(self) -> str | None:
        return None if self.model is None else self.model.name

    @property
    def montage(self) -> Montage | None:
        return self.feed.path.montage

    def change(self, from_sample: int) -> ModelChange:
        """Return what the streams are told of it."""
        if self.model is None:
            return ModelChange(timestamp=time.time(), from_sample=from_sample)
        manifest = self.model.manifest
        return ModelChange(
            timestamp=time.time(),
            from_sample=from_sample,
            model=self.model.name,
            sha256=self.model.artefact.sha256,
            classes=manifest.classes,
            rest_class=manifest.rest_class or None,
            outputs=described_outputs(manifest),
        )


def use_of(
    model: OpenModel | None,
    feed: SignalFeed,
    gesture_names: Sequence[str],
    profile: Profile | None = None,
) -> ModelUse:
    """Return a model on a feed; `gesture_names` are those of the source's labels.

    Raises:
        DataError: the profile says how gestures are decided, and the model gives values.
    """
    if model is None:
        return ModelUse(None, feed, None, None, profile)
    manifest, rule = model.manifest, None if profile is None else profile.rule
    if manifest.gives_values:
        if profile is not None and (rule is not None or profile.gesture_rules is not None):
            what = "a decision" if rule is not None else "gesture_rules"
            raise DataError(
                f"the profile {profile.name} has {what}, which is for gestures; {model.name} gives values"
            )
        reader = ValueReader(model.engine, manifest, feed.ring, gesture_names)
        return ModelUse(model, feed, reader, manifest, profile)
    manifest = manifest if rule is None else replace(manifest, decision=rule)
    if profile is not None and profile.gesture_rules is not None:
        own = profile.gesture_rules.of(manifest.classes)  # a person's other models may have others
        manifest = replace(manifest, gesture_rules=own)
    classifier = WindowClassifier(model.engine, manifest, feed.ring, gesture_names)
    return ModelUse(model, feed, classifier, manifest, profile)


def alike(path: SignalPath, other: SignalPath) -> bool:
    """Return whether two paths make the same of a source, so that one will do: as much of it, too."""
    return (
        path.sampling_rate == other.sampling_rate
        and tuple(map(dict, path.filters)) == tuple(map(dict, other.filters))
        and str(path.montage) == str(other.montage)
        and path.ring.channels == other.ring.channels
        and path.ring.max_fill == other.ring.max_fill
        and path.ring.capacity >= other.ring.capacity
    )
