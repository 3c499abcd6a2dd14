"""The pruners of search files, and their counterparts in Optuna."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from vitdsl.fields.types import Positive
from vitdsl.parts.base import Fields

if TYPE_CHECKING:
    from optuna.pruners import BasePruner


class NoPruner(Fields):
    """Every candidate goes through all rungs."""

    type: Literal["none"] = "none"


class Median(Fields):
    """Optuna's median pruner.

    Attributes:
        n_startup_trials: so many candidates are not stopped.
        n_warmup_steps: so many rungs stop no candidate.
        measure: what is compared; by default the objective.
    """

    type: Literal["median"] = "median"
    n_startup_trials: Annotated[int, Field(ge=0)] = 5
    n_warmup_steps: Annotated[int, Field(ge=0)] = 0
    measure: str | None = None


class Halving(Fields):
    """Optuna's asynchronous successive halving.

    Attributes:
        min_resource: resource of the first rung.
        reduction_factor: of so many candidates one goes on to the next rung.
        min_early_stopping_rate: by so many powers of the factor the first rung has more.
        measure: what is compared; by default the objective.
    """

    type: Literal["halving"] = "halving"
    min_resource: Positive = 1
    reduction_factor: Annotated[int, Field(ge=2)] = 3
    min_early_stopping_rate: Annotated[int, Field(ge=0)] = 0
    measure: str | None = None


class Hyperband(Fields):
    """Optuna's Hyperband.

    Attributes:
        min_resource: resource of the first rung.
        reduction_factor: of so many candidates one goes on to the next rung.
        measure: what is compared; by default the objective.
    """

    type: Literal["hyperband"] = "hyperband"
    min_resource: Positive = 1
    reduction_factor: Annotated[int, Field(ge=2)] = 3
    measure: str | None = None


PRUNERS: dict[str, type[Fields]] = {"none": NoPruner, "median": Median, "halving": Halving, "hyperband": Hyperband}


def pruner_of(settings: Any, rungs: int) -> BasePruner:
    """Optuna's pruner, with a rung of its own for each of the search."""
    from optuna import pruners

    if settings.type == "median":
        return pruners.MedianPruner(settings.n_startup_trials, settings.n_warmup_steps)
    if settings.type == "halving":
        return pruners.SuccessiveHalvingPruner(
            settings.min_resource, settings.reduction_factor, settings.min_early_stopping_rate
        )
    if settings.type == "hyperband":
        highest = settings.min_resource * settings.reduction_factor ** max(0, rungs - 1)
        return pruners.HyperbandPruner(settings.min_resource, highest, settings.reduction_factor)
    return pruners.NopPruner()


def step_of(settings: Any, rung: int) -> int:
    """The step of a rung for the pruner: its number, or its resource in successive halving."""
    if settings.type not in ("halving", "hyperband"):
        return rung
    early = getattr(settings, "min_early_stopping_rate", 0)
    return settings.min_resource * settings.reduction_factor ** (early + rung)
