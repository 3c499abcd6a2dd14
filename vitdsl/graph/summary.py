"""The costs of a model as a table: a row for each stage and the head."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from vitdsl.features import Feature
from vitdsl.table import aligned
from vitdsl.units import format_count, format_macs, format_measure

if TYPE_CHECKING:
    from vitdsl.graph.costs import Analysis, StageCost

COLUMNS = ("stage", "grid", "dim", "blocks", "parameters", "MACs", "activations")
NUMBERS = COLUMNS[2:]
"""Those that are aligned on the right."""


def tokens_of(feature: Feature) -> str:
    """The tokens of a feature: `cls+14×14`, `16` for a list."""
    parts = list(feature.tokens)
    if feature.grid:
        parts.append("×".join(map(str, feature.grid)))
    elif feature.count:
        parts.append(str(feature.count))
    return "+".join(parts)


def rows_of(stages: Sequence[StageCost]) -> list[tuple[str, ...]]:
    """A row for each stage, and one for the head; outputs are named where there are several."""
    return [_row(stage) for stage in stages]


def summary_of(analysis: Analysis) -> str:
    """The table, and below it the whole model in a line."""
    outputs = format_measure(analysis.activation_bytes, "bytes")
    lines = [*aligned(COLUMNS, rows_of(analysis.stages), NUMBERS), ""]
    return "\n".join([*lines, f"{total_of(analysis)}, {outputs} of activations"])


def total_of(analysis: Analysis) -> str:
    """Parameters and multiply-adds of the whole model, in a line."""
    return f"{analysis.params:,} parameters, {format_macs(analysis.macs)}"


def _row(stage: StageCost) -> tuple[str, ...]:
    several = len(stage.outputs) > 1
    grids = [f"{name.lstrip('@')} {tokens_of(x)}" if several else tokens_of(x) for name, x in stage.outputs.items()]
    return (
        stage.path,
        ", ".join(grids),
        ", ".join(str(feature.dim) for feature in stage.outputs.values()),
        str(stage.blocks or ""),
        f"{stage.cost.params:,}",
        format_count(stage.cost.macs) if stage.cost.macs else "0",
        format_measure(stage.cost.activation_bytes, "bytes"),
    )
