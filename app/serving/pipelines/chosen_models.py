"""Which model somebody chose for each source, and which ones before it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from app.serving.counters.shared_swap import Chosen, Pick

MOST = 1024  # sources whose models are remembered


class ChosenModels:
    """What was chosen, by the source's name; whoever changes it is alone in that.

    `known` is what there is to begin with, `kept` what was written before this start and is of no account in it;
    `keep` writes both down.
    """

    def __init__(
        self,
        known: Mapping[str, Chosen],
        kept: Mapping[str, Chosen],
        keep: Callable[[Mapping[str, Chosen]], None],
    ) -> None:
        self._chosen, self._kept, self._keep = dict(known), dict(kept), keep

    def all(self) -> Mapping[str, Chosen]:
        """Return all, those longest ago first."""
        return self._chosen

    def of(self, source: str) -> Chosen | None:
        """Return what somebody chose for a source of that name; None where nobody did."""
        return self._chosen.get(source)

    def before(self, source: str) -> tuple[Pick, ...]:
        """Return what can be gone back to, the newest last."""
        found = self._chosen.get(source)
        return () if found is None else found.before

    def with_one(self, source: str, chosen: Chosen) -> dict[str, Chosen]:
        """Return all, with that for one source."""
        others = {name: one for name, one in self._chosen.items() if name != source}
        while len(others) >= MOST:  # clients may think out any number of names
            others.pop(next(iter(others)))
        return {**others, source: chosen}

    def remember(self, source: str, chosen: Chosen) -> None:
        """Have that chosen for a source, and write it down."""
        self._chosen = self.with_one(source, chosen)
        self._keep({**self._kept, **self._chosen})

    def learn(self, all_of_them: Mapping[str, Chosen]) -> None:
        """Take over what another worker has written down."""
        self._chosen = dict(all_of_them)
