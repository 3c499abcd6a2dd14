"""Multiply-adds: what every other proxy has to beat."""

from __future__ import annotations

from vitdsl.compiler.model import VisionModel
from vitdsl.graph.costs import Analysis
from vitdsl.search.proxies.base import Batch, graph_of


def macs(model: VisionModel, batch: Batch) -> float:
    """Multiply-adds for one image of the size that the model was built for, exact from the graph."""
    return float(Analysis(graph_of(model)).macs)
