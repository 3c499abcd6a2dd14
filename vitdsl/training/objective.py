"""What a training minimizes: the losses of a recipe, of a model and a batch.

Shapes: b images, k classes, n tokens row by row, c channels, h rows and w columns of a map.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from vitdsl.compiler.points import PointModule, build_with_points
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
from vitdsl.training.needs import check_needs, head_outputs, points_read, training_outputs
from vitdsl.training.recipe import Recipe

Teacher = Callable[[Tensor], Tensor]
"""Gives logits (B, K) for the student's images (B, C, H, W), without gradients."""


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
        token_labels_of: gives labels of every token of a batch, (B, K, 2 + N); None: there are none.
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
        self.token_labels_of: Callable[[Batch], Tensor] | None = None
        graph = spec.graph(options.get("size"))
        self._classes = spec.model.classes
        self._names, self._heads = [*training_outputs(graph)], head_outputs(graph)
        self.model, points = build_with_points(spec, points_read(recipe), **options)
        self._values: dict[str, list[Tensor]] = {}
        self._watches = [False]
        self._mixer: TokenMixer | None = None
        self.grid: Grid | None = None
        self._open(points)

    def _open(self, points: Mapping[str, Sequence[PointModule]]) -> None:
        """Watches the points that losses read, and mixes at the one that is mixed at."""
        read = {name for loss in self.recipe.file.losses.values() for name in loss.points_needed()}
        self._shapes = {name: modules[0].feature for name, modules in points.items()}
        for name in read:
            for path, _ in points[name]:
                self.model.get_submodule(path).register_forward_hook(_noting(self._values, name, self._watches))
        mix = self.recipe.file.mix
        if mix is not None and hasattr(mix, "point"):
            self.grid = self._shapes[mix.point].grid
        if isinstance(mix, MixToken):
            self._mixer = TokenMixer()
            self.model.set_submodule(points[mix.point][0].path, self._mixer)

    def __call__(self, mixed: Mixed, batch: Batch | None = None) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss of a batch, and each of its terms, times its weight.

        Args:
            mixed: images and labels, as the recipe mixes them.
            batch: what they were made of, where labels of tokens are looked up.
        """
        if batch is not None and self.token_labels_of is not None:
            mixed = mixed._replace(token_labels=self.token_labels_of(batch))
        outputs = self._outputs(mixed)
        terms = {
            name: loss.weight * _COMPUTE[type(loss)](self, loss, name, mixed, outputs)
            for name, loss in self.recipe.file.losses.items()
        }
        self._values.clear()
        return torch.stack([*terms.values()]).sum(), terms

    def _outputs(self, mixed: Mixed) -> dict[str, Tensor]:
        """What the model gives in training, by name; mixed tokens are put back."""
        self._values.clear()
        mix = self.recipe.file.mix
        if self._mixer is not None:
            self._mixer.box = mixed.box
        self._watches[0] = True
        try:
            found = self.model(mixed.images)
        finally:
            self._watches[0] = False
        outputs = dict(found) if isinstance(found, dict) else {self._names[0]: found}
        if self._mixer is not None and mixed.box is not None:
            for name in mix.outputs:
                outputs[name] = self._put_back(outputs[name], mixed.box)
            self._mixer.box = None
        return outputs

    def _put_back(self, logits: Tensor, box: Box) -> Tensor:
        if logits.ndim == 4:
            return swap_box(logits, box)
        assert self.grid is not None
        return swap_tokens(logits, self.grid, box)

    # ------------------------------------------------------------ losses

    def _mixed_labels(self, mixed: Mixed) -> Tensor:
        """The labels of images, mixed where tokens are."""
        if self._mixer is None or mixed.box is None:
            return mixed.targets
        assert self.grid is not None
        soft_bk = smooth_targets(mixed.targets, self._classes, self.recipe.file.smoothing)
        return mix_labels(soft_bk, 1 - share_of(mixed.box, self.grid))

    def _of_labels(self, loss: CrossEntropy, outputs: Mapping[str, Tensor], compute: Callable[..., Tensor]) -> Tensor:
        names = self._heads if loss.output is None else [loss.output]
        return torch.stack([compute(outputs[name]) for name in names]).mean()

    def cross_entropy(self, loss: CrossEntropy, name: str, mixed: Mixed, outputs: Mapping[str, Tensor]) -> Tensor:
        """Of the labels."""
        targets = self._mixed_labels(mixed)
        smoothing = self.recipe.file.smoothing if targets.ndim == 1 else 0.0

        def compute(logits: Tensor) -> Tensor:
            return losses.soft_cross_entropy(*per_token(logits, targets), smoothing=smoothing)

        return self._of_labels(loss, outputs, compute)

    def binary(self, loss: BinaryCrossEntropy, name: str, mixed: Mixed, outputs: Mapping[str, Tensor]) -> Tensor:
        """Of each class apart."""
        smoothing, labels = self.recipe.file.smoothing, self._mixed_labels(mixed)

        def compute(logits: Tensor) -> Tensor:
            rows, targets = per_token(logits, labels)
            soft = losses.soft_targets(rows, targets, smoothing if targets.ndim == 1 else 0.0)
            return (
                losses.binary_cross_entropy(rows, soft, threshold=smoothing / rows.shape[1])
                if loss.whole
                else (torch.nn.functional.binary_cross_entropy_with_logits(rows, soft))
            )

        return self._of_labels(loss, outputs, compute)

    def distillation(self, loss: Distillation, name: str, mixed: Mixed, outputs: Mapping[str, Tensor]) -> Tensor:
        """What the teacher says of the same images."""
        teacher_bk = self.teachers[name](mixed.images)
        student_bk = outputs[loss.output]
        if loss.kind == "hard":
            return losses.hard_distillation(student_bk, teacher_bk)
        return losses.soft_distillation(student_bk, teacher_bk, loss.temperature)

    def token_labels(self, loss: TokenLabels, name: str, mixed: Mixed, outputs: Mapping[str, Tensor]) -> Tensor:
        """Of labels of every token."""
        tokens = outputs[loss.output]
        tokens_bnk = tokens.flatten(2).mT if tokens.ndim == 4 else tokens
        labels = (
            mixed.token_labels
            if mixed.token_labels is not None
            else losses.soft_targets(outputs[loss.class_output], mixed.targets, self.recipe.file.smoothing)
        )
        return token_labels.token_label_loss(
            outputs[loss.class_output], tokens_bnk, labels, mixed.box, class_weight=loss.class_weight,
            token_weight=loss.token_weight, ground_truth=loss.ground_truth,
        )  # fmt: skip

    def attention(self, loss: AttentionCosine, name: str, mixed: Mixed, outputs: Mapping[str, Tensor]) -> Tensor:
        """Of the maps of blocks that follow one another."""
        maps = self._values[loss.point]
        return losses.attention_cosine(maps, loss.count or len(maps) - 1)

    def patch_cosine(self, loss: PatchCosine, name: str, mixed: Mixed, outputs: Mapping[str, Tensor]) -> Tensor:
        """Of the patches of an image."""
        patches_bnc = self._patches(loss.point)
        return diversity.mean_cosine(patches_bnc) if loss.diagonal else diversity.patch_cosine(patches_bnc)

    def contrast(self, loss: PatchContrastive, name: str, mixed: Mixed, outputs: Mapping[str, Tensor]) -> Tensor:
        """Of patches at the beginning and at the end."""
        first_bnc, last_bnc = self._patches(loss.first), self._patches(loss.last)
        if loss.kind == "official":
            grid = self._shapes[loss.last].grid
            assert grid is not None
            return diversity.neighbour_contrast(first_bnc, last_bnc, grid)
        compute = diversity.patch_contrast if loss.kind == "paper" else diversity.unit_contrast
        return compute(first_bnc, last_bnc)

    def patch_mixing(self, loss: PatchMixing, name: str, mixed: Mixed, outputs: Mapping[str, Tensor]) -> Tensor:
        """Of the image that each patch, or each region, came from."""
        assert mixed.box is not None and mixed.regions is not None and self.grid is not None
        patches_bnc, classify = self._patches(loss.point), self._classifier(loss.output)
        mask_n = box_mask(mixed.box, self.grid, patches_bnc)
        inside, outside = mixed.regions
        if loss.kind == "paper":
            return diversity.patch_mixing(classify(patches_bnc), inside, outside, mask_n)
        regions = ((mask_n, inside), (1 - mask_n, outside))
        return torch.stack([
            diversity.region_mixing(classify(diversity.pool_region(patches_bnc, mask)), targets, mask)
            for mask, targets in regions
        ]).sum()  # fmt: skip

    def _patches(self, point: str) -> Tensor:
        """The patches at a point, (B, N, C), without extra tokens."""
        (x,) = self._values[point]
        extra = len(self._shapes[point].tokens)
        return x.flatten(2).mT if x.ndim == 4 else x[:, extra:]

    def _classifier(self, output: str) -> nn.Module:
        found = self.model.get_classifier()
        classifier = found[output] if isinstance(found, dict) else found
        assert classifier is not None
        return classifier


_COMPUTE: dict[type[Loss], Callable[..., Tensor]] = {
    CrossEntropy: Objective.cross_entropy, BinaryCrossEntropy: Objective.binary,
    Distillation: Objective.distillation, TokenLabels: Objective.token_labels,
    AttentionCosine: Objective.attention, PatchCosine: Objective.patch_cosine,
    PatchContrastive: Objective.contrast, PatchMixing: Objective.patch_mixing,
}  # fmt: skip


def per_token(logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Logits (B, K), (B, N, K) or (B, K, H, W) as rows, and the label of each, (B,) or (B, K): that of its image."""
    rows = logits.flatten(2).mT if logits.ndim == 4 else logits
    if rows.ndim == 2:
        return rows, targets
    return rows.flatten(0, 1), targets.repeat_interleave(rows.shape[1], 0)


def _noting(values: dict[str, list[Tensor]], name: str, watches: list[bool]) -> Callable[..., None]:
    """A hook that notes what goes through a point, while losses are computed: not where the model is evaluated."""

    def note(module: nn.Module, given: Any, output: Tensor) -> None:
        if watches[0]:
            values.setdefault(name, []).append(output)

    return note
