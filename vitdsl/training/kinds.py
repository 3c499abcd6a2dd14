"""What a recipe names by `type`: crops, ways to mix images, losses. Fields alone; torch is not loaded."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from vitdsl.errors import refuse
from vitdsl.fields.marks import KindField
from vitdsl.fields.types import Name, NotNegative, Positive, PositiveReal, Rate, Real
from vitdsl.parts.base import Fields

TIMM = "timm:"
"""What stands before the name of a teacher that is a model of timm."""


# ---------------------------------------------------------------- crops


class RandomResizedCrop(Fields):
    """A random part of the photo, resized (Szegedy et al., 2015).

    Attributes:
        scale: the least and the greatest share of the photo's area.
        ratio: the least and the greatest ratio of width to height.
    """

    type: Literal["random_resized"] = "random_resized"
    scale: list[PositiveReal] = [0.08, 1.0]  # noqa: RUF012
    ratio: list[PositiveReal] = [0.75, 1.3333333333333333]  # noqa: RUF012

    def agree(self) -> None:
        """Each is two numbers in order, and a share is at most 1."""
        for name in ("scale", "ratio"):
            pair = getattr(self, name)
            if len(pair) != 2 or pair[0] > pair[1] or (name == "scale" and pair[1] > 1):
                most = ", at most 1" if name == "scale" else ""
                refuse(
                    f"`{name}` must be the least and the greatest value{most}, but is {pair}", at=(name,), code="E204"
                )


class PaddedCrop(Fields):
    """The photo at the size of evaluation, with a margin, of which an image is cut at a random place.

    Attributes:
        padding: pixels on each side.
        fill: how the margin is filled.
    """

    type: Literal["padded"] = "padded"
    padding: Positive = 4
    fill: Literal["zeros", "reflect"] = "zeros"


class NoCrop(Fields):
    """The photo as in evaluation."""

    type: Literal["none"] = "none"


CROPS: dict[str, type[Fields]] = {"random_resized": RandomResizedCrop, "padded": PaddedCrop, "none": NoCrop}


# ---------------------------------------------------------------- mixing


class MixupCutmix(Fields):
    """Mixup (Zhang et al., 2018) or CutMix (Yun et al., 2019) of a batch with itself in reverse order, as timm does it.

    Attributes:
        mixup: both parameters of the beta distribution of the share; 0: no mixup.
        cutmix: likewise, of the share of the area; 0: no CutMix.
        probability: of a batch being mixed at all.
        switch: the probability of CutMix, where there are both.
        mode: whether the share is drawn for a `batch`, each `pair`, or each image (`elem`).
    """

    type: Literal["mixup_cutmix"] = "mixup_cutmix"
    mixup: NotNegative = 0.8
    cutmix: NotNegative = 1.0
    probability: Rate = 1.0
    switch: Rate = 0.5
    mode: Literal["batch", "pair", "elem"] = "batch"

    def agree(self) -> None:
        """One of the two is there."""
        if not self.mixup and not self.cutmix:
            refuse("`mixup` and `cutmix` are both 0, so nothing is mixed", "`mix: none`", at=("mixup",), code="E207")


class RolledMixup(Fields):
    """Mixup of each image with the one before it, by a share of at least a half, as in SimpleViT's recipe.

    Attributes:
        alpha: both parameters of the beta distribution of the share.
    """

    type: Literal["rolled_mixup"] = "rolled_mixup"
    alpha: PositiveReal = 0.2


class MixToken(Fields):
    """Tokens in a box come from the batch in reverse order (Jiang et al., 2021).

    Attributes:
        point: the spec's point at which tokens are mixed.
        outputs: the outputs that are put back, so that each token's logits are those of its own image.
        alpha: both parameters of the beta distribution of the share.
    """

    type: Literal["mix_token"] = "mix_token"
    point: Name = "mix_token"
    outputs: list[Name] = ["token_logits"]  # noqa: RUF012
    alpha: PositiveReal = 1.0


class Regions(Fields):
    """A region of patches comes from another image of the batch (Gong et al., 2021).

    Attributes:
        point: the spec's point whose grid the regions lie on.
        before: how the batch is mixed before that, as the authors' repository does it by CutMix; by default it is not.
    """

    type: Literal["regions"] = "regions"
    point: Name = "patches"
    before: Annotated[Any, KindField({"mixup_cutmix": MixupCutmix}, "way to mix before regions")] = None


MIXES: dict[str, type[Fields]] = {
    "mixup_cutmix": MixupCutmix, "rolled_mixup": RolledMixup, "mix_token": MixToken, "regions": Regions,
}  # fmt: skip


# ---------------------------------------------------------------- losses


class Loss(Fields):
    """A term of what is minimized.

    Attributes:
        weight: the factor on it.
    """

    type: str
    weight: Real = 1.0
    files: ClassVar[tuple[str, ...]] = ()
    """The fields that name files."""

    def outputs_needed(self) -> tuple[str, ...]:
        """The names of the training outputs that it reads."""
        return ()

    def points_needed(self) -> tuple[str, ...]:
        """The names of the points that it reads."""
        return ()


class CrossEntropy(Loss):
    """Cross-entropy with the labels, which may be smoothed and mixed.

    Attributes:
        output: the training output whose logits are meant; by default all outputs of the head, of which the mean is
            taken.
    """

    type: Literal["cross_entropy"] = "cross_entropy"
    output: Name | None = None

    def outputs_needed(self) -> tuple[str, ...]:
        """Its output, where one is named."""
        return () if self.output is None else (self.output,)


class BinaryCrossEntropy(CrossEntropy):
    """Each class apart, yes or no, of which the mean is taken (Wightman et al., 2021; DeiT III).

    Attributes:
        whole: whether each class with a share of the label counts as wholly there.
    """

    type: Literal["binary_cross_entropy"] = "binary_cross_entropy"  # type: ignore[assignment]
    whole: bool = False


class Distillation(Loss):
    """What a teacher says of the same images (Touvron et al., 2021).

    Attributes:
        teacher: a spec, or `timm:NAME`.
        teacher_weights: its weights, as `vitdsl build --weights` takes them; `timm:NAME` has weights of its own.
        kind: `hard`: the class that the teacher thinks likeliest; `soft`: all of its probabilities.
        output: the training output that learns from the teacher.
        temperature: of the softmax of both; soft alone.
    """

    type: Literal["distillation"] = "distillation"
    teacher: str
    teacher_weights: str | None = None
    kind: Literal["hard", "soft"] = "hard"
    output: Name = "dist"
    temperature: PositiveReal = 1.0
    files: ClassVar[tuple[str, ...]] = ("teacher_weights",)

    def outputs_needed(self) -> tuple[str, ...]:
        """Its output."""
        return (self.output,)

    def agree(self) -> None:
        """A hard label has no temperature."""
        if self.kind == "hard" and "temperature" in self.fields_set:
            refuse("`temperature` does nothing where `kind` is hard", at=("temperature",), code="E207")


class TokenLabels(Loss):
    """Labels of every token, made by a teacher with `vitdsl label` (Jiang et al., 2021).

    Attributes:
        file: what `vitdsl label` wrote, beside the recipe or seen from where the command runs; without one, each token
            has the label of its image.
        output: the training output of the tokens' logits.
        class_output: that of the image's logits.
        token_weight: the factor on the tokens' term.
        class_weight: the factor on the image's term.
        smoothing: the share of a label that is spread over all classes, in place of the recipe's.
        ground_truth: whether the image's label is mixed with the true one.
    """

    type: Literal["token_labels"] = "token_labels"
    file: str | None = None
    output: Name = "token_logits"
    class_output: Name = "cls"
    token_weight: NotNegative = 0.5
    class_weight: NotNegative = 1.0
    smoothing: Rate = 0.1
    ground_truth: bool = False
    files: ClassVar[tuple[str, ...]] = ("file",)

    def outputs_needed(self) -> tuple[str, ...]:
        """Both outputs."""
        return (self.class_output, self.output)


class AttentionCosine(Loss):
    """The likeness of the attention maps of blocks that follow one another (Zhou et al., 2021).

    Attributes:
        point: the name of the points at the maps, one in each block.
        count: so many pairs, from the first block on; by default all.
    """

    type: Literal["attention_cosine"] = "attention_cosine"
    weight: Real = 0.1
    point: Name = "attention"
    count: Positive | None = None

    def points_needed(self) -> tuple[str, ...]:
        """Its points."""
        return (self.point,)


class PatchCosine(Loss):
    """The likeness of the patches of an image to one another (Gong et al., 2021).

    Attributes:
        point: the spec's point at the patches of the last block.
        absolute: whether opposite directions count as alike, as in the paper.
        diagonal: whether each patch's likeness to itself counts, as in Diverse-ViT's code.
    """

    type: Literal["patch_cosine"] = "patch_cosine"
    point: Name = "patches"
    absolute: bool = True
    diagonal: bool = False

    def points_needed(self) -> tuple[str, ...]:
        """Its point."""
        return (self.point,)


class PatchContrastive(Loss):
    """Each patch at the end is likest to itself at the beginning (Gong et al., 2021).

    Attributes:
        first: the spec's point at the patches of the first block, or at their embedding.
        last: that at the patches of the last block.
        kind: `paper`: as its equation; `official`: as the authors' repository runs it; `diverse`: as Diverse-ViT's.
    """

    type: Literal["patch_contrastive"] = "patch_contrastive"
    first: Name = "embedding"
    last: Name = "patches"
    kind: Literal["paper", "official", "diverse"] = "paper"

    def points_needed(self) -> tuple[str, ...]:
        """Both points."""
        return (self.first, self.last)


class PatchMixing(Loss):
    """Each patch says which image it came from (Gong et al., 2021); needs images mixed by regions or by CutMix.

    Attributes:
        point: the spec's point at the patches of the last block.
        output: the head's output whose classifier the patches share.
        kind: `paper`: each patch apart; `official`: the mean of each region.
    """

    type: Literal["patch_mixing"] = "patch_mixing"
    point: Name = "patches"
    output: Name = "patch"
    kind: Literal["paper", "official"] = "paper"

    def points_needed(self) -> tuple[str, ...]:
        """Its point."""
        return (self.point,)

    def outputs_needed(self) -> tuple[str, ...]:
        """Its output."""
        return (self.output,)


LOSSES: dict[str, Any] = {
    "cross_entropy": CrossEntropy, "binary_cross_entropy": BinaryCrossEntropy, "distillation": Distillation,
    "token_labels": TokenLabels, "attention_cosine": AttentionCosine, "patch_cosine": PatchCosine,
    "patch_contrastive": PatchContrastive, "patch_mixing": PatchMixing,
}  # fmt: skip
