"""The file of a recipe: how a model is trained. It is read as specs are, and knows no model."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from vitdsl.errors import Problem, Refusal, SpecError, refuse
from vitdsl.fields.marks import KindField, Nested, Reads
from vitdsl.fields.messages import describe, with_name
from vitdsl.fields.types import Natural, NotNegative, Positive, PositiveReal, Rate, Title, read_each
from vitdsl.parts.base import NONE, Fields
from vitdsl.resolve.edit import Place, Root
from vitdsl.resolve.extends import resolve
from vitdsl.syntax.locate import mark_of, problem
from vitdsl.syntax.paths import Key
from vitdsl.syntax.printer import dump_tree, plain
from vitdsl.syntax.summary import facts
from vitdsl.syntax.tree import Map
from vitdsl.training.data import VALIDATION
from vitdsl.training.history import MEASURES
from vitdsl.training.kinds import CROPS, LOSSES, MIXES, CrossEntropy, Loss, RandomResizedCrop
from vitdsl.training.policies import policy_fault
from vitdsl.validate.file_place import ByName
from vitdsl.validate.model import RawField
from vitdsl.validate.places import NO_DEFINES, FieldPlace, field_place
from vitdsl.validate.wiring import read_short


class Augment(Fields):
    """How a photo of the training set becomes an image; its size, mean and deviation are those of the spec's `input`.

    Attributes:
        crop: which part is cut: `random_resized`, `padded`, or `none`: as in evaluation.
        flip: the probability of a horizontal flip.
        vertical_flip: the probability of a vertical flip.
        color_jitter: the largest relative change of brightness, contrast and saturation.
        policy: a policy in timm's words, as `rand-m9-mstd0.5-inc1`, or `three`: DeiT III's three augmentations.
        erase: the probability that a rectangle is replaced by noise (Zhong et al., 2017).
        repeats: how often each image stands in a batch, augmented anew (Hoffer et al., 2019).
    """

    crop: Annotated[Any, KindField(CROPS, "crop")] = RandomResizedCrop()
    flip: Rate = 0.5
    vertical_flip: Rate = 0.0
    color_jitter: NotNegative = 0.0
    policy: str | None = None
    erase: Rate = 0.0
    repeats: Positive = 1
    absent: ClassVar[frozenset[str]] = frozenset({"policy"})

    def agree(self) -> None:
        """The policy is written in timm's words."""
        if self.policy is not None and (fault := policy_fault(self.policy)) is not None:
            refuse(*fault, at=("policy",), code="E801")


class Optimizer(Fields):
    """What moves the weights.

    Attributes:
        type: an optimizer by timm's name.
        learning_rate: its highest value, for a batch of `per_batch` images; for other batches it is scaled linearly.
        per_batch: None: the learning rate is that of the batch as it is.
        weight_decay: of matrices and kernels. Biases, norms, scales, learned tokens and tables of positions have none.
        betas: of Adam and its kin.
        eps: what keeps a division from one by zero; None: the optimizer's own.
        momentum: of SGD.
        layer_decay: the factor on the learning rate from one block to the one before it (Clark et al., 2020).
    """

    type: str = "adamw"
    learning_rate: PositiveReal
    per_batch: Positive | None = None
    weight_decay: NotNegative = 0.0
    betas: list[Rate] | None = None
    eps: PositiveReal | None = None
    momentum: Rate = 0.9
    layer_decay: Annotated[float, Field(gt=0, le=1)] | None = None

    def agree(self) -> None:
        """There are two betas."""
        if self.betas is not None and len(self.betas) != 2:
            refuse(f"`betas` must be two numbers, but are {len(self.betas)}", at=("betas",), code="E217")


class Schedule(Fields):
    """The learning rate from step to step.

    Attributes:
        type: `cosine`: half a cosine from the highest value to `end` (Loshchilov and Hutter, 2017); `linear`: a line
            there; `constant`: no change; `steps`: times `factor` after every `every` epochs, down to `end`.
        warmup: epochs in which it rises linearly from `warmup_from`.
        warmup_steps: steps, in place of `warmup`.
        warmup_from: where it begins.
        after_warmup: whether the curve begins where the warm-up ends; false: it began with the training, and the
            warm-up stands in the place of its first part, as timm has it unless told otherwise.
        end: where it ends.
        cooldown: epochs at `end`, of those of the recipe.
        every: epochs between two steps; `steps` alone.
        factor: of each step; `steps` alone.
        scaled: whether `warmup_from` and `end` are scaled with the batch as the highest value is.
        by: whether it changes with every `step`, or every `epoch`.
    """

    type: Literal["cosine", "linear", "constant", "steps"] = "cosine"
    warmup: NotNegative = 0.0
    warmup_steps: Natural | None = None
    warmup_from: NotNegative = 0.0
    after_warmup: bool = True
    end: NotNegative = 0.0
    cooldown: NotNegative = 0.0
    every: PositiveReal = 30.0
    factor: Annotated[float, Field(gt=0, le=1)] = 0.1
    scaled: bool = False
    by: Literal["step", "epoch"] = "step"

    def agree(self) -> None:
        """The length of the warm-up is said once, and what steps alone have is said of steps."""
        if self.warmup and self.warmup_steps is not None:
            refuse(
                "the warm-up has `warmup` epochs or `warmup_steps` steps, but both are given",
                at=("warmup_steps",),
                code="E207",
            )
        for name in ("every", "factor"):
            if name in self.fields_set and self.type != "steps":
                refuse(
                    f"`{name}` does nothing where `type` is {self.type}",
                    "`type: steps` has it",
                    at=(name,),
                    code="E207",
                )


class Average(Fields):
    """A running average of the weights, which is evaluated beside them.

    Attributes:
        decay: what is left of the average after a step.
        warmup: whether the decay begins lower, as (1 + step) / (10 + step).
    """

    decay: Annotated[float, Field(ge=0, lt=1)]
    warmup: bool = False


def _average(value: Any, reader: Any) -> Average | None:
    if value is None or value == NONE or isinstance(value, Average):
        return None if value == NONE else value
    return read_short(Average, value, "decay", reader)


_LOSS = KindField(LOSSES, "loss")


def _losses(value: Any, reader: Any) -> dict[str, Loss]:
    if not isinstance(value, dict):
        refuse(f"`losses` must be a mapping of names to losses, but is {describe(value)}", code="E203")
    kept = {name: entry for name, entry in value.items() if entry not in (None, NONE)}
    taken = [name for name in kept if name in MEASURES]
    if taken:
        refuse(
            f"a loss cannot be called `{taken[0]}`, which is what a measure is called", at=(Key(taken[0]),), code="E208"
        )
    if not kept:
        refuse("`losses` must hold a loss, as `labels: cross_entropy`", code="E217")
    return dict(zip(kept, read_each(kept.items(), lambda _, entry: _LOSS.read(entry, reader)), strict=True))


def _losses_schema(of: Any) -> dict[str, Any]:
    alternatives = _LOSS.json_schema(of)["anyOf"]
    return {"type": "object", "additionalProperties": {"anyOf": [*alternatives, {"const": NONE}]}}


def _average_schema(of: Any) -> dict[str, Any]:
    return {"anyOf": [of(Average), {"type": "number", "minimum": 0, "exclusiveMaximum": 1}]}


class RecipeFile(Fields):
    """A whole recipe.

    Attributes:
        extends: a recipe to start from: a shipped name, or a path.
        set: values by written path, laid over what is extended.
        vars: values by name, written `$name` elsewhere.
        name: what it is called; by default as its file.
        paper: where it comes from: `title`, `arxiv`, `code`.
        data: what it trains on, where the command does not say it.
        epochs: passes over the training images.
        batch: images a step, of all devices together.
        smoothing: the share of a label that is spread over all classes.
        augment: how a photo becomes an image.
        mix: how images of a batch are mixed with one another: `mixup_cutmix`, `rolled_mixup`, `mix_token`, `regions`.
        mix_epochs: so many epochs, from the first on, mix images; by default all.
        losses: by a name of your choice, what is minimized: the sum, each times its `weight`.
        optimizer: what moves the weights.
        schedule: the learning rate from step to step.
        clip: the largest size of gradients.
        clip_by: what is meant by their size: the `norm` of all together, the `value` of each, or the norm of those of a
            row as a share of that of its weights (`agc`; Brock et al., 2021).
        average: a running average of the weights: its decay, or `{decay, warmup}`.
        validation: the share of each class that evaluates, of data sets without images for that.
        evaluate_every: epochs between evaluations.
        seed: what all draws follow from.
    """

    name: Title | None = None
    paper: RawField = None
    data: str | None = None
    epochs: Positive
    batch: Positive
    smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0
    augment: Annotated[Augment, Nested(Augment)] = Augment()
    mix: Annotated[Any, KindField(MIXES, "way to mix")] = None
    mix_epochs: Positive | None = None
    losses: Annotated[Any, Reads(_losses, _losses_schema)] = {"labels": CrossEntropy()}  # noqa: RUF012
    optimizer: Annotated[Optimizer, Nested(Optimizer)]
    schedule: Annotated[Schedule, Nested(Schedule)] = Schedule()
    clip: PositiveReal | None = None
    clip_by: Literal["norm", "value", "agc"] = "norm"
    average: Annotated[Any, Reads(_average, _average_schema, short="decay", model=Average)] = None
    validation: Annotated[float, Field(gt=0, lt=1)] = VALIDATION
    evaluate_every: Positive = 1
    seed: Natural = 0
    merged: ClassVar[tuple[str, ...]] = ("extends", "set", "vars")
    absent: ClassVar[frozenset[str]] = frozenset({"mix", "clip", "average"})

    def agree(self) -> None:
        """The schedule is no longer than the training."""
        length = self.schedule.warmup + self.schedule.cooldown
        if length > self.epochs:
            message = f"`warmup` and `cooldown` take {length:g} epochs, but there are {self.epochs}"
            refuse(message, at=("schedule",), code="E207")


class Recipe:
    """A validated recipe.

    Attributes:
        tree: the merged file, with positions.
        file: its fields.
        name: what it is called.
    """

    def __init__(self, tree: Map, file: RecipeFile, name: str) -> None:
        self.tree, self.file, self.name = tree, file, name

    def dump(self) -> str:
        """Canonical YAML: merged, variables put in; `load_recipe` gives the same recipe back."""
        return dump_tree(self.tree)

    @property
    def said(self) -> dict[str, Any]:
        """What decides about the numbers of a training, as plain values."""
        return {key: plain(value) for key, value in self.tree.items() if key not in ("name", "paper", "data")}

    def path_of(self, at: tuple[str, ...], file: str) -> Path:
        """The path of a file that a field names.

        It is relative to the folder of the file with that field, if it exists there, or else to the current folder.

        Args:
            at: the place of the field.
            file: what the field says.
        """
        mark = mark_of(self.tree, at)
        near = Path(mark.source.name).parent / file if mark is not None else Path(file)
        return near if near.is_file() else Path(file)

    def files(self) -> dict[str, Path]:
        """The files that its losses name, by their place."""
        return {
            f"losses.{name}.{key}": self.path_of(("losses", name, key), file)
            for name, loss in self.file.losses.items() for key in loss.files
            if (file := getattr(loss, key)) is not None
        }  # fmt: skip

    def problem(self, at: tuple[Any, ...], message: str, hint: str = "", code: str = "") -> Problem:
        """A fault at a place of the file."""
        return problem(self.tree, at, message, hint, code)


class _RecipePlace(Root):
    """The root of a recipe."""

    what = "recipe"
    is_a = "a mapping with `epochs`, `batch` and an `optimizer`"
    folders = ("recipes",)
    list_all = "`vitdsl list --recipes` prints the recipes that are shipped"

    def other(self, tree: Mapping[str, Any], name: str) -> tuple[str, str] | None:
        """A spec has stages."""
        hint = "a recipe says how a model is trained; `vitdsl train SPEC --recipe RECIPE`"
        return ("this is a spec, not a recipe", hint) if "stages" in tree else None

    def below(self, key: str, base: Mapping[str, Any], over: Mapping[str, Any]) -> Place:
        if key == "losses":
            return ByName(FieldPlace(_LOSS, NO_DEFINES))
        return field_place(RecipeFile, key, NO_DEFINES)


RECIPE = _RecipePlace()
"""What a recipe is, where two are merged."""


def load_recipe(source: str | Path | Mapping[str, Any], set: Mapping[str, Any] | None = None) -> Recipe:
    """Reads and validates a recipe.

    Args:
        source: a shipped name (`specs/recipes`), a path, YAML text or a mapping.
        set: values by written path, laid over the file.

    Raises:
        SpecError: with every problem found, each at its place.
    """
    tree = resolve(source, set, RECIPE)
    late = [key for key, value in tree.items() if key != "vars" and facts(value).late]
    if late:
        message = "a recipe is written out: it has no holes, and reads nothing but its own `vars`"
        raise SpecError([problem(tree, (key,), message, code="E209") for key in late])
    try:
        file = RecipeFile.read({key: value for key, value in tree.items() if key != "vars"}, None)
    except Refusal as error:
        raise SpecError([problem(tree, *with_name(fault)) for fault in error.items]) from None
    return Recipe(tree, file, file.name or (tree.names[0] if tree.names else "recipe"))
