"""What models that build upon this one ask of it: the features that the head starts from, and maps between blocks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from torch import Tensor, nn

from vitdsl.compiler.base import CompiledModel
from vitdsl.compiler.forwards import IMAGE, write_rest, write_values
from vitdsl.compiler.module import function_of, written_below
from vitdsl.compiler.sizes import ImageModel
from vitdsl.compiler.statements import Forward
from vitdsl.graph.ir import Call, Frame, Node, joined
from vitdsl.graph.views.blocks import BlockMap, open_blocks
from vitdsl.graph.views.head import Split, find_classifiers, split_head
from vitdsl.graph.views.pyramid import Features, image_maps, levels, select

Values = Tensor | dict[str, Tensor]
"""What the head starts from: one value, or several by stream."""
Format = Literal["NCHW", "NHWC", "NLC"]
FORMATS: tuple[Format, ...] = ("NCHW", "NHWC", "NLC")


class MapsAsked(NamedTuple):
    """What a caller of `VisionModel.forward_intermediates` asks for, which says what it means."""

    indices: Features | None
    return_prefix_tokens: bool
    norm: bool
    stop_early: bool
    output_fmt: Format
    intermediates_only: bool


def forward_features(model: ImageModel, x: Tensor) -> Values:
    """See `VisionModel.forward_features`."""
    model.enter(x)
    split = _split(model)
    forward = forward_over(model, "features", write_values, split.body, IMAGE, [*split.features.values()])
    return _by_name(split.features, forward(model, x))


def forward_head(model: CompiledModel, x: Values, pre_logits: bool) -> Any:
    """See `VisionModel.forward_head`."""
    split = _split(model)
    inputs = [x[name] for name in split.features] if isinstance(x, Mapping) else [x] * len(split.features)
    if not pre_logits:
        forward = forward_over(model, "head", write_rest, split.head, split.features, model.training_outputs)
        return forward(model, *inputs)
    found = find_classifiers(split.head, model.spec.model.classes)
    entering = [*found.entering.values()]
    forward = forward_over(model, "pre_logits", write_values, found.head, split.features, entering)
    return _by_name(found.entering, forward(model, *inputs))


def forward_intermediates(model: ImageModel, x: Tensor, asked: MapsAsked) -> Any:
    """See `VisionModel.forward_intermediates`."""
    if asked.output_fmt not in FORMATS:
        raise ValueError(f"`output_fmt` must be {' or '.join(FORMATS)}, but is {asked.output_fmt!r}")
    if asked.stop_early and not asked.intermediates_only:
        raise ValueError("`stop_early` leaves no features to return: it needs `intermediates_only`")
    model.enter(x)
    points = select(maps_of(model), asked.indices, "indices")
    norm = _last_norm(model, points) if asked.norm else None
    paths = tuple(point.path for point in points)
    forward, features = _forward_to_maps(model, paths, not asked.intermediates_only)
    values = forward(model, x)
    pairs = zip(values[: 2 * len(paths) : 2], values[1 : 2 * len(paths) : 2], strict=True)
    maps = [_given(grid, whole, norm, asked) for grid, whole in pairs]
    if asked.intermediates_only:
        return maps
    return _by_name(features, values[-len(features) :]), maps


def _forward_to_maps(
    model: CompiledModel, paths: tuple[str, ...], with_features: bool
) -> tuple[Callable[..., Any], Mapping[str, int]]:
    """What gives the maps of some blocks, each alone and with its extra tokens, and then perhaps the features.

    Args:
        model: the model.
        paths: of the blocks.
        with_features: gives those that the head starts from too.

    Returns:
        The forward, and the numbers of the features by name.
    """
    key = ("maps", paths, with_features)
    if key not in model.derived:
        opened, found = open_blocks(model.lowered, paths)
        split, by_path = split_head(opened), {point.path: point for point in found}
        numbers = [number for path in paths for number in by_path[path][1:3]]
        numbers += split.features.values() if with_features else []
        forward = forward_over(model, (paths, *numbers), write_values, split.body, IMAGE, numbers)
        model.derived[key] = forward, split.features
    return model.derived[key]


def _split(model: CompiledModel) -> Split:
    """The model's graph, cut before its head."""
    if "split" not in model.derived:
        model.derived["split"] = split_head(model.lowered)
    return model.derived["split"]


def maps_of(model: CompiledModel) -> list[BlockMap]:
    """All maps that the blocks of a model end with."""
    if "maps" not in model.derived:
        model.derived["maps"] = image_maps(model.lowered)
    return model.derived["maps"]


class FeatureInfo(list[dict[str, Any]]):
    """What is known of maps, in order: a list of dicts, which can also be asked as timm's is."""

    def channels(self) -> list[int]:
        """The channels of each map."""
        return [each["num_chs"] for each in self]

    def reduction(self) -> list[float]:
        """Image pixels a position of each map."""
        return [each["reduction"] for each in self]

    def module_name(self) -> list[str]:
        """The module path of the block that ends with each map."""
        return [each["module"] for each in self]


def block_info(model: CompiledModel) -> FeatureInfo:
    """See `VisionModel.block_info`."""
    return info_of(model, maps_of(model))


def feature_info(model: CompiledModel) -> FeatureInfo:
    """See `VisionModel.feature_info`."""
    return info_of(model, levels(maps_of(model)))


def info_of(model: CompiledModel, maps: Sequence[BlockMap]) -> FeatureInfo:
    """What `feature_info` says of some maps of a model."""
    return FeatureInfo(
        {"num_chs": each.feature.dim, "reduction": _reduction(model.image_size, each), "module": each.path}
        for each in maps
    )


def num_features(model: CompiledModel) -> int:
    """See `VisionModel.num_features`."""
    split = _split(model)
    return sum(split.body.frame.features[number].dim for number in set(split.features.values()))


def num_prefix_tokens(model: CompiledModel) -> int:
    """See `VisionModel.num_prefix_tokens`."""
    split = _split(model)
    features = [split.body.frame.features[number] for number in split.features.values()]
    return max((len(feature.tokens) for feature in features if feature.grid is not None), default=0)


def forward_over(model: CompiledModel, key: Any, write: Callable[..., Forward], *arguments: Any) -> Callable[..., Any]:
    """A forward over the model's own modules. It is generated once for each key."""
    if key not in model.derived:
        model.derived[key] = function_of(write(written_below(model.written), *arguments), model)
    return model.derived[key]


def _by_name(numbers: Mapping[str, int], values: Sequence[Tensor]) -> Any:
    """The value, where all have one number; else a dict of them."""
    return values[0] if len(set(numbers.values())) == 1 else dict(zip(numbers, values, strict=True))


# ---------------------------------------------------------------- maps between blocks


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


def _given(grid: Tensor, whole: Tensor, norm: nn.Module | None, asked: MapsAsked) -> Any:
    """A map as the caller asks for it, and perhaps the extra tokens before it.

    Args:
        grid: the map, (B, C, H, W).
        whole: all of its feature, also as (B, N, C).
        norm: sees extra tokens too.
        asked: the call.
    """
    tokens = grid
    if norm is not None or asked.return_prefix_tokens:
        tokens = whole.flatten(2).transpose(1, 2) if whole.ndim == 4 else whole
    extra = tokens.shape[1] - grid.shape[2] * grid.shape[3]
    if norm is not None:
        tokens = norm(tokens)
        grid = tokens[:, extra:].transpose(1, 2).reshape_as(grid)
    if asked.output_fmt == "NLC":
        grid = grid.flatten(2).transpose(1, 2)
    elif asked.output_fmt == "NHWC":
        grid = grid.permute(0, 2, 3, 1)
    return (grid, tokens[:, :extra]) if asked.return_prefix_tokens else grid


def _reduction(image: tuple[int, int], point: BlockMap) -> float:
    """Rows of the image for each row of a map."""
    assert point.feature.grid is not None
    rows = image[0] / point.feature.grid[0]
    return rows if rows < 1 else round(rows)
