"""What users of timm ask a model: features, maps between blocks, groups of parameters, another classifier."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from torch import Tensor, nn

from vitdsl.compiler.checkpointing import checkpointed
from vitdsl.compiler.edits import with_pool
from vitdsl.compiler.forwards import IMAGE, write_rest, write_values
from vitdsl.compiler.lower import Written
from vitdsl.compiler.module import function_of, is_repetition, written_below
from vitdsl.compiler.renewal import changed_layers, modes_of, renew, restore_checkpointing
from vitdsl.compiler.sizes import Sized, set_size
from vitdsl.compiler.statements import Forward
from vitdsl.features import Feature
from vitdsl.graph.graph import Graph
from vitdsl.graph.image_grids import on_image
from vitdsl.graph.ir import HEAD, Call, Frame, Node, joined
from vitdsl.graph.operators import LearnedTokens
from vitdsl.graph.views.blocks import BlockMap, open_blocks
from vitdsl.graph.views.head import Split, find_classifiers, split_head
from vitdsl.parts.registry import family_of

NOT_DECAYED = ("position", "bias")
"""Families whose tables weight decay leaves alone, as it does learned tokens."""
LAST = 99999
"""The group behind all blocks."""
Features = Tensor | dict[str, Tensor]


class Backbone(Sized):
    """A model that others build upon.

    Attributes:
        spec: the spec that it was built from.
        lowered: the graph that it was compiled from.
        written: its forward, and those of its repetitions.
        forwards: what was generated besides `forward`, by what it is for.
        training_outputs: whether training returns all that the head trains, rather than the same as evaluation.
        image_size: (height, width) that its tables were made for.
        folded: whether its batch norms were folded into the linear maps beside them.
    """

    written: Written
    forwards: dict[Any, Any]
    folded: bool = False

    @property
    def options(self) -> dict[str, Any]:
        """What `build` was told beside the spec and the device."""
        return {"training_outputs": self.training_outputs, "size": self.image_size}

    # ------------------------------------------------------------ forwards

    def forward_features(self, x: Tensor) -> Features:
        """What the head pools and classifies, after the last norm.

        Args:
            x: images, (B, C, H, W).

        Returns:
            (B, C, H, W) where there is a grid alone, (B, N, C) with extra tokens; where the head reads several streams,
            a dict of them. `forward_head` takes it.
        """
        self.enter(x)
        parts = self._split()
        forward = self._forward("features", write_values, parts.body, IMAGE, [*parts.features.values()])
        return _named(parts.features, forward(self, x))

    def forward_head(self, x: Features, pre_logits: bool = False) -> Any:
        """What the model makes of its features; in training as in evaluation, where it returns more than these give.

        Args:
            x: what `forward_features` gave.
            pre_logits: gives what enters the classifier in place of the logits, (B, C); where an output has another
                classifier than the next, a dict by output.
        """
        parts = self._split()
        given = [x[name] for name in parts.features] if isinstance(x, Mapping) else [x] * len(parts.features)
        if not pre_logits:
            forward = self._forward("head", write_rest, parts.head, parts.features, self.training_outputs)
            return forward(self, *given)
        found = find_classifiers(parts.head, self.num_classes)
        forward = self._forward("pre_logits", write_values, found.head, parts.features, [*found.entering.values()])
        return _named(found.entering, forward(self, *given))

    def forward_intermediates(
        self,
        x: Tensor,
        indices: int | Sequence[int] | None = None,
        norm: bool = False,
        stop_early: bool = False,
        output_fmt: Literal["NCHW", "NLC"] = "NCHW",
        intermediates_only: bool = False,
    ) -> list[Tensor] | tuple[Features, list[Tensor]]:
        """The maps that blocks end with, those of `feature_info`.

        Args:
            x: images, (B, C, H, W).
            indices: which of them, negative ones from the end; a number: the last so many; None: all.
            norm: brings each through the model's last norm, extra tokens with it.
            stop_early: runs no block behind the last map that is asked for; only with `intermediates_only`, which
                does so anyway.
            output_fmt: (B, C, H, W), or (B, H·W, C) without extra tokens.
            intermediates_only: leaves `forward_features` out of what is returned.

        Returns:
            The maps, in the order of the indices; without `intermediates_only`, the features and these.

        Raises:
            ValueError: there is no such map, format or norm, or a norm of another width.
        """
        if output_fmt not in ("NCHW", "NLC"):
            raise ValueError(f"`output_fmt` must be NCHW or NLC, but is {output_fmt!r}")
        if stop_early and not intermediates_only:
            raise ValueError("`stop_early` leaves no features to return: it needs `intermediates_only`")
        self.enter(x)
        graph, points = self._points()
        chosen = [points[index] for index in _chosen(indices, len(points))]
        last = self._last_norm(chosen) if norm else None
        parts = split_head(graph)
        numbers = [point.grid for point in chosen] + [point.whole for point in chosen if norm]
        numbers += [] if intermediates_only else parts.features.values()
        values = self._forward(tuple(numbers), write_values, parts.body, IMAGE, numbers)(self, x)
        maps = values[: len(chosen)]
        if last is not None:
            maps = [_normed(last, *each) for each in zip(maps, values[len(chosen) : 2 * len(chosen)], strict=True)]
        if output_fmt == "NLC":
            maps = [each.flatten(2).transpose(1, 2) for each in maps]
        if intermediates_only:
            return maps
        return _named(parts.features, values[-len(parts.features) :]), maps

    def _last_norm(self, points: Sequence[BlockMap]) -> nn.Module:
        """The norm behind all blocks, which is as wide as these maps."""
        path, dim = "", 0
        for step in self.lowered.frame.steps:
            inner = step.frames[0] if isinstance(step, Call) else Frame()
            for node in inner.steps:
                if isinstance(node, Node) and node.path == "norm" and node.op.family == "norm":
                    path, dim = joined(step.path, node.path), inner.features[node.output].dim
        for point in points:
            if point.feature.dim != dim:
                there = f"one of {dim} channels" if path else "none"
                message = f"`norm` needs a last norm of {point.feature.dim} channels, but this model has {there}"
                raise ValueError(message)
        return self.get_submodule(path)

    def _split(self) -> Split:
        return split_head(self.lowered)

    def _points(self) -> tuple[Graph, list[BlockMap]]:
        """The graph in which maps can be got at, and the image's: of each grid the last, or all where there is one."""
        graph, points = open_blocks(self.lowered)
        there = on_image(graph.frame)
        points = [point for point in points if point.grid in there]
        grids = dict.fromkeys(point.feature.grid for point in points)
        if len(grids) > 1:
            points = [[point for point in points if point.feature.grid == grid][-1] for grid in grids]
        return graph, points

    def _forward(self, key: Any, write: Callable[..., Forward], *given: Any) -> Callable[..., Any]:
        """A forward over the model's own modules."""
        if key not in self.forwards:
            self.forwards[key] = function_of(write(written_below(self.written), *given), self)
        return self.forwards[key]

    # ------------------------------------------------------------ what there is

    @property
    def feature_info(self) -> list[dict[str, Any]]:
        """The maps of `forward_intermediates`: `num_chs`, `reduction` (image pixels a position) and `module`.

        One for each grid of the image that the model has; where it has one, one for each block. A grid of attention
        maps is none of the image. The reduction is the nearest integer, and a fraction where a grid is finer than the
        image.
        """
        return [
            {"num_chs": point.feature.dim, "reduction": _reduction(self.image_size, point), "module": point.path}
            for point in self._points()[1]
        ]

    @property
    def num_classes(self) -> int:
        """Outputs of a classifier; 0: there is none."""
        return self.spec.model.classes

    @property
    def num_features(self) -> int:
        """Channels of `forward_features`, of all streams together."""
        parts = self._split()
        return sum(parts.body.frame.features[number].dim for number in set(parts.features.values()))

    def get_classifier(self) -> nn.Module | dict[str, nn.Module] | None:
        """The linear map to the classes; where several outputs have one each, a dict by output."""
        paths = find_classifiers(self._split().head, self.num_classes).paths
        found = {name: self.get_submodule(path) for name, path in paths.items()}
        return next(iter(found.values()), None) if len(found) < 2 else found

    # ------------------------------------------------------------ training

    def reset_classifier(self, num_classes: int, global_pool: str | None = None) -> None:
        """Gives the model new classifiers, initialized as the spec says, and the spec their number.

        Everything else stays the object that it is, with its hooks and modes.

        Args:
            num_classes: 0 leaves them out, and the model gives pooled features.
            global_pool: the head's pool, where it shall be another one; also as timm calls it: `avg`, `token`, or
                nothing (`""`), with which all tokens are given, or the map where there are no others.

        Raises:
            SpecError: the head has no such pool.
            ValueError: the head has no pool that could be another one.
        """
        from vitdsl.compiler.build import built_as
        from vitdsl.spec import load

        edits: dict[str, Any] = {"classes": num_classes}
        if global_pool is not None:
            edits["head"] = with_pool(self.spec.tree.get("head"), self._pool(global_pool))
        like = next(self.parameters(), None)
        device = "cpu" if like is None else like.device
        spec = load(self.spec, set=edits)
        made = built_as(spec, self.options, self.folded, device)
        if like is not None:
            made.to(like.dtype)
        made.train(self.training)
        modes = modes_of(self)
        renew(self, made, changed_layers(self.lowered, made.lowered))
        restore_checkpointing(self, modes)
        self.spec, self.lowered, self.written = spec, made.lowered, made.written
        self.forwards, self.refusals = {}, {}

    def set_input_size(self, img_size: int | tuple[int, int], width: int | None = None) -> None:
        """Makes this a model for images of another size, as `vitdsl.build(spec, size=…)` builds it.

        Weights stay; tables of positions are resized by their own rule, and only these are new parameters. Modules,
        hooks, modes and what is frozen stay too.

        Args:
            img_size: a side of a square, (height, width), or the height, where `width` follows.
            width: the width.

        Raises:
            SpecError: the spec cannot be built for that size.
            ImageError: it would have weights of other shapes that no rule resizes. The model is as it was.
        """
        if isinstance(img_size, int):
            img_size = (img_size, img_size if width is None else width)
        set_size(self, (img_size[0], img_size[1]))

    def _pool(self, name: str) -> str | None:
        """A pool as specs call it; None: no pool."""
        if name == "token":
            return next(iter(self._feature().tokens), name)
        return {"": None, "avg": "mean"}.get(name, name)

    def _feature(self) -> Feature:
        """The first of the features that the head starts from."""
        parts = self._split()
        return parts.body.frame.features[next(iter(parts.features.values()))]

    def no_weight_decay(self) -> set[str]:
        """Names of parameters that weight decay leaves alone: learned tokens, tables of positions and of biases.

        Biases, norms and scales have one dimension, by which optimizers leave them out.
        """
        tables = {
            path for path, node, _ in self.lowered.frame.nodes()
            if isinstance(node.op, LearnedTokens) or (family_of(node.op) in NOT_DECAYED and node.cost.params)
        }  # fmt: skip
        return {name for name, _ in self.named_parameters() if any(name.startswith(f"{path}.") for path in tables)}

    def group_matcher(self, coarse: bool = False) -> dict[str, Any]:
        """Patterns by which timm groups parameters for rates by layer: `stem`, then `blocks` in order, then the head.

        Args:
            coarse: groups whole stages.
        """
        stages = [step for step in self.lowered.frame.steps if isinstance(step, Call) and step.path != HEAD]
        stem = "|".join(re.escape(f"{stages[0].path}.{name}") for name in ("tokenizer", "tokens", "position"))
        blocks: list[tuple[str, tuple[int, ...]]] = []
        for number, step in enumerate(stages):
            stage = re.escape(step.path)
            if not coarse:
                own = [joined(step.path, path) for call in step.frames[0].steps for path in _repeated(call)]
                blocks += [(f"^{re.escape(path)}\\.", (number, 1 + index)) for index, path in enumerate(own)]
            blocks.append((f"^{stage}\\.norm\\.", (LAST,) if step is stages[-1] else (number + 1, 0)))
            blocks.append((f"^{stage}\\.", (number, 0)))
        return {"stem": f"^(?:{stem})\\.", "blocks": blocks}

    def set_grad_checkpointing(self, enable: bool = True) -> None:
        """Repeated blocks keep no activations for the backward pass, in which they run a second time.

        Batch norms inside of them see each batch twice, which moves their running statistics twice.
        """
        for module in self.modules():
            if is_repetition(module) and module is not self:
                checkpointed(module, enable)


def _reduction(image: tuple[int, int], point: BlockMap) -> float:
    """Rows of the image for each row of a map."""
    assert point.feature.grid is not None
    rows = image[0] / point.feature.grid[0]
    return rows if rows < 1 else round(rows)


def _repeated(step: Node | Call) -> list[str]:
    """The paths of the blocks that a step of a stage runs."""
    return [path for path, _ in step.paths()] if isinstance(step, Call) and step.flows is not None else []


def _normed(norm: nn.Module, grid: Tensor, whole: Tensor) -> Tensor:
    """A map after a norm that sees the extra tokens of its feature too."""
    tokens = whole.flatten(2).transpose(1, 2) if whole.ndim == 4 else whole
    return norm(tokens)[:, -grid.shape[2] * grid.shape[3] :].transpose(1, 2).reshape_as(grid)


def _named(numbers: Mapping[str, int], values: Sequence[Tensor]) -> Any:
    """The value, where all have one number; else a dict of them."""
    return values[0] if len(set(numbers.values())) == 1 else dict(zip(numbers, values, strict=True))


def _chosen(indices: int | Sequence[int] | None, count: int) -> list[int]:
    """Indexes from 0."""
    asked = range(count) if indices is None else range(-indices, 0) if isinstance(indices, int) else indices
    found = [index + count if index < 0 else index for index in asked]
    if not found or not all(0 <= index < count for index in found):
        raise ValueError(f"`indices` must name some of the {count} maps of this model, but is {indices}")
    return found
