"""What draws candidates: random, evolution, or a sampler of Optuna; and decisions as Optuna's parameters."""

from __future__ import annotations

import random
import warnings
from collections.abc import Callable, Sequence
from decimal import Decimal
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from vitdsl.errors import Problem, SpecError
from vitdsl.fields.types import Positive, Rate
from vitdsl.parts.base import Fields
from vitdsl.search.results import dominates, gains
from vitdsl.space import Choice
from vitdsl.syntax.holes import Numbers

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial

    from vitdsl.search.file import SearchFile
    from vitdsl.space.space import Space
    from vitdsl.spec import Spec

Propose = Callable[[], "Spec"]
"""Gives a candidate, or raises SpecError where its decisions do not fit."""
MAX_CATEGORIES = 10_000
"""Options of one decision that Optuna is given as categories."""


# ---------------------------------------------------------------- fields of search files


class Random(Fields):
    """Draws every decision at random."""

    type: Literal["random"] = "random"


class NSGA2(Fields):
    """Optuna's NSGA-II.

    Attributes:
        population_size: candidates of a generation.
        mutation_prob: probability that a decision is mutated; by default 1 / decisions.
        crossover_prob: probability that two parents are crossed.
        swapping_prob: probability that a decision is that of the second parent.
    """

    type: Literal["nsga2"] = "nsga2"
    population_size: Annotated[int, Field(ge=2)] = 20
    mutation_prob: Rate | None = None
    crossover_prob: Rate = 0.9
    swapping_prob: Rate = 0.5


class TPE(Fields):
    """Optuna's tree-structured Parzen estimator.

    Attributes:
        n_startup_trials: so many candidates are drawn at random first.
        n_ei_candidates: draws of which the most promising is taken.
        multivariate: whether decisions are drawn together.
        group: whether decisions that depend on others are drawn in groups; with `multivariate`.
    """

    type: Literal["tpe"] = "tpe"
    n_startup_trials: Positive = 10
    n_ei_candidates: Positive = 24
    multivariate: bool = False
    group: bool = False


class Evolution(Fields):
    """Regularized evolution (Real et al., 2019) with steps that know the spec.

    Of the newest `population` candidates, `sample` are drawn. The best of these has a child: with the probability
    `mutation` by mutation, else by crossover with the second best.

    Attributes:
        population: the newest candidates, of which parents are drawn.
        sample: how many of these are drawn.
        mutation: probability of a mutation; else two are crossed.
    """

    type: Literal["evolution"] = "evolution"
    population: Annotated[int, Field(ge=2)] = 20
    sample: Annotated[int, Field(ge=2)] = 5
    mutation: Rate = 0.8


SAMPLERS: dict[str, type[Fields]] = {"random": Random, "nsga2": NSGA2, "tpe": TPE, "evolution": Evolution}


# ---------------------------------------------------------------- proposals


class RandomProposals:
    """Draws every decision at random."""

    def __init__(self, space: Space) -> None:
        self.space = space

    def begin(self, trials: Sequence[FrozenTrial], rng: random.Random) -> Propose:
        """Gives a function that draws candidates, with regard to these trials."""
        return lambda: self.space.sample(rng)

    def attributes(self) -> dict[str, Any]:
        """What the sampler stores with the trial of the last candidate."""
        return {}


class EvolutionProposals(RandomProposals):
    """Regularized evolution: children of the best in a sample of the newest candidates."""

    def __init__(self, space: Space, file: SearchFile) -> None:
        super().__init__(space)
        self.settings, self.directions = file.sampler, tuple(file.objectives.values())

    def begin(self, trials: Sequence[FrozenTrial], rng: random.Random) -> Propose:
        """At random, until there is a whole population; then by mutation and crossover."""
        complete = [trial for trial in trials if trial.state.name == "COMPLETE"]
        newest = complete[-self.settings.population :]
        if len(newest) < self.settings.population:
            return super().begin(trials, rng)
        return lambda: self._child(newest, rng)

    def _child(self, population: list[FrozenTrial], rng: random.Random) -> Spec:
        sample = rng.sample(population, min(self.settings.sample, len(population)))
        values = {trial.number: gains(trial.values, self.directions) for trial in sample}
        # how many are better: with one objective a rank, with several the distance from the front
        order = {
            number: (sum(dominates(other, own) for other in values.values()), rng.random())
            for number, own in values.items()
        }
        best, second = sorted(sample, key=lambda trial: order[trial.number])[:2]
        if rng.random() < self.settings.mutation:
            return self.space.mutate(best.user_attrs["decisions"], rng)
        return self.space.crossover(best.user_attrs["decisions"], second.user_attrs["decisions"], rng)


class OptunaProposals(RandomProposals):
    """A sampler of Optuna, which is asked in a study in memory with a copy of every finished trial."""

    MAX_ASKED = 2_000
    """After so many questions the copy is made anew, since refused candidates stay in it."""

    def __init__(self, space: Space, file: SearchFile) -> None:
        super().__init__(space)
        self.file = file
        self.asked = self.MAX_ASKED

    def begin(self, trials: Sequence[FrozenTrial], rng: random.Random) -> Propose:
        """Copies the newly finished trials, and asks Optuna's sampler."""
        import optuna

        if self.asked >= self.MAX_ASKED:
            self.study = optuna.create_study(directions=list(self.file.objectives.values()))
            self.copied: set[int] = set()
            self.asked = 0
        self.study.sampler = _sampler(self.file.sampler, rng.randrange(2**32))
        for trial in trials:
            if trial.state.name in ("COMPLETE", "PRUNED") and trial.number not in self.copied:
                self.copied.add(trial.number)
                self.study.add_trial(trial)
        return self._ask

    def _ask(self) -> Spec:
        from optuna.trial import TrialState

        trial = self.study.ask()
        self.asked += 1
        try:
            return self.space.walk(lambda choice: _suggest(trial, choice))
        finally:
            self.last = self.study.tell(trial, state=TrialState.FAIL).system_attrs

    def attributes(self) -> dict[str, Any]:
        """The generation of NSGA-II, which finds the parents of the next one by it."""
        return dict(self.last)


def proposals_of(file: SearchFile, space: Space) -> RandomProposals:
    """What draws candidates for a search file."""
    if file.sampler.type == "evolution":
        return EvolutionProposals(space, file)
    return RandomProposals(space) if file.sampler.type == "random" else OptunaProposals(space, file)


def _sampler(settings: Any, seed: int) -> Any:
    import optuna

    fields = {name: value for name, value in vars(settings).items() if name != "type"}
    if settings.type == "nsga2":
        return optuna.samplers.NSGAIISampler(seed=seed, **fields)
    # Optuna groups decisions only where it looks at them together
    fields["multivariate"] = fields["multivariate"] or fields["group"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return optuna.samplers.TPESampler(seed=seed, **fields)


# ---------------------------------------------------------------- decisions as Optuna's parameters


def parameters_of(space: Space, spec: Spec) -> tuple[dict[str, Any], dict[str, BaseDistribution]]:
    """The decisions of a spec as parameters, and their distributions."""
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

    grid = _grid(choice)
    if grid is None:
        return CategoricalDistribution(_categories(choice))
    low, high, step = grid
    return IntDistribution(low, high, step=step) if _whole(choice) else FloatDistribution(low, high, step=step)


def _categories(choice: Choice) -> tuple[Any, ...]:
    """All options, as Optuna takes categories.

    Raises:
        SpecError: there are too many.
    """
    if len(choice.options) > MAX_CATEGORIES:
        message = f"{choice.path} has {len(choice.options):,} numbers, and Optuna takes at most {MAX_CATEGORIES:,}"
        hint = "a larger step makes the range shorter, or its ends and its step can be whole numbers"
        raise SpecError(Problem(message, choice.path, hint=hint, code="E917"))
    return tuple(choice.options)


def _whole(choice: Choice) -> bool:
    options = choice.options
    return options.whole if isinstance(options, Numbers) else all(type(option) is int for option in options)


def _grid(choice: Choice) -> tuple[Any, Any, Any] | None:
    """The ends and the step of evenly spaced numbers, else None."""
    options = choice.options
    if not choice.ordered or len(options) < 2:
        return None
    step = round(options[1] - options[0], 12)
    if isinstance(options, Numbers):
        step = options.step if options.whole else step
    elif step <= 0 or any(abs(after - before - step) > 1e-9 for before, after in pairwise(options)):
        return None
    # Optuna computes with the decimals as written, and would move an end that is no whole number of steps away
    low, high, width = (Decimal(str(number)) for number in (options[0], options[-1], step))
    return (options[0], options[-1], step) if (high - low) % width == 0 else None


def _suggest(trial: Any, choice: Choice) -> Any:
    grid = _grid(choice)
    if grid is None:
        return trial.suggest_categorical(choice.key, _categories(choice))
    low, high, step = grid
    suggest: Callable[..., float] = trial.suggest_int if _whole(choice) else trial.suggest_float
    value = suggest(choice.key, low, high, step=step)
    # the sampler's number differs from the option's by rounding
    return choice.options[min(max(round((value - low) / step), 0), len(choice.options) - 1)]
