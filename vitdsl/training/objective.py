"""What a training minimizes: the losses of a recipe, of a model and a batch.

Shapes: b images, k classes, n tokens row by row, c channels, h rows and w columns of a map.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from vitdsl.compiler.points import build_with_points
from vitdsl.graph.views.points import PointModule
from vitdsl.spec import Spec
from vitdsl.training import diversity, losses, token_labels
from vitdsl.training.boxes import Box, Grid, box_mask, mix_labels, share_of, swap_box, swap_tokens
from vitdsl.training.kinds import (
    AttentionCosine,
    BinaryCrossEntropy,
    CrossEntropy,
    Distillation,
    Loss,
    MixToken,
    PatchContrastive,
    PatchCosine,
    PatchMixing,
    TokenLabels,
)
from vitdsl.training.loading import Batch
from vitdsl.training.mixing import Mixed, smooth_targets
from vitdsl.training.needs import check_needs, classifiers, head_outputs, points_read, training_outputs
from vitdsl.training.recipe import Recipe

Teacher = Callable[[Tensor], Tensor]
"""Gives logits (B, K) for the student's images (B, C, H, W), without gradients."""
ABOVE = 1 + 1e-4
"""A class counts as there where its label is above the smoothed one by more than labels are rounded."""


class Given(NamedTuple):
    """What a loss reads, beside what goes through points.

    Attributes:
        mixed: images and labels, as the recipe mixes them.
        batch: what they were made of.
        outputs: what the model gives in training, by name.
    """

    mixed: Mixed
    batch: Batch | None
    outputs: Mapping[str, Tensor]


class TokenMixer(nn.Module):
    """Swaps the tokens in a box between images b and B − 1 − b; without a box, it does nothing.

    Attributes:
        box: that of the batch at hand.
    """

    def __init__(self) -> None:
        super().__init__()
        self.box: Box | None = None

    def forward(self, x_bchw: Tensor) -> Tensor:
        """The map (B, C, H, W) with the tokens of the box swapped."""
        return x_bchw if self.box is None else swap_box(x_bchw, self.box)


class Objective:
    """The losses of a recipe.

    Attributes:
        model: what is trained; its points that the recipe reads are modules.
        grid: of the point at which tokens or regions are mixed; None: nothing is mixed so.
        token_labels_of: by the name of a loss, gives labels of every token of a batch, (B, K, 2 + N); where there are
            none, tokens have the label of their image.
    """

    def __init__(
        self, spec: Spec, recipe: Recipe, teachers: Mapping[str, Teacher] | None = None, **options: Any
    ) -> None:
        """Builds the model.

        Args:
            spec: of the model.
            recipe: whose losses are minimized.
            teachers: by the name of a loss, what teaches there.
            options: of `build`.

        Raises:
            SpecError: the spec lacks what the recipe reads.
        """
        check_needs(recipe, spec)
        self.recipe, self.teachers = recipe, dict(teachers or {})
        self.token_labels_of: Mapping[str, Callable[[Batch], Tensor]] = {}
        graph = spec.graph(options.get("size"))
        self._classes = spec.model.classes
        self._names, self._heads = [*training_outputs(graph)], head_outputs(graph)
        self._classifiers = classifiers(graph, self._classes)
        self.model, points = build_with_points(spec, points_read(recipe), **options)
        self._values: dict[str, list[Tensor]] | None = None
        self._mixer: TokenMixer | None = None
        self.grid: Grid | None = None
        self._open(points)

    def _open(self, points: Mapping[str, Sequence[PointModule]]) -> None:
        """Watches the points that losses read, and mixes at the one that is mixed at."""
        read = {name for loss in self.recipe.file.losses.values() for name in loss.points_needed()}
        self._shapes = {name: modules[0].feature for name, modules in points.items()}
        for name in read:
            for path, _ in points[name]:
                self.model.get_submodule(path).register_forward_hook(self._noting(name))
        mix = self.recipe.file.mix
        if mix is not None and hasattr(mix, "point"):
            self.grid = self._shapes[mix.point].grid
        if isinstance(mix, MixToken):
            self._mixer = TokenMixer()
            self.model.set_submodule(points[mix.point][0].path, self._mixer)

    def _noting(self, name: str) -> Callable[..., None]:
        """A hook that notes what goes through a point while a loss is computed: an evaluation keeps nothing."""

        def note(module: nn.Module, given: Any, output: Tensor) -> None:
            if self._values is not None:
                self._values.setdefault(name, []).append(output)

        return note

    def __call__(self, mixed: Mixed, batch: Batch | None = None) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss of a batch, and each of its terms, times its weight.

        Args:
            mixed: images and labels, as the recipe mixes them.
            batch: what they were made of, where labels of tokens are looked up.
        """
        self._values = {}
        try:
            outputs = self._outputs(mixed)
            terms = {
                name: loss.weight * _COMPUTE[type(loss)](self, loss, name, Given(mixed, batch, outputs))
                for name, loss in self.recipe.file.losses.items()
            }
        finally:
            self._values = None
        return torch.stack([*terms.values()]).sum(), terms

    def _outputs(self, mixed: Mixed) -> dict[str, Tensor]:
        """What the model gives in training, by name; mixed tokens are put back."""
        mix = self.recipe.file.mix
        if self._mixer is None or mixed.box is None:
            return self._named(self.model(mixed.images))
        self._mixer.box = mixed.box
        try:
            outputs = self._named(self.model(mixed.images))
        finally:
            self._mixer.box = None
        return {
            name: self._put_back(value, mixed.box) if name in mix.outputs else value for name, value in outputs.items()
        }

    def _named(self, found: Any) -> dict[str, Tensor]:
        return dict(found) if isinstance(found, dict) else {self._names[0]: found}

    def _put_back(self, logits: Tensor, box: Box) -> Tensor:
        if logits.ndim == 4:
            return swap_box(logits, box)
        assert self.grid is not None
        return swap_tokens(logits, self.grid, box)

    # ------------------------------------------------------------ losses

    def _labels_of(self, name: str, mixed: Mixed) -> Tensor:
        """The labels of an output: mixed where tokens are, but for what is put back to its own image."""
        mix = self.recipe.file.mix
        if self._mixer is None or mixed.box is None or name in mix.outputs:
            return mixed.targets
        assert self.grid is not None
        soft_bk = smooth_targets(mixed.targets, self._classes, self.recipe.file.smoothing)
        return mix_labels(soft_bk, 1 - share_of(mixed.box, self.grid))

    def _mean(self, loss: CrossEntropy, given: Given, compute: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
        """The mean over outputs of what is computed of the rows of each, and of their labels."""
        names = self._heads if loss.output is None else [loss.output]
        return torch.stack([
            compute(*losses.per_token(given.outputs[name], self._labels_of(name, given.mixed))) for name in names
        ]).mean()  # fmt: skip

    def cross_entropy(self, loss: CrossEntropy, name: str, given: Given) -> Tensor:
        """Of the labels."""

        def compute(rows: Tensor, targets: Tensor) -> Tensor:
            return losses.soft_cross_entropy(rows, targets, self.recipe.file.smoothing if targets.ndim == 1 else 0.0)

        return self._mean(loss, given, compute)

    def binary(self, loss: BinaryCrossEntropy, name: str, given: Given) -> Tensor:
        """Of each class apart."""
        smoothing = self.recipe.file.smoothing

        def compute(rows: Tensor, targets: Tensor) -> Tensor:
            soft = losses.soft_targets(losses.in_float32(rows), targets, smoothing if targets.ndim == 1 else 0.0)
            if loss.whole:
                return losses.binary_cross_entropy(rows, soft, ABOVE * smoothing / self._classes)
            return functional.binary_cross_entropy_with_logits(losses.in_float32(rows), soft)

        return self._mean(loss, given, compute)

    def distillation(self, loss: Distillation, name: str, given: Given) -> Tensor:
        """What the teacher says of the same images."""
        teacher_bk, student_bk = self.teachers[name](given.mixed.images), given.outputs[loss.output]
        if loss.kind == "hard":
            return losses.hard_distillation(student_bk, teacher_bk)
        return losses.soft_distillation(student_bk, teacher_bk, loss.temperature)

    def token_labels(self, loss: TokenLabels, name: str, given: Given) -> Tensor:
        """Of labels of every token."""
        class_bk, tokens = given.outputs[loss.class_output], given.outputs[loss.output]
        tokens_bnk = tokens.flatten(2).mT if tokens.ndim == 4 else tokens
        if name in self.token_labels_of:
            assert given.batch is not None, "labels of tokens are looked up by the batch"
            labels = self.token_labels_of[name](given.batch).to(losses.in_float32(class_bk))
        else:
            labels = losses.soft_targets(losses.in_float32(class_bk), given.mixed.targets, loss.smoothing)
        return token_labels.token_label_loss(
            class_bk, tokens_bnk, labels, given.mixed.box, class_weight=loss.class_weight,
            token_weight=loss.token_weight, ground_truth=loss.ground_truth,
        )  # fmt: skip

    def attention(self, loss: AttentionCosine, name: str, given: Given) -> Tensor:
        """Of the maps of blocks that follow one another."""
        maps = self._seen(loss.point)
        return losses.attention_cosine(maps, loss.count or len(maps) - 1)

    def patch_cosine(self, loss: PatchCosine, name: str, given: Given) -> Tensor:
        """Of the patches of an image."""
        patches_bnc = self._patches(loss.point)
        count = patches_bnc.shape[1]
        if loss.absolute:
            others = diversity.patch_cosine(patches_bnc)
            return ((count - 1) * others + 1) / count if loss.diagonal else others
        everything = diversity.mean_cosine(patches_bnc)
        return everything if loss.diagonal else (count * everything - 1) / (count - 1)

    def contrast(self, loss: PatchContrastive, name: str, given: Given) -> Tensor:
        """Of patches at the beginning and at the end."""
        first_bnc, last_bnc = self._patches(loss.first), self._patches(loss.last)
        if loss.kind == "official":
            grid = self._shapes[loss.last].grid
            assert grid is not None
            return diversity.neighbour_contrast(first_bnc, last_bnc, grid)
        compute = diversity.patch_contrast if loss.kind == "paper" else diversity.unit_contrast
        return compute(first_bnc, last_bnc)

    def patch_mixing(self, loss: PatchMixing, name: str, given: Given) -> Tensor:
        """Of the image that each patch, or each region, came from."""
        patches_bnc = self._patches(loss.point)
        classify = self.model.get_submodule(self._classifiers[loss.output].path)
        inside, outside = given.mixed.regions or (given.mixed.targets,) * 2
        mask_n = self._inside(loss.point, given.mixed, patches_bnc)
        if loss.kind == "paper":
            return diversity.patch_mixing(classify(patches_bnc), inside, outside, mask_n)
        regions = ((mask_n, inside), (1 - mask_n, outside))
        return torch.stack([
            diversity.region_mixing(classify(diversity.pool_region(patches_bnc, mask)), targets, mask)
            for mask, targets in regions
        ]).sum()  # fmt: skip

    def _inside(self, point: str, mixed: Mixed, like: Tensor) -> Tensor:
        """The share of each patch that is inside of the box, (N,); all of it where nothing is mixed."""
        grid = self._shapes[point].grid
        assert grid is not None
        if mixed.box is not None:
            return box_mask(mixed.box, grid, like)
        if mixed.inside is None:
            return like.new_ones(like.shape[1])
        return functional.adaptive_avg_pool2d(mixed.inside[None, None].to(like), grid).flatten()

    def _seen(self, point: str) -> list[Tensor]:
        assert self._values is not None
        return self._values[point]

    def _patches(self, point: str) -> Tensor:
        """The patches at a point, (B, N, C), without extra tokens."""
        (x,) = self._seen(point)
        extra = len(self._shapes[point].tokens)
        return x.flatten(2).mT if x.ndim == 4 else x[:, extra:]


_COMPUTE: dict[type[Loss], Callable[..., Tensor]] = {
    CrossEntropy: Objective.cross_entropy, BinaryCrossEntropy: Objective.binary,
    Distillation: Objective.distillation, TokenLabels: Objective.token_labels,
    AttentionCosine: Objective.attention, PatchCosine: Objective.patch_cosine,
    PatchContrastive: Objective.contrast, PatchMixing: Objective.patch_mixing,
}  # fmt: skip
