"""What models that build upon this one ask of it: the features that the head starts from, and maps between blocks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from vitdsl.compiler.base import CompiledModel
from vitdsl.compiler.forwards import IMAGE, write_rest, write_values
from vitdsl.compiler.module import function_of, written_below
from vitdsl.compiler.sizes import ImageModel
from vitdsl.compiler.statements import Forward
from vitdsl.graph.graph import Graph
from vitdsl.graph.image_grids import on_image
from vitdsl.graph.ir import Call, Frame, Node, joined
from vitdsl.graph.views.blocks import BlockMap, open_blocks
from vitdsl.graph.views.head import find_classifiers, split_head

Features = Tensor | dict[str, Tensor]


def forward_features(model: ImageModel, x: Tensor) -> Features:
    """See `VisionModel.forward_features`."""
    model.enter(x)
    split = split_head(model.lowered)
    forward = forward_over(model, "features", write_values, split.body, IMAGE, [*split.features.values()])
    return _by_name(split.features, forward(model, x))


def forward_head(model: CompiledModel, x: Features, pre_logits: bool) -> Any:
    """See `VisionModel.forward_head`."""
    split = split_head(model.lowered)
    inputs = [x[name] for name in split.features] if isinstance(x, Mapping) else [x] * len(split.features)
    if not pre_logits:
        forward = forward_over(model, "head", write_rest, split.head, split.features, model.training_outputs)
        return forward(model, *inputs)
    found = find_classifiers(split.head, model.spec.model.classes)
    entering = [*found.entering.values()]
    forward = forward_over(model, "pre_logits", write_values, found.head, split.features, entering)
    return _by_name(found.entering, forward(model, *inputs))


def forward_intermediates(
    model: ImageModel,
    x: Tensor,
    indices: int | Sequence[int] | None,
    norm: bool,
    stop_early: bool,
    output_fmt: str,
    intermediates_only: bool,
) -> list[Tensor] | tuple[Features, list[Tensor]]:
    """See `VisionModel.forward_intermediates`."""
    if output_fmt not in ("NCHW", "NLC"):
        raise ValueError(f"`output_fmt` must be NCHW or NLC, but is {output_fmt!r}")
    if stop_early and not intermediates_only:
        raise ValueError("`stop_early` leaves no features to return: it needs `intermediates_only`")
    model.enter(x)
    graph, points = _image_maps(model.lowered)
    points = [points[index] for index in _select(indices, len(points))]
    last = _last_norm(model, points) if norm else None
    split = split_head(graph)
    numbers = [point.grid for point in points] + [point.whole for point in points if norm]
    numbers += [] if intermediates_only else split.features.values()
    values = forward_over(model, tuple(numbers), write_values, split.body, IMAGE, numbers)(model, x)
    maps = values[: len(points)]
    if last is not None:
        maps = [_normalize(last, *each) for each in zip(maps, values[len(points) : 2 * len(points)], strict=True)]
    if output_fmt == "NLC":
        maps = [each.flatten(2).transpose(1, 2) for each in maps]
    if intermediates_only:
        return maps
    return _by_name(split.features, values[-len(split.features) :]), maps


def feature_info(model: CompiledModel) -> list[dict[str, Any]]:
    """See `VisionModel.feature_info`."""
    return [
        {"num_chs": point.feature.dim, "reduction": _reduction(model.image_size, point), "module": point.path}
        for point in _image_maps(model.lowered)[1]
    ]


def num_features(model: CompiledModel) -> int:
    """See `VisionModel.num_features`."""
    split = split_head(model.lowered)
    return sum(split.body.frame.features[number].dim for number in set(split.features.values()))


def forward_over(model: CompiledModel, key: Any, write: Callable[..., Forward], *arguments: Any) -> Callable[..., Any]:
    """A forward over the model's own modules. It is generated once for each key."""
    if key not in model.forwards:
        model.forwards[key] = function_of(write(written_below(model.written), *arguments), model)
    return model.forwards[key]


def _by_name(numbers: Mapping[str, int], values: Sequence[Tensor]) -> Any:
    """The value, where all have one number; else a dict of them."""
    return values[0] if len(set(numbers.values())) == 1 else dict(zip(numbers, values, strict=True))


# ---------------------------------------------------------------- maps between blocks


def _image_maps(graph: Graph) -> tuple[Graph, list[BlockMap]]:
    """The graph opened between its blocks, and the maps of the image: all of a single grid, else the last of each."""
    opened, points = open_blocks(graph)
    there = on_image(opened.frame)
    points = [point for point in points if point.grid in there]
    grids = dict.fromkeys(point.feature.grid for point in points)
    if len(grids) > 1:
        points = [[point for point in points if point.feature.grid == grid][-1] for grid in grids]
    return opened, points


def _select(indices: int | Sequence[int] | None, count: int) -> list[int]:
    """The indexes that a caller asks for, counted from 0."""
    wanted = range(count) if indices is None else range(-indices, 0) if isinstance(indices, int) else indices
    found = [index + count if index < 0 else index for index in wanted]
    if not found or not all(0 <= index < count for index in found):
        raise ValueError(f"`indices` must name some of the {count} maps of this model, but is {indices}")
    return found


def _last_norm(model: CompiledModel, points: Sequence[BlockMap]) -> nn.Module:
    """The norm behind all blocks, which is as wide as these maps."""
    path, dim = "", 0
    for step in model.lowered.frame.steps:
        inner = step.frames[0] if isinstance(step, Call) else Frame()
        for node in inner.steps:
            if isinstance(node, Node) and node.path == "norm" and node.op.family == "norm":
                path, dim = joined(step.path, node.path), inner.features[node.output].dim
    for point in points:
        if point.feature.dim != dim:
            there = f"one of {dim} channels" if path else "none"
            message = f"`norm` needs a last norm of {point.feature.dim} channels, but this model has {there}"
            raise ValueError(message)
    return model.get_submodule(path)


def _normalize(norm: nn.Module, grid: Tensor, whole: Tensor) -> Tensor:
    """A map after a norm that sees the extra tokens of its feature too."""
    tokens = whole.flatten(2).transpose(1, 2) if whole.ndim == 4 else whole
    return norm(tokens)[:, -grid.shape[2] * grid.shape[3] :].transpose(1, 2).reshape_as(grid)


def _reduction(image: tuple[int, int], point: BlockMap) -> float:
    """Rows of the image for each row of a map."""
    assert point.feature.grid is not None
    rows = image[0] / point.feature.grid[0]
    return rows if rows < 1 else round(rows)
