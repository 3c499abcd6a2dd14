"""`{type: train, epochs: 2}`: short training on a data set."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from vitdsl.errors import refuse
from vitdsl.fields.types import Positive, Rate
from vitdsl.search.evaluation.base import Evaluation
from vitdsl.training.data import VALIDATION

if TYPE_CHECKING:
    from vitdsl.search.candidate import Candidate
    from vitdsl.spec import Spec

Above = Annotated[float, Field(gt=0)]


class Train(Evaluation):
    """Trains a candidate by AdamW (Loshchilov and Hutter, 2019) from its own seed, and evaluates it.

    A later rung that differs in `epochs` alone resumes the checkpoint of an earlier one, and so does a retry.

    Attributes:
        data: `digits`, scikit-learn's 1,797 digits, or a folder of images by class.
        validation: the share of images that is used for validation.
        epochs: passes over the training images, those of earlier rungs included.
        schedule: passes of the whole cosine; by default the most `epochs` of rungs that differ in `epochs` alone.
        batch: images a step.
        learning_rate: its highest value.
        weight_decay: of matrices; vectors (biases, norms, scales) do not decay.
        warmup: the share of the schedule in which the learning rate rises from 0.
        label_smoothing: the share of a label that is spread over all classes.
        clip: the largest norm of all gradients together.
    """

    type: Literal["train"] = "train"
    data: str = "digits"
    validation: Annotated[float, Field(gt=0, lt=1)] = VALIDATION
    epochs: Positive
    schedule: Positive | None = None
    batch: Positive = 32
    learning_rate: Above = 0.005
    weight_decay: Annotated[float, Field(ge=0)] = 0.05
    warmup: Rate = 0.1
    label_smoothing: Rate = 0.1
    clip: Above = 5.0

    def agree(self) -> None:
        """The schedule is at least as long as the training."""
        if self.schedule is not None and self.schedule < self.epochs:
            message = f"`schedule` must be at least `epochs` ({self.epochs}), but is {self.schedule}"
            refuse(message, "the cosine has reached 0 there", at=("schedule",))

    @property
    def length(self) -> int:
        """Epochs of the whole schedule."""
        return self.schedule or self.epochs

    def names(self) -> tuple[str, ...]:
        """Accuracy (0..1) and cross-entropy on the validation images, and seconds of all training so far."""
        return ("accuracy", "loss", "seconds")

    def among(self, rungs: Sequence[Evaluation]) -> Train:
        """One schedule for all rungs that differ in `epochs` alone."""
        if self.schedule is not None:
            return self
        alike = [rung.epochs for rung in rungs if isinstance(rung, Train) and rung.but_epochs() == self.but_epochs()]
        return self.replace(schedule=max([self.epochs, *alike]))

    def but_epochs(self) -> dict[str, object]:
        """All fields but those that say how long it trains."""
        return {name: value for name, value in vars(self).items() if name not in ("epochs", "schedule")}

    def unsuited(self, spec: Spec) -> str | None:
        """Where the data has other classes, or cannot be converted to the images of the spec."""
        from vitdsl.training.data import unsuited

        return unsuited(self.data, spec)

    def restore(self, candidate: Candidate) -> None:
        """The model is loaded from the checkpoint when it is first used."""
        from vitdsl.search.training import train

        candidate.restore_model = lambda: train(candidate, self).model

    def measure(self, candidate: Candidate) -> dict[str, float]:
        """Trains for `epochs`, evaluates, and leaves the trained model in `candidate.model`.

        Training stops at the first loss that is not finite; the loss is infinite then, and such logits are wrong.
        """
        from vitdsl.search.training import train_and_evaluate

        self.refuse_unsuited(candidate)
        return train_and_evaluate(candidate, self)
