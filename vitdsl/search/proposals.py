"""What is judged next: proposed in memory, screened, and new."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from decimal import Decimal
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

from vitdsl.errors import Problem, SpecError
from vitdsl.search.ledger import Ledger
from vitdsl.search.results import dominates
from vitdsl.search.screening import Propose, Screen, costs_of
from vitdsl.space import Choice
from vitdsl.space.counting import logs
from vitdsl.syntax.holes import Numbers

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial

    from vitdsl.search.file import Search, SearchFile
    from vitdsl.space.space import Space
    from vitdsl.spec import Spec

GUIDED = 100
"""After so many candidates of the sampler that were refused or known, the next ones are drawn by lot."""
STEPS = 5
"""A candidate that is known is mutated so often; samplers come back to the best, and do not know that it is done."""
TRIES = 20_000
"""After so many candidates, nothing that is new and fits is looked for any more."""
FEW = 300
"""So many candidates are looked at in a space that is small enough to be gone through."""
LISTED = 5_000
"""A space with so many architectures or fewer is gone through one by one, before it is said that nothing is left."""
MOST_LISTED = 10_000
"""Options of one decision that Optuna is given as categories."""
KNOWN = "judged before"
"""The reason for a candidate that is a trial already."""


class Proposal(NamedTuple):
    """A candidate that fits and is new.

    Attributes:
        spec: its spec.
        params: its decisions, by the names that Optuna knows them by.
        distributions: what could have been decided, by the same names.
        refused: how many candidates were refused on the way to it, by reason.
        system: what Optuna's sampler noted of it.
    """

    spec: Spec
    params: dict[str, Any]
    distributions: dict[str, BaseDistribution]
    refused: dict[str, int]
    system: dict[str, Any]

    def attributes(self) -> dict[str, Any]:
        """What its trial says of it."""
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
        self.guide = guide_of(search.file, search.space)
        self._fitting: list[tuple[str, dict[str, Any]]] | None = None

    def propose(self, ledger: Ledger) -> Proposal | None:
        """A candidate that fits and that no trial has, or None where there is none any more.

        Args:
            ledger: what the trials say.

        Raises:
            SpecError: there has never been one, because the constraints or the shapes refuse everything.
        """
        rng = random.Random(f"{self.search.file.seed}/{self.worker}/{len(ledger.trials)}")
        screen = Screen(self.search.constraints)
        guided = self.guide.begin(ledger.trials, rng)
        few = self.space.size is not None and self.space.size <= LISTED
        known = 0
        while screen.seen < (FEW if few else TRIES):
            by_guide = screen.seen < GUIDED
            spec = screen.accept(guided if by_guide else lambda: self.space.sample(rng))
            steps = STEPS if by_guide else 0
            while spec is not None and spec.hash in ledger.known:
                known += 1
                parent, steps = spec, steps - 1
                spec = screen.accept(lambda parent=parent: self.space.mutate(parent, rng)) if steps >= 0 else None
            if spec is not None:
                return self._made(spec, screen, known, self.guide.noted() if by_guide else {})
        spec = self._left(ledger, rng) if few else None
        if spec is not None:
            return self._made(spec, screen, known, {})
        if not known and not ledger.known:
            raise SpecError(Problem(f"nothing in the space {self.space.name} fits: {screen.verdict()}"))
        return None

    def _made(self, spec: Spec, screen: Screen, known: int, noted: dict[str, Any]) -> Proposal:
        params, distributions = recorded(self.space, spec)
        refused = dict(screen.refused) | ({KNOWN: known} if known else {})
        return Proposal(spec, params, distributions, refused, noted)

    def _left(self, ledger: Ledger, rng: random.Random) -> Spec | None:
        """One of a small space's architectures that no trial has, or None."""
        if self._fitting is None:
            screen = Screen(self.search.constraints)
            every = (made.log for made in logs(self.space.sites))
            found = (screen.accept(lambda log=log: self.space.replay(log)) for log in every)
            self._fitting = [(spec.hash, dict(spec.decisions or {})) for spec in found if spec is not None]
        left = [decisions for name, decisions in self._fitting if name not in ledger.known]
        return self.space.replay(rng.choice(left)) if left else None


# ---------------------------------------------------------------- samplers


class ByLot:
    """Every decision by lot."""

    def __init__(self, space: Space) -> None:
        self.space = space

    def begin(self, trials: Sequence[FrozenTrial], rng: random.Random) -> Propose:
        """Gives what draws candidates, after what was found so far."""
        return lambda: self.space.sample(rng)

    def noted(self) -> dict[str, Any]:
        """What is to be kept with the last candidate, for later ones."""
        return {}


class ByEvolution(ByLot):
    """Regularized evolution: children of the best of a few of the newest."""

    def __init__(self, space: Space, file: SearchFile) -> None:
        super().__init__(space)
        self.settings = file.sampler
        self.signs = [1 if direction == "maximize" else -1 for direction in file.objectives.values()]

    def begin(self, trials: Sequence[FrozenTrial], rng: random.Random) -> Propose:
        """By lot, until there is a whole population; then by mutation and crossover."""
        complete = [trial for trial in trials if trial.state.name == "COMPLETE"]
        newest = complete[-self.settings.population :]
        if len(newest) < self.settings.population:
            return super().begin(trials, rng)
        return lambda: self._child(newest, rng)

    def _child(self, population: list[FrozenTrial], rng: random.Random) -> Spec:
        few = rng.sample(population, min(self.settings.sample, len(population)))
        values = {trial.number: [s * v for s, v in zip(self.signs, trial.values, strict=True)] for trial in few}
        # how many are better: with one objective a rank, with several how far from the front
        order = {
            number: (sum(dominates(other, mine) for other in values.values()), rng.random())
            for number, mine in values.items()
        }
        best, second = sorted(few, key=lambda trial: order[trial.number])[:2]
        if rng.random() < self.settings.mutation:
            return self.space.mutate(best.user_attrs["decisions"], rng)
        return self.space.crossover(best.user_attrs["decisions"], second.user_attrs["decisions"], rng)


class ByOptuna(ByLot):
    """A sampler of Optuna's, asked on a study in memory that mirrors what was found."""

    REMADE = 2_000
    """After so many questions the mirror is made anew: what was asked and refused stays in it."""

    def __init__(self, space: Space, file: SearchFile) -> None:
        super().__init__(space)
        self.file = file
        self.asked = self.REMADE

    def begin(self, trials: Sequence[FrozenTrial], rng: random.Random) -> Propose:
        """Asks Optuna's sampler, which knows every finished trial."""
        import optuna

        if self.asked >= self.REMADE:
            self.study = optuna.create_study(directions=list(self.file.objectives.values()))
            self.mirrored: set[int] = set()
            self.asked = 0
        self.study.sampler = _sampler(self.file.sampler, rng.randrange(2**32))
        for trial in trials:
            if trial.state.name in ("COMPLETE", "PRUNED") and trial.number not in self.mirrored:
                self.mirrored.add(trial.number)
                self.study.add_trial(trial)
        return self._ask

    def _ask(self) -> Spec:
        from optuna.trial import TrialState

        trial = self.study.ask()
        self.asked += 1
        try:
            return self.space.walk(lambda choice: _suggested(trial, choice))
        finally:
            self.last = self.study.tell(trial, state=TrialState.FAIL).system_attrs

    def noted(self) -> dict[str, Any]:
        """The generation of NSGA-II, by which it finds the parents of the next one."""
        return dict(self.last)


def guide_of(file: SearchFile, space: Space) -> ByLot:
    """What proposes candidates, as the search file says."""
    if file.sampler.type == "evolution":
        return ByEvolution(space, file)
    return ByLot(space) if file.sampler.type == "random" else ByOptuna(space, file)


def _sampler(settings: Any, seed: int) -> Any:
    import warnings

    import optuna

    given = {name: value for name, value in vars(settings).items() if name != "type"}
    if settings.type == "nsga2":
        return optuna.samplers.NSGAIISampler(seed=seed, **given)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        # Optuna groups only what it looks at together
        return optuna.samplers.TPESampler(
            seed=seed, **given | {"multivariate": given["multivariate"] or given["group"]}
        )


# ---------------------------------------------------------------- decisions as Optuna's parameters


def recorded(space: Space, spec: Spec) -> tuple[dict[str, Any], dict[str, BaseDistribution]]:
    """The decisions of a spec as parameters, and what could have been decided."""
    params: dict[str, Any] = {}
    distributions: dict[str, BaseDistribution] = {}
    decisions = spec.decisions or {}

    def choose(choice: Choice) -> Any:
        params[choice.key] = decisions[choice.path]
        distributions[choice.key] = distribution_of(choice)
        return decisions[choice.path]

    space.decide(choose)
    return params, distributions


def distribution_of(choice: Choice) -> BaseDistribution:
    """Evenly spaced numbers as a range, so that samplers know their order; others as categories."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    grid = _even(choice)
    if grid is None:
        return CategoricalDistribution(listed(choice))
    low, high, step = grid
    return IntDistribution(low, high, step=step) if _whole(choice) else FloatDistribution(low, high, step=step)


def listed(choice: Choice) -> tuple[Any, ...]:
    """The options as Optuna takes categories: all of them, so that there cannot be too many.

    Raises:
        SpecError: there are.
    """
    if len(choice.options) > MOST_LISTED:
        message = f"{choice.path} has {len(choice.options):,} numbers, and Optuna takes at most {MOST_LISTED:,}"
        hint = "a larger step makes the range shorter, or its ends and its step can be whole numbers"
        raise SpecError(Problem(message, choice.path, hint=hint))
    return tuple(choice.options)


def _whole(choice: Choice) -> bool:
    options = choice.options
    return options.whole if isinstance(options, Numbers) else all(type(option) is int for option in options)


def _even(choice: Choice) -> tuple[Any, Any, Any] | None:
    options = choice.options
    if not choice.ordered or len(options) < 2:
        return None
    step = round(options[1] - options[0], 12)
    if isinstance(options, Numbers):
        step = options.step if options.whole else step
    elif step <= 0 or any(abs(after - before - step) > 1e-9 for before, after in pairwise(options)):
        return None
    # Optuna reads the numbers as they are written, and would move an end that no whole number of steps reaches
    low, high, width = (Decimal(str(number)) for number in (options[0], options[-1], step))
    return (options[0], options[-1], step) if (high - low) % width == 0 else None


def _suggested(trial: Any, choice: Choice) -> Any:
    grid = _even(choice)
    if grid is None:
        return trial.suggest_categorical(choice.key, listed(choice))
    low, high, step = grid
    suggest: Callable[..., float] = trial.suggest_int if _whole(choice) else trial.suggest_float
    value = suggest(choice.key, low, high, step=step)
    # the sampler's number is the option's but for rounding
    return choice.options[min(max(round((value - low) / step), 0), len(choice.options) - 1)]
