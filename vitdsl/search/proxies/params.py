"""Number of parameters: what every other proxy has to beat."""

from __future__ import annotations

from vitdsl.compiler.model import VisionModel
from vitdsl.graph.costs import Analysis
from vitdsl.search.proxies.base import Batch, graph_of


def params(model: VisionModel, batch: Batch) -> float:
    """Parameters, and the fixed tables that checkpoints hold, exact from the graph."""
    return float(Analysis(graph_of(model)).params)
