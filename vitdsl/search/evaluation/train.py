"""`{type: train, epochs: 2}`: short training on a data set."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from vitdsl.errors import Problem, SpecError, refuse
from vitdsl.fields.types import Positive, Rate
from vitdsl.search.data import VALIDATION
from vitdsl.search.evaluation.base import Evaluation

if TYPE_CHECKING:
    from vitdsl.search.candidate import Candidate
    from vitdsl.spec import Spec

Above = Annotated[float, Field(gt=0)]


class Train(Evaluation):
    """Trains a candidate from its own seed by AdamW (Loshchilov and Hutter, 2019), and judges it by held images.

    A later rung that differs in `epochs` alone goes on from the checkpoint of an earlier one, and so does a retry.

    Attributes:
        data: `digits`, scikit-learn's 1,797 digits, or a folder of images by class.
        validation: the share of images that the candidate is judged by.
        epochs: passes over the training images, those of earlier rungs included.
        schedule: passes that the cosine is stretched over; by default the most `epochs` of the rungs alike.
        batch: images a step.
        learning_rate: its highest value.
        weight_decay: of weights; vectors (biases, norms, scales) do not decay.
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
        """The schedule holds all epochs."""
        if self.schedule is not None and self.schedule < self.epochs:
            message = f"`schedule` must be at least `epochs` ({self.epochs}), but is {self.schedule}"
            refuse(message, "the cosine has reached 0 there", at=("schedule",))

    @property
    def length(self) -> int:
        """Epochs of the whole schedule."""
        return self.schedule or self.epochs

    def names(self) -> tuple[str, ...]:
        """Accuracy (0..1) and cross-entropy of the held images, and seconds of all training so far."""
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
        """Other classes than the data's, or images that the data cannot be made into."""
        from vitdsl.search.data import unsuited

        return unsuited(self.data, spec)

    def restore(self, candidate: Candidate) -> None:
        """The trained model comes from the checkpoint, when somebody asks for it."""
        from vitdsl.search.short_training import trained

        candidate.trained = lambda: trained(candidate, self).model

    def measure(self, candidate: Candidate) -> dict[str, float]:
        """Trains as far as `epochs` and judges; the trained weights are left in `candidate.model`.

        Training that comes to no finite loss ends at once; what is not finite counts as wrong, the loss as infinite.
        """
        from vitdsl.search.short_training import fit

        reason = self.unsuited(candidate.spec)
        if reason is not None:
            raise SpecError(Problem(reason, mark=candidate.spec.tree.pos))
        return fit(candidate, self)
