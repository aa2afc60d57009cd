"""A covariance model as `model evaluate` judges it: features once, then heads in closed form."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from app.errors import DataError
from app.inference.artefact import Artefact
from app.inference.covariance.features import of_moments
from app.inference.covariance.parameters import CovarianceParameters
from app.learning.covariance.head import Head, Ids
from app.learning.covariance.known import PRIOR, head_of, is_ring, prior_of
from app.learning.covariance.own import example, own_head
from app.learning.covariance.pooled import Pool, pool_of
from app.learning.covariance.prior import Prior
from app.learning.covariance.windows import moments_of
from app.learning.datasets import Dataset
from app.learning.memory import weights_for
from app.learning.splits import Part


def is_covariance(model: Artefact) -> bool:
    """Return whether the model is one of those that are judged here."""
    return model.manifest.architecture == "covariance"


class CovarianceJudge:
    """Heads for the parts of a dataset, each of weights and a prior that have not seen the person."""

    def __init__(self, model: Artefact, data: Dataset) -> None:
        self._model, self._data = model, data
        self._parameters = CovarianceParameters.read(model.manifest.hyper_parameters)
        projection = model.weights().get("project.weight")
        self._moments = moments_of(data, model.manifest, projection)
        self._features = of_moments(self._moments, self._parameters)
        self._known: dict[str, tuple[Head, Prior | None]] = {}
        self._chance: Pool | None = None  # made when it is first wanted

    def predict(self, part: Part) -> Ids:
        """Return the class of each test window, by the head that the training windows teach, if there are any."""
        head, prior = self._unseen_by(part.person)
        if len(part.train):
            head = self._taught(part, prior)
        return head.predict(self._features[part.test])

    def taught(self, part: Part) -> Head:
        """Return the head that the part's training windows teach, without a temperature."""
        return self._taught(part, self._unseen_by(part.person)[1])

    def aligned(self, part: Part) -> Ids | None:
        """Not looked at here: a guided minute without labels has its own protocol."""
        del part
        return None

    def shuffled(self, part: Part) -> Ids | None:
        """Return the same where the labels that teach are shuffled: chance, and what a protocol gives away.

        Without training windows everybody else in the dataset teaches, as for the baseline.
        """
        if not len(part.train):
            return self._shuffled_pool(part)
        return self.taught_by_chance(part).predict(self._features[part.test])

    def taught_by_chance(self, part: Part) -> Head:
        """Return the head that the part's training windows teach under shuffled labels, without a temperature."""
        _, prior = self._unseen_by(part.person)
        label, chance = self._data.label.copy(), np.random.default_rng(part.person)
        label[part.train] = chance.permutation(label[part.train])
        return self._taught(part, prior, replace(self._data, label=label))

    def _taught(self, part: Part, prior: Prior | None, data: Dataset | None = None) -> Head:
        data = data or self._data
        shown = example(data, self._moments, part.train)
        every = range(len(data.classes))
        return own_head(shown, every, self._parameters, prior, rest=data.rest, ring=is_ring(self._model))

    def _shuffled_pool(self, part: Part) -> Ids | None:
        """Return the classes by a pool of the others whose labels were shuffled, each session's among itself."""
        data = self._data
        if len(data.people) < 3:  # of two the other alone is no pool
            return None
        try:
            self._chance = self._chance or self._pool_by_chance()
            head = self._chance.without([part.person]).head()
        except DataError:
            return None
        return head.predict(self._features[part.test])

    def _pool_by_chance(self) -> Pool:
        data, chance = self._data, np.random.default_rng(0)
        label = data.label.copy()
        for who, session in np.unique(np.stack([data.person, data.session], 1), axis=0).tolist():
            rows = np.flatnonzero((data.person == who) & (data.session == session))
            label[rows] = chance.permutation(label[rows])
        shuffled = replace(data, label=label)
        return pool_of(shuffled, self._features, self._model.manifest, ring=is_ring(self._model))

    def _unseen_by(self, person: int) -> tuple[Head, Prior | None]:
        file = weights_for(self._model, self._data.hashes[person].values())
        if file not in self._known:
            prior = prior_of(self._model, file) if PRIOR in self._model.manifest.files else None
            self._known[file] = head_of(self._model, file), prior
        return self._known[file]
