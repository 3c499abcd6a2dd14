"""Models whose points can be watched, or replaced: what losses read, and where MixToken acts."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from vitdsl.compiler.build import build, with_state
from vitdsl.compiler.model import VisionModel
from vitdsl.compiler.renewal import put_buffers, unsaved_buffers
from vitdsl.graph.views.points import PointModule, point_modules, with_points
from vitdsl.spec import Spec


def build_with_points(
    spec: Spec, names: Collection[str], **options: Any
) -> tuple[VisionModel, dict[str, list[PointModule]]]:
    """A model as `build` makes it, with a module at each point of some names; keys and weights are those of `build`.

    Args:
        spec: what is built.
        names: of points.
        options: of `build`.

    Returns:
        The model, and by name the modules of its points, one for each repetition, in order.
    """
    model = build(spec, **options)
    graph = with_points(model.lowered, names)
    made = with_state(model, graph, model.state_dict(), folded=False)
    put_buffers(made, unsaved_buffers(model))
    return made, {name: point_modules(graph, name) for name in names}
