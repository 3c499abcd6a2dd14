"""`--weights`, `--layout`, `--base`, `--partial` and `--channels`: whose weights a model gets."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import typer

if TYPE_CHECKING:
    from vitdsl.compiler.model import VisionModel
    from vitdsl.spec import Spec


class Loading(NamedTuple):
    """What the options say.

    Attributes:
        weights: a file, or the name of a layout in which published weights are known.
        layout: whose names the weights have.
        partial: whether what fits is taken of another spec's.
        channels: how the first convolution is fitted.
        base: the shipped spec that the weights are for, where the spec does not say it.
    """

    weights: Path | None
    layout: str | None = None
    partial: bool = False
    channels: str | None = None
    base: str | None = None


def check_weights(given: Loading) -> None:
    """Refuses what says something of weights where there are none, or contradicts itself."""
    from vitdsl.checkpoints.transfer import CHANNELS

    said = {
        "--layout": given.layout is not None,
        "--partial": given.partial,
        "--channels": given.channels is not None,
        "--base": given.base is not None,
    }
    for option, there in said.items():
        if there and given.weights is None:
            raise typer.BadParameter("it says how --weights are read, but there is no --weights", param_hint=option)
    if given.channels is not None and given.channels not in CHANNELS:
        raise typer.BadParameter(f"'{given.channels}' is not one of {', '.join(CHANNELS)}", param_hint="--channels")
    if given.weights is not None and named(given.weights) and given.layout not in (None, str(given.weights)):
        raise typer.BadParameter(f"the {given.weights} weights have the layout {given.weights}", param_hint="--layout")


def named(weights: Path) -> bool:
    """Whether it is no file, but the name of weights that are published."""
    from vitdsl.checkpoints.sources import LAYOUTS

    return str(weights) in LAYOUTS


def load_named(model: VisionModel, weights: Path, given: Loading) -> dict[str, str]:
    """Fills a model, downloading the weights where they are named; says what was done.

    Raises:
        CheckpointError: they cannot be had, or do not fit.
    """
    from vitdsl.api import load_weights

    done: dict[str, str] = {}
    layout = given.layout
    if named(weights):
        layout = str(weights)
        weights, done["fetched"] = _fetched(model.spec, layout, given.base)
    done["weights"] = str(load_weights(model, weights, layout, given.partial, given.channels, given.base))
    return done


def _fetched(spec: Spec, layout: str, base: str | None) -> tuple[Path, str]:
    from vitdsl.checkpoints.sources import fetch, source_of
    from vitdsl.resolve.files import shipped

    near = next((name for name in spec.names if (shipped() / f"{name}.yaml").is_file()), spec.name)
    return fetch(source_of(base or near, layout))
