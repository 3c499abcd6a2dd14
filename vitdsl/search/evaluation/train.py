"""`{type: train, epochs: 2}`: short training on a data set."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from vitdsl.errors import SpecError, refuse
from vitdsl.fields.marks import Reads
from vitdsl.fields.messages import describe
from vitdsl.fields.types import Positive, Rate
from vitdsl.search.evaluation.base import Evaluation
from vitdsl.training.data import DIGITS, VALIDATION
from vitdsl.training.recipe import Recipe, load_recipe

if TYPE_CHECKING:
    from vitdsl.search.candidate import Candidate
    from vitdsl.spec import Spec

Above = Annotated[float, Field(gt=0)]


BESIDE_RECIPE = frozenset({"type", "recipe", "data", "epochs"})
"""The fields that may stand beside a recipe. It says all others."""


def _recipe(value: Any, reader: Any) -> Recipe | None:
    if value is None or isinstance(value, Recipe):
        return value
    if not isinstance(value, (str, dict)):
        refuse(f"`recipe` must be a name, a path or a recipe, but is {describe(value)}", code="E203")
    try:
        return load_recipe(value)
    except SpecError as error:
        problem = error.problems[0]
        refuse(f"`recipe` is wrong: {problem.message}", problem.hint, code=problem.code)


class Train(Evaluation):
    """Trains a candidate from its own seed, and evaluates it: by AdamW (Loshchilov and Hutter, 2019), or by a recipe.

    A later rung that differs in `epochs` alone resumes the checkpoint of an earlier one, and so does a retry.

    Attributes:
        recipe: how it is trained, as by `vitdsl train`: a shipped name, a path or a recipe; its seed is the
            candidate's. Without one, the fields below say it, and the images stay in memory as they are.
        data: `digits`, scikit-learn's 1,797 digits, or a folder of images by class.
        validation: the share of images that is used for validation.
        epochs: passes over the training images, those of earlier rungs included; by default all of the recipe's.
        schedule: passes of the whole cosine; by default the most `epochs` of rungs that differ in `epochs` alone.
        batch: images a step.
        learning_rate: its highest value.
        weight_decay: of matrices; vectors (biases, norms, scales) do not decay.
        warmup: the share of the schedule in which the learning rate rises from 0.
        label_smoothing: the share of a label that is spread over all classes.
        clip: the largest norm of all gradients together.
    """

    type: Literal["train"] = "train"
    recipe: Annotated[Any, Reads(_recipe, {"type": ["string", "object"]})] = None
    data: str = DIGITS
    validation: Annotated[float, Field(gt=0, lt=1)] = VALIDATION
    epochs: Positive | None = None
    schedule: Positive | None = None
    batch: Positive = 32
    learning_rate: Above = 0.005
    weight_decay: Annotated[float, Field(ge=0)] = 0.05
    warmup: Rate = 0.1
    label_smoothing: Rate = 0.1
    clip: Above = 5.0

    def agree(self) -> None:
        """The schedule is at least as long as the training, and what a recipe says is not said again."""
        if self.recipe is not None:
            self._agree_with(self.recipe)
        elif self.epochs is None:
            refuse("`epochs` is missing: how long a candidate is trained", "a `recipe` says it too", code="E202")
        elif self.schedule is not None and self.schedule < self.epochs:
            message = f"`schedule` must be at least `epochs` ({self.epochs}), but is {self.schedule}"
            refuse(message, "the cosine has reached 0 there", at=("schedule",), code="E207")

    def _agree_with(self, recipe: Recipe) -> None:
        for name in self.fields:
            if name in self.fields_set - BESIDE_RECIPE:
                hint = "`recipe: {extends: NAME, …}` changes what the recipe says"
                refuse(f"`{name}` does nothing beside a `recipe`, which says it", hint, at=(name,), code="E207")
        if self.epochs is not None and self.epochs > recipe.file.epochs:
            message = f"the recipe has {recipe.file.epochs} epochs, but `epochs` is {self.epochs}"
            refuse(message, "`recipe: {extends: NAME, epochs: N}` makes it longer", at=("epochs",), code="E207")
        if recipe.file.data is None and "data" not in self.fields_set:
            refuse(
                "the recipe does not say what to train on",
                "`data: digits`, or a folder of images by class",
                code="E803",
            )

    @property
    def last(self) -> int:
        """The epoch after which it ends."""
        return self.epochs or self.recipe.file.epochs

    @property
    def length(self) -> int:
        """Epochs of the whole schedule."""
        return self.schedule or self.last

    @property
    def data_set(self) -> str:
        """The data set: the recipe's, unless `data` says another."""
        if self.recipe is None or "data" in self.fields_set:
            return self.data
        return self.recipe.file.data

    def names(self) -> tuple[str, ...]:
        """Accuracy (0..1) and cross-entropy on the validation images, and seconds of all training so far."""
        return ("accuracy", "loss", "seconds")

    def among(self, rungs: Sequence[Evaluation]) -> Train:
        """One schedule for all rungs that differ in `epochs` alone."""
        if self.schedule is not None or self.recipe is not None:
            return self
        others = [rung for rung in rungs if isinstance(rung, Train) and rung.recipe is None]
        alike = [rung.last for rung in others if rung.but_epochs() == self.but_epochs()]
        return self.replace(schedule=max([self.last, *alike]))

    def but_epochs(self) -> dict[str, object]:
        """All fields of a training without a recipe, but those that say how long it is."""
        return {name: value for name, value in vars(self).items() if name not in ("epochs", "schedule", "recipe")}

    def unsuited(self, spec: Spec) -> str | None:
        """Where the data has other classes, or cannot be converted to the images of the spec."""
        from vitdsl.training.data import unsuited

        return unsuited(self.data_set, spec)

    def restore(self, candidate: Candidate) -> None:
        """The model is loaded from the checkpoint when it is first used."""
        if self.recipe is None:
            from vitdsl.search.training import trained_model
        else:
            from vitdsl.search.recipe_training import trained_model
        candidate.restore_model = lambda: trained_model(candidate, self)

    def measure(self, candidate: Candidate) -> dict[str, float]:
        """Trains for `epochs`, evaluates, and leaves the trained model in `candidate.model`.

        Training stops at the first loss that is not finite; the loss is infinite then, and such logits are wrong.
        """
        if self.recipe is None:
            from vitdsl.search.training import train_and_evaluate
        else:
            from vitdsl.search.recipe_training import train_and_evaluate
        self.refuse_unsuited(candidate)
        return train_and_evaluate(candidate, self)
