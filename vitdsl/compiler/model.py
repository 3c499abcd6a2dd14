"""The module that a spec becomes, and what it can be asked: each method is a function of a file below this one."""

from __future__ import annotations

import copy
from typing import Any

from torch import Tensor, nn

from vitdsl.compiler import backbone, classifier
from vitdsl.compiler.backbone import FeatureInfo, Format, MapsAsked, Values
from vitdsl.compiler.checkpointing import checkpointed
from vitdsl.compiler.groups import find_tables, group_patterns
from vitdsl.compiler.module import is_repetition
from vitdsl.compiler.pickling import reduce_model
from vitdsl.compiler.resize import resize
from vitdsl.compiler.sizes import ImageModel
from vitdsl.graph.views.blocks import BlockMap
from vitdsl.graph.views.pyramid import Features

SHARED = ("spec", "lowered", "written", "derived", "refusals")
"""Attributes that copies of a model have in common."""


class BuiltModel(ImageModel):
    """What whole models and backbones have, and can do.

    Attributes:
        spec: the spec that it was built from.
        lowered: the graph that it was compiled from.
        written: its forward, and those of its repetitions.
        code: the text of its classes, which is what runs.
        training_outputs: whether training returns all that the head trains, rather than the same as evaluation.
        image_size: (height, width) that its tables were made for.
        folded: whether its batch norms were folded into the linear maps beside them.
    """

    # ------------------------------------------------------------ another size of image

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
        resize(self, (img_size[0], img_size[1]))

    # ------------------------------------------------------------ training

    def no_weight_decay(self) -> set[str]:
        """Names of parameters that weight decay leaves alone: learned tokens, tables of positions and of biases.

        Biases, norms and scales have one dimension, by which optimizers leave them out.
        """
        tables = find_tables(self.lowered)
        return {name for name, _ in self.named_parameters() if any(name.startswith(f"{path}.") for path in tables)}

    def group_matcher(self, coarse: bool = False) -> dict[str, Any]:
        """Patterns by which timm groups parameters for rates by layer: `stem`, then `blocks` in order, then the head.

        Args:
            coarse: groups whole stages.
        """
        return group_patterns(self.lowered, coarse)

    def set_grad_checkpointing(self, enable: bool = True) -> None:
        """Repeated blocks keep no activations for the backward pass, in which they run a second time.

        Batch norms inside of them see each batch twice, which moves their running statistics twice.
        """
        for module in self.modules():
            if is_repetition(module) and module is not self:
                checkpointed(module, enable)

    # ------------------------------------------------------------ copies

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickles as the canonical spec, the state dict, and what is set besides.

        Raises:
            PicklingError: there are other tensors than the spec's.
        """
        return reduce_model(self)

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        """A copy with weights of its own; the generated classes are shared."""
        model = type(self).__new__(type(self))
        memo[id(self)] = model
        for name, value in self.__dict__.items():
            model.__dict__[name] = value if name in SHARED else copy.deepcopy(value, memo)
        return model


class VisionModel(BuiltModel):
    """A compiled spec: image (B, C, H, W) to what its head says."""

    # ------------------------------------------------------------ features

    def forward_features(self, x: Tensor) -> Values:
        """What the head pools and classifies, after the last norm.

        Args:
            x: images, (B, C, H, W).

        Returns:
            (B, C, H, W) where there is a grid alone, (B, N, C) with extra tokens; where the head reads several streams,
            a dict of them. `forward_head` takes it.
        """
        return backbone.forward_features(self, x)

    def forward_head(self, x: Values, pre_logits: bool = False) -> Any:
        """What the model makes of its features; in training as in evaluation, where it returns more than these give.

        Args:
            x: what `forward_features` gave.
            pre_logits: gives what enters the classifier in place of the logits, (B, C); where an output has another
                classifier than the next, a dict by output.
        """
        return backbone.forward_head(self, x, pre_logits)

    def forward_intermediates(
        self,
        x: Tensor,
        indices: Features | None = None,
        return_prefix_tokens: bool = False,
        norm: bool = False,
        stop_early: bool = False,
        output_fmt: Format = "NCHW",
        intermediates_only: bool = False,
    ) -> Any:
        """The maps that blocks end with, those of `feature_info`, or of any block of `block_info`.

        Args:
            x: images, (B, C, H, W).
            indices: which of them, negative ones from the end, or module paths of blocks; a number: the last so many;
                None: all of `feature_info`.
            return_prefix_tokens: gives a pair for each map: the map, and the extra tokens before it, (B, N, C).
            norm: brings each through the model's last norm, extra tokens with it.
            stop_early: runs no block behind the last map that is asked for; only with `intermediates_only`, which
                does so anyway.
            output_fmt: NCHW: (B, C, H, W), NHWC: (B, H, W, C), NLC: (B, H·W, C); all without extra tokens.
            intermediates_only: leaves `forward_features` out of what is returned.

        Returns:
            A list of the maps, in the order of the indices; without `intermediates_only`, the features and this list.

        Raises:
            ValueError: there is no such map, format or norm, or a norm of another width.
        """
        asked = MapsAsked(indices, return_prefix_tokens, norm, stop_early, output_fmt, intermediates_only)
        return backbone.forward_intermediates(self, x, asked)

    @property
    def feature_info(self) -> FeatureInfo:
        """The maps that numbers name: a list of dicts of `num_chs`, `reduction` (image pixels a position) and `module`.

        One for each grid of the image that the model has, made by the last block on it; where it has one, one for each
        block. The reduction is the nearest integer, and a fraction where a grid is finer than the image.
        """
        return backbone.feature_info(self)

    @property
    def block_info(self) -> FeatureInfo:
        """The map that each block ends with, also inside of blocks and in parallel branches; as `feature_info`.

        A block is what stands for one in the schedule of stochastic depth, and each repetition, mixer and mlp without a
        shortcut. Blocks that work on extra tokens alone, or on attention maps, end with no map of the image.
        """
        return backbone.block_info(self)

    @property
    def num_features(self) -> int:
        """Channels of `forward_features`, of all streams together."""
        return backbone.num_features(self)

    @property
    def num_prefix_tokens(self) -> int:
        """Extra tokens in front of the grid of `forward_features`; of several streams, the most."""
        return backbone.num_prefix_tokens(self)

    # ------------------------------------------------------------ another classifier

    @property
    def num_classes(self) -> int:
        """Outputs of a classifier; 0: there is none."""
        return self.spec.model.classes

    def get_classifier(self) -> nn.Module | dict[str, nn.Module] | None:
        """The linear map to the classes; where several outputs have one each, a dict by output."""
        return classifier.get_classifier(self)

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
        classifier.reset_classifier(self, num_classes, global_pool)


class Backbone(BuiltModel):
    """The maps of a spec's blocks: image (B, C, H, W) to a list of maps (B, C, H, W).

    It has the blocks up to the last map, and of these what the maps depend on. Every parameter gets a gradient, but for
    tokens that no map depends on, which need none. Keys of parameters are those of the whole model.

    Attributes:
        features: module paths of the blocks whose maps it gives.
    """

    features: tuple[str, ...]

    @property
    def feature_info(self) -> FeatureInfo:
        """Of each map that it gives: `num_chs`, `reduction` (image pixels a position) and `module`."""
        frame = self.lowered.frame
        maps = [BlockMap(path, n, n, frame.features[n]) for path, n in self.lowered.outputs.items()]
        return backbone.info_of(self, maps)


def check_whole(model: object) -> VisionModel:
    """The model; what is no whole model that vitdsl built is refused.

    Raises:
        TypeError: it is a backbone, or a module of others.
    """
    if not isinstance(model, VisionModel):
        what = "a backbone" if isinstance(model, Backbone) else f"`{type(model).__name__}`"
        raise TypeError(f"a model that vitdsl built is needed, whole and without wrappers, but this is {what}")
    return model
