"""`model evaluate --unlabelled`: a session is judged after its first repetition was seen without labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from app.emg.files.recordings import Recording
from app.errors import DataError
from app.inference.artefact import Artefact
from app.inference.covariance.parameters import CovarianceParameters
from app.learning.covariance.guided_minute import blind, known_to, layout_of
from app.learning.covariance.head import Doubles, Head, Ids
from app.learning.covariance.known import head_of, is_ring, prior_of
from app.learning.covariance.own import example, own_head
from app.learning.covariance.unlabelled import Own, learn
from app.learning.covariance.windows import features_of, moments_of
from app.learning.datasets import Dataset, content_hashes, read
from app.learning.evaluation import Baseline, JudgedSet, by_set
from app.learning.metrics import Scores, confusion, summary
from app.learning.progress import Progress
from app.learning.splits import Part

OUTCOMES = ("learned", "fell back", "refused")


@dataclass(slots=True)
class Found:
    """Scores of one person, an entry a session: of the model as it is, of what it learned, and of LDA."""

    name: str
    as_it_is: list[Scores] = field(default_factory=list)
    learned: list[Scores] = field(default_factory=list)
    lda: list[Scores] = field(default_factory=list)
    outcomes: list[str] = field(default_factory=list)


def evaluate_unlabelled(
    model: Artefact,
    recordings: Sequence[Recording],
    mains: float | None,
    split: str,
    progress: Progress,
    sets: Sequence[JudgedSet] = (),
) -> dict[str, Any]:
    """Return the object that `model evaluate` reports; with `sets` the same of each, in the same run.

    With the split `person` a session is judged by weights that have not seen the person, and LDA by everybody else's
    windows. With `day` both are taught by the labels of a person's first session first, and judged on the later ones.

    Raises:
        DataError: a person has nothing to test on, or every weights file has seen one.
    """
    data = read(recordings, model.manifest, mains)
    baseline, people = Baseline(data), [Found(name) for name in data.people]
    for k in progress(range(len(recordings)), len(recordings), "evaluate"):
        _judge(_Person(model, data, k, recordings[k], mains, split), baseline, people[k])
    return {
        "model": model.manifest.name,
        "split": f"{split} unlabelled",
        "classes": list(data.classes),
        "windows": int(sum(one.confusion.sum() for person in people for one in person.learned)),
        **_figures(people),
        **by_set(sets, people, _figures),
        "chance": 1 / len(data.classes),
    }


def _figures(people: Sequence[Found]) -> dict[str, Any]:
    told = [[one.outcomes.count(outcome) for one in people] for outcome in OUTCOMES]
    return {
        **summary([(one.name, one.learned) for one in people]),
        "as_it_is": summary([(one.name, one.as_it_is) for one in people]),
        "aligned": None,
        "lda": summary([(one.name, one.lda) for one in people]) if people[0].lda else None,
        "minutes": {outcome: sum(counts) for outcome, counts in zip(OUTCOMES, told, strict=True)},
    }


class _Person:
    """What one person's sessions are judged with."""

    def __init__(
        self, model: Artefact, data: Dataset, who: int, recording: Recording, mains: float | None, split: str
    ) -> None:
        self.data, self.who, self.by_day = data, who, split == "day"
        self.rows = data.rows_of([who])
        file, known = known_to(model, content_hashes(recording).values())
        self.head, self.known = head_of(model, file), known
        projection = model.weights(file).get("project.weight")
        self.features = np.zeros((len(data.label), self.head.weight.shape[1]))
        own = _only(data, self.rows)
        self.features[self.rows] = features_of(own, model.manifest, projection)
        sessions = np.unique(data.session[self.rows])
        self.sessions: Ids = sessions[1:] if self.by_day else sessions
        if not len(self.sessions):
            raise DataError(f"{data.people[who]}: has one session only; days need two")
        self.taught_by = self.rows[data.session[self.rows] == sessions[0]] if self.by_day else self.rows[:0]
        if self.by_day:
            self._teach(model, file, projection)
        self.layout = layout_of(model, self.known)
        self.minutes = blind(model.manifest, recording, mains, _guided(recording, model.manifest.rest_class))
        self.minute_features = features_of(self.minutes, model.manifest, projection)

    def _teach(self, model: Artefact, file: str, projection: Doubles | None) -> None:
        day = _only(self.data, self.taught_by)
        parameters = CovarianceParameters.read(model.manifest.hyper_parameters)
        shown = example(day, moments_of(day, model.manifest, projection), np.arange(len(day.label)))
        every = range(len(day.classes))
        self.head = own_head(
            shown, every, parameters, prior_of(model, file), rest=day.rest, ring=is_ring(model)
        )
        self.known = Own.of_head(self.head, 1.0)

    def minute_of(self, session: int) -> Doubles:
        found: Doubles = self.minute_features[self.minutes.session == session]
        return found


def _judge(person: _Person, baseline: Baseline, found: Found) -> None:
    data = person.data
    for session in person.sessions.tolist():
        rows = person.rows[data.session[person.rows] == session]
        test = rows[data.repetition[rows] > 1]
        if not len(test):
            raise DataError(f"{found.name}, session {session}: has no windows after its first repetition")
        head, outcome = _learned(person, person.minute_of(session))
        found.outcomes.append(outcome)
        features = person.features[test]
        found.as_it_is.append(_scores(data, test, person.head.predict(features)))
        found.learned.append(_scores(data, test, head.predict(features)))
        classic = baseline.predict(Part(person.who, "", person.taught_by, test))
        if classic is not None:
            found.lda.append(_scores(data, test, classic))


def _learned(person: _Person, minute: Doubles) -> tuple[Head, str]:
    """Return the head that a minute teaches; where it is refused, the one there was."""
    try:
        found = learn(minute, person.known, person.layout)
    except DataError:
        return person.head, "refused"
    return found.head, "fell back" if found.lacking else "learned"


def _guided(recording: Recording, rest: str) -> Any:
    """Return which samples are a guided minute: the first repetitions, but for pieces in which nothing is done.

    The labels say no more than that: edges of gestures are in it as they come.
    """
    resting = recording.gesture_names.index(rest) if rest in recording.gesture_names else 0
    among = recording.repetition == 1
    for piece in recording.pieces:
        if (
            len(recording.pieces) > 1
            and (recording.label[piece] == resting).all()
            and _long(recording, piece)
        ):
            among[piece] = False
    return among


def _long(recording: Recording, piece: slice) -> bool:
    """Whether a piece of rest is a recording of its own, and no trial."""
    return bool(piece.stop - piece.start > 10 * recording.fs)


def _only(data: Dataset, rows: Ids) -> Dataset:
    """Return the dataset with those windows only."""
    columns = ("start", "first", "end", "piece", "label", "repetition", "session", "person")
    return replace(data, **{name: getattr(data, name)[rows] for name in columns})


def _scores(data: Dataset, rows: Ids, predicted: Ids) -> Scores:
    return Scores(confusion(data.label[rows], predicted, len(data.classes)), data.rest)
