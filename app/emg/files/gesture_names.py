"""What the numbers of a recording mean that names no gestures: one rule, live and for `model evaluate`."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace

from app.emg.files.recordings import Recording, numbered

log = logging.getLogger(__name__)


def only_numbered(recording: Recording) -> bool:
    """Whether the labels of a recording are numbers without names."""
    return recording.gesture_names == numbered(len(recording.gesture_names) - 1)


def with_class_names(
    recordings: Sequence[Recording], classes: Sequence[str], rest_class: str
) -> tuple[Recording, ...]:
    """Return the recordings; numbers without names become the model's classes where there are as many of them.

    The numbers of all files are counted together, so that they play as one; what has no gesture at all, fits. With
    another number of gestures, or a model whose class 0 is not rest, the numbers can mean something else, and stay.
    Which it is, is logged.
    """
    nameless = [recording for recording in recordings if only_numbered(recording)]
    if not nameless:
        return tuple(recordings)
    names = numbered(max(len(recording.gesture_names) for recording in nameless) - 1)
    gestures = len(names) > 1
    fits = classes[0] == rest_class and (not gestures or len(names) == len(classes))
    if fits:
        names = tuple(classes)
    if gestures:
        _say(nameless, names, fits)
    return tuple(
        replace(recording, gesture_names=names) if only_numbered(recording) else recording
        for recording in recordings
    )


def _say(nameless: Sequence[Recording], names: Sequence[str], fits: bool) -> None:
    meaning = "taken as the model's classes" if fits else "not the model's classes, and stay"
    for recording in nameless:
        log.warning("%s names no gestures; 0, 1, ... are %s: %s", recording.name, meaning, ", ".join(names))
