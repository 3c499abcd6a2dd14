"""The next candidate: drawn in memory, feasible by its graph, and new. Nothing is built or stored before that."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from vitdsl.errors import Problem, SpecError
from vitdsl.graph.costs import Analysis
from vitdsl.search.file import COSTS, Bound
from vitdsl.search.ledger import Ledger
from vitdsl.search.samplers import Propose, parameters_of, proposals_of
from vitdsl.space.counting import logs
from vitdsl.units import format_measure

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

    from vitdsl.search.file import Search
    from vitdsl.spec import Spec

GUIDED = 100
"""After so many candidates of the sampler that were refused or known, the next ones are drawn at random."""
MUTATIONS = 5
"""So often a known candidate is mutated; samplers return to the best ones, and do not know that these are judged."""
MAX_DRAWN = 20_000
"""After so many candidates without a new one that fits, the search for one ends."""
MAX_DRAWN_OF_FEW = 300
"""The same, in a space of at most `FEW` architectures."""
FEW = 5_000
"""A space of at most so many architectures is enumerated before it counts as exhausted."""
KNOWN = "judged before"
"""The reason for a candidate that is a trial already."""
SHAPE = "shapes that do not fit"
"""The reason for a candidate whose spec is refused."""


def costs_of(analysis: Analysis) -> dict[str, float]:
    """The measures that the graph gives."""
    return {name: getattr(analysis, name) for name in COSTS}


def violation(bounds: Mapping[str, Bound], measures: Mapping[str, float]) -> str | None:
    """The first violated bound, as `params > 6M`, or None; a measure that is not known yet violates none."""
    for name, bound in bounds.items():
        value = measures.get(name)
        if value is None:
            continue
        if bound.max is not None and not value <= bound.max:
            return f"{name} > {format_measure(bound.max, name)}"
        if bound.min is not None and not value >= bound.min:
            return f"{name} < {format_measure(bound.min, name)}"
    return None


class Screen:
    """Judges candidates by their graphs, and counts refusals.

    Attributes:
        count: the number of candidates.
        refused: the number of those that were refused, by reason.
        example: the error of the first candidate whose shapes did not fit.
    """

    def __init__(self, bounds: Mapping[str, Bound]) -> None:
        self.bounds = dict(bounds)
        self.count = 0
        self.refused: Counter[str] = Counter()
        self.example: str | None = None

    def accept(self, propose: Propose) -> Spec | None:
        """The candidate that a function proposes, or None where it is refused."""
        self.count += 1
        try:
            spec = propose()
            reason = violation(self.bounds, costs_of(spec.analyze()))
        except SpecError as error:
            self.refused[SHAPE] += 1
            self.example = self.example or str(error)
            return None
        if reason is not None:
            self.refused[reason] += 1
            return None
        return spec

    def verdict(self) -> str:
        """The reasons for refusals, the most frequent first: for an error where no candidate was accepted."""
        parts = [f"{reason}: {count:,}" for reason, count in self.refused.most_common()]
        text = f"of {self.count:,} candidates none was accepted; {', '.join(parts)}"
        return f"{text}\nthe first of those whose shapes do not fit:\n{self.example}" if self.example else text


class Proposal(NamedTuple):
    """A candidate that fits and is new.

    Attributes:
        spec: its spec.
        params: its decisions, by the names of Optuna's parameters.
        distributions: their options, by the same names.
        refused: the number of candidates that were refused before it, by reason.
        system: what the sampler stores with its trial.
    """

    spec: Spec
    params: dict[str, Any]
    distributions: dict[str, BaseDistribution]
    refused: dict[str, int]
    system: dict[str, Any]

    def attributes(self) -> dict[str, Any]:
        """The user attributes of its trial."""
        return {
            "decisions": dict(self.spec.decisions or {}),
            "spec": self.spec.dump(),
            "hash": self.spec.hash,
            "measures": costs_of(self.spec.analyze()),
            "refused": self.refused,
        }


class Proposer:
    """Proposes for one worker.

    Args:
        search: the search.
        worker: the worker's name; each draws other candidates.
    """

    def __init__(self, search: Search, worker: str = "0") -> None:
        self.search, self.space, self.worker = search, search.space, worker
        self.sampler = proposals_of(search.file, search.space)
        self._fitting: list[tuple[str, dict[str, Any]]] | None = None

    def propose(self, ledger: Ledger) -> Proposal | None:
        """A candidate that fits and that no trial has, or None where there is none any more.

        Args:
            ledger: of the study's trials.

        Raises:
            SpecError: there has never been one, because the constraints or the shapes refuse everything.
        """
        rng = random.Random(f"{self.search.file.seed}/{self.worker}/{len(ledger.trials)}")
        screen = Screen(self.search.constraints)
        draw = self.sampler.begin(ledger.trials, rng)
        few = self.space.size is not None and self.space.size <= FEW
        known = 0
        while screen.count < (MAX_DRAWN_OF_FEW if few else MAX_DRAWN):
            guided = screen.count < GUIDED
            spec = screen.accept(draw if guided else lambda: self.space.sample(rng))
            mutations = MUTATIONS if guided else 0
            while spec is not None and spec.hash in ledger.known:
                known += 1
                parent, mutations = spec, mutations - 1
                spec = screen.accept(lambda parent=parent: self.space.mutate(parent, rng)) if mutations >= 0 else None
            if spec is not None:
                return self._proposal(spec, screen, known, self.sampler.attributes() if guided else {})
        spec = self._remaining(ledger, rng) if few else None
        if spec is not None:
            return self._proposal(spec, screen, known, {})
        if not known and not ledger.known:
            raise SpecError(Problem(f"nothing in the space {self.space.name} fits: {screen.verdict()}", code="E906"))
        return None

    def _proposal(self, spec: Spec, screen: Screen, known: int, system: dict[str, Any]) -> Proposal:
        refused = dict(screen.refused) | ({KNOWN: known} if known else {})
        return Proposal(spec, *parameters_of(self.space, spec), refused, system)

    def _remaining(self, ledger: Ledger, rng: random.Random) -> Spec | None:
        """One of a small space's architectures that no trial has, or None."""
        if self._fitting is None:
            screen = Screen(self.search.constraints)
            every = (entry.log for entry in logs(self.space.sites))
            specs = (screen.accept(lambda log=log: self.space.replay(log)) for log in every)
            self._fitting = [(spec.hash, dict(spec.decisions or {})) for spec in specs if spec is not None]
        remaining = [decisions for name, decisions in self._fitting if name not in ledger.known]
        return self.space.replay(rng.choice(remaining)) if remaining else None
