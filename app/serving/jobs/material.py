"""What a training is made of, looked at before it begins: which recordings there are, and whether they fit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from app.emg.recording import folder as folders
from app.emg.recording.contents import opened
from app.emg.recording.header import RecordingHeader
from app.emg.signal.rates import same_rate
from app.errors import DataError, RecordingNameError
from app.inference.manifest import Manifest
from app.serving.jobs.job import TrainingRequest, failure_of


class TrainingFieldError(DataError):
    """What a client asks for cannot be; `field` says which part of it, `failure` why, where programs can tell."""

    def __init__(self, field: str, reason: str, failure: Mapping[str, Any] | None = None) -> None:
        super().__init__(f"{field}: {reason}")
        self.field, self.reason, self.failure = field, reason, failure


def expect_material(root: Path, asked: TrainingRequest, base: Manifest | None) -> None:
    """See that the recordings are there, and can teach such a model. It blocks.

    Raises:
        TrainingFieldError: names the field and says what is wrong with it.
    """
    if asked.values is not None:
        _expect_no_gestures(asked)
    if asked.unlabelled:
        _expect_base_alone(asked, base)
    seconds: Counter[str] = Counter()
    headers = []
    for name in asked.recordings:
        header, shown = _recording(root, name)
        headers.append(header)
        seconds.update(shown)
    _expect_alike(headers, base)
    if asked.values is not None:
        _expect_followed(asked.values, headers)
        return
    if asked.unlabelled:
        return
    if not seconds:
        raise TrainingFieldError(
            "recordings",
            f"{', '.join(asked.recordings)}: no labels; a model learns from what names its gestures",
            failure_of("no_labels", recording=", ".join(asked.recordings)),
        )
    if len(seconds) < 2:
        only = next(iter(seconds))
        raise TrainingFieldError(
            "recordings",
            f"they show nothing but {only}; a model needs rest and at least one gesture",
            failure_of("nothing_else", gesture=only),
        )
    _expect_names(asked, list(seconds), base)


def _expect_base_alone(asked: TrainingRequest, base: Manifest | None) -> None:
    """See that there is a model whose gestures the signal can show, and that nothing is said of their names."""
    if base is None:
        raise TrainingFieldError(
            "base", "a signal without labels says how a model is worn now; name one that knows the gestures"
        )
    if asked.classes:
        raise TrainingFieldError("classes", "nothing is called otherwise where no label is looked at")


def _expect_no_gestures(asked: TrainingRequest) -> None:
    """See that nothing is said of gestures, and no model named to begin with."""
    if asked.base is not None:
        raise TrainingFieldError("base", "values are learned from nothing; leave it out")
    if asked.unlabelled:
        raise TrainingFieldError("unlabelled", "is for gestures, and values have none; leave it out")
    if asked.classes:
        raise TrainingFieldError("classes", "is for gestures, and values have none; leave it out")


def _expect_followed(stream: str, headers: Sequence[RecordingHeader]) -> None:
    """See that each recording has that stream beside its EMG."""
    for one in headers:
        names = [aux.name for aux in one.aux]
        if stream not in names:
            held = ", ".join(names) or "nothing"
            raise TrainingFieldError("values", f"{one.name} has no {stream} beside its EMG; it has {held}")


def _recording(root: Path, name: str) -> tuple[RecordingHeader, dict[str, int]]:
    """Return what a recording says of itself, and how many samples each gesture has."""
    try:
        progress = folders.read_end(root, name) if name in folders.names(root) else None
        header = folders.read_header(root, name)
        if progress is None or not progress.over:
            raise TrainingFieldError(
                "recordings",
                f"{name} is still being recorded; stop it first",
                failure_of("still_recorded", recording=name),
            )
        with opened(root, name) as held:
            return header, {label: count for label, count in held.labelled_samples().items() if count}
    except RecordingNameError:
        raise TrainingFieldError(
            "recordings",
            f"no recording {name!r}; GET /emg/recordings has those there are",
            failure_of("recording_gone", recording=name),
        ) from None
    except TrainingFieldError:
        raise
    except DataError as error:
        raise TrainingFieldError("recordings", str(error), failure_of("damaged", recording=name)) from None


def _expect_alike(headers: Sequence[RecordingHeader], base: Manifest | None) -> None:
    first = headers[0]
    for one in headers[1:]:
        if one.channels != first.channels:
            raise TrainingFieldError(
                "recordings",
                f"{one.name} has {one.channels} channels, {first.name} has {first.channels}; "
                "one model takes recordings of one device",
                failure_of("other_device", recordings=[first.name, one.name]),
            )
    if base is None:
        return
    for one in headers:
        if one.channels != base.channels or not same_rate(one.sampling_rate, base.sampling_rate):
            raise TrainingFieldError(
                "recordings",
                f"{one.name} has {one.channels} channels at {one.sampling_rate:g} Hz, and the model {base.name} reads "
                f"{base.channels} at {base.sampling_rate:g} Hz",
                failure_of("other_electrodes", recording=one.name, model=base.name),
            )


def _expect_names(asked: TrainingRequest, shown: Sequence[str], base: Manifest | None) -> None:
    known = list(dict.fromkeys([*shown, *(() if base is None else base.classes)]))
    unknown = [name for name in asked.classes if name not in known]
    if unknown:
        raise TrainingFieldError(
            "classes", f"no gesture is called {unknown[0]}; there are {', '.join(known)}"
        )
    called = [asked.classes.get(name, name) for name in known]
    if len(set(called)) < len(called):
        raise TrainingFieldError("classes", f"two gestures would have one name: {', '.join(called)}")
