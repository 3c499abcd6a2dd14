"""Models whose points can be watched, or replaced: what losses read, and where MixToken acts."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

from vitdsl.compiler.build import build, with_state
from vitdsl.compiler.model import VisionModel
from vitdsl.compiler.renewal import put_buffers, unsaved_buffers
from vitdsl.features import Feature
from vitdsl.graph.views.points import point_paths, with_points
from vitdsl.spec import Spec


class PointModule(NamedTuple):
    """A point of a model.

    Attributes:
        path: of its module, an identity that may be hooked or replaced.
        feature: what goes through it: a map (B, C, H, W) where it has a grid alone, else tokens (B, N, C).
    """

    path: str
    feature: Feature


def build_with_points(
    spec: Spec, names: Collection[str], **options: Any
) -> tuple[VisionModel, dict[str, Sequence[PointModule]]]:
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
    return made, {name: [PointModule(*each) for each in point_paths(graph, name)] for name in names}
