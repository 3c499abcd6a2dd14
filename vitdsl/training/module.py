"""A training as Lightning runs it: steps, evaluation, and what its checkpoints hold besides."""

from __future__ import annotations

import math
import time
from typing import Any, NoReturn, cast

import torch
from lightning.pytorch import LightningModule
from torch import Tensor, distributed
from torch.optim.swa_utils import AveragedModel

from vitdsl.errors import Problem
from vitdsl.training.draws import Purpose, fixed_seed, seed_of
from vitdsl.training.errors import DivergedError
from vitdsl.training.loading import Batch
from vitdsl.training.measures import count_right, measures_of
from vitdsl.training.mixing import Mixed, Mixer
from vitdsl.training.objective import Objective
from vitdsl.training.optimizer import averaging, learning_rate, make_optimizer, set_rate
from vitdsl.training.recipe import Recipe

CHECK_EVERY = 50
"""Steps on an accelerator between looks at the loss, each of which waits for it."""


class Training(LightningModule):
    """A model, a recipe, and where the training stands.

    All draws of a step follow from the recipe's seed and the step's number, so a training that was interrupted goes on
    as if it had not been.

    Attributes:
        objective: the losses; its model is what is trained.
        average: a model of the averaged weights, or None.
        history: what was measured, an entry for each epoch.
    """

    def __init__(self, objective: Objective, mixer: Mixer, steps_per_epoch: int) -> None:
        """Takes what is trained.

        Args:
            objective: the losses, and the model.
            mixer: mixes the images of a batch.
            steps_per_epoch: of the optimizer.
        """
        super().__init__()
        self.objective, self.mixer, self.steps_per_epoch = objective, mixer, steps_per_epoch
        self.model = objective.model
        self.average: AveragedModel | None = None
        if self.recipe.file.average is not None:
            self.average = AveragedModel(self.model, multi_avg_fn=averaging(self.recipe.file.average), use_buffers=True)
            self.average.requires_grad_(False)
        self.history: list[dict[str, float]] = []
        self._began = self._seconds = self._evaluating = 0.0
        self._images = 0
        self._sums: dict[str, Tensor] = {}
        self._evaluated: dict[str, float] = {}
        self._skipped: set[tuple[str, int]] = set()

    @property
    def recipe(self) -> Recipe:
        """How it is trained."""
        return self.objective.recipe

    # ------------------------------------------------------------ training

    def configure_optimizers(self) -> Any:
        """The optimizer; learning rates are set before each step."""
        return make_optimizer(self.model, self.recipe)

    def rate(self, step: int) -> float:
        """The learning rate of a step."""
        return learning_rate(self.recipe, step, self.steps_per_epoch, self.recipe.file.batch)

    def on_train_epoch_start(self) -> None:
        """Begins to count; the last epoch is evaluated in any case."""
        self._began, self._evaluating, self._images, self._sums = time.perf_counter(), 0.0, 0, {}
        if self.current_epoch + 1 == self.trainer.max_epochs:
            self.trainer.check_val_every_n_epoch = 1

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        """Sets the learning rate of this step."""
        set_rate(self.trainer.optimizers[0], self.rate(self.global_step))

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """The loss of a batch."""
        numbers = (self.recipe.file.seed, self.current_epoch, batch_idx, self.global_rank)
        mixed = self._mix(batch, batch_idx)
        with fixed_seed(seed_of(Purpose.MODEL, *numbers), str(self.device)):
            loss, terms = self.objective(mixed, batch)
        self._images += len(batch.labels)
        for name, value in {"loss": loss, **terms}.items():
            self._sums[name] = self._sums.get(name, 0) + value.detach()
        if self.device.type == "cpu" or batch_idx % CHECK_EVERY == 0:
            self._check_finite(loss, terms)
        return loss

    def _mix(self, batch: Batch, batch_idx: int) -> Mixed:
        """The batch as the recipe mixes it in this epoch."""
        until = self.recipe.file.mix_epochs
        if until is not None and self.current_epoch >= until:
            return Mixed(batch.images, batch.labels)
        return self.mixer(batch, self.current_epoch * int(self.trainer.num_training_batches) + batch_idx)

    def configure_gradient_clipping(
        self, optimizer: Any, gradient_clip_val: Any = None, gradient_clip_algorithm: Any = None
    ) -> None:
        """Clips gradients as the recipe says: their norm, each value, or by the norm of the weights (`agc`)."""
        clip = self.recipe.file.clip
        if clip is None:
            return
        from timm.utils.clip_grad import dispatch_clip_grad

        dispatch_clip_grad(list(self.model.parameters()), clip, mode=self.recipe.file.clip_by)

    def _check_finite(self, loss: Tensor, terms: dict[str, Tensor]) -> None:
        """Stops all processes where the loss of one of them is not finite."""
        if self._of_all(bool(torch.isfinite(loss))):
            return
        found = {name: self._mean(term.detach()) for name, term in terms.items()}
        bad = next((name for name, value in found.items() if not math.isfinite(value)), None)
        what = "the loss is not finite" if bad is None else f"`losses.{bad}` is {found[bad]:g}"
        step = self.global_step
        message = (
            f"{what} at step {step + 1:,}, in epoch {self.current_epoch + 1}; the learning rate there is "
            f"{self.rate(step):.3g}"
        )
        self._stop(message, self._unstable())

    def _check_weights(self) -> None:
        """Stops where the last step spoiled the weights, so that they are not kept."""
        unstable = self._unstable()
        if not self._of_all(unstable is None):
            self._stop(
                f"weights are not finite after step {self.global_step:,}, in epoch {self.current_epoch + 1}", unstable
            )

    def _unstable(self) -> str | None:
        """A parameter that is not finite."""
        return next((path for path, each in self.model.named_parameters() if not bool(each.isfinite().all())), None)

    def _stop(self, message: str, unstable: str | None) -> NoReturn:
        """Ends this process, and the first of all says why."""
        if self.global_rank:
            raise SystemExit(1)
        cause = "a lower `optimizer.learning_rate`, a longer `schedule.warmup`, or `clip: 1` may help"
        if unstable:
            cause = f"the weights `{unstable}` are not finite: {cause}"
        raise DivergedError(
            Problem(message, hint=f"{cause}; the weights of the last whole epoch are kept", code="E817")
        )

    def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Updates the average of the weights."""
        if self.average is not None and (batch_idx + 1) % self.trainer.accumulate_grad_batches == 0:
            self.average.update_parameters(self.model)

    def on_train_epoch_end(self) -> None:
        """Notes what was measured; evaluation has run before."""
        self._check_finite(self._sums["loss"], {name: each for name, each in self._sums.items() if name != "loss"})
        self._check_weights()
        batches = self.trainer.num_training_batches
        seconds = time.perf_counter() - self._began
        self._seconds += seconds
        skipped = self._count_skipped()
        self.history.append({
            "epoch": self.current_epoch + 1,
            "step": self.global_step,
            **{name: self._mean(total / batches) for name, total in self._sums.items()},
            "learning_rate": self.rate(self.global_step - 1),
            "images_per_second": self._images * self.trainer.world_size / (seconds - self._evaluating),
            "seconds": self._seconds,
            **self._evaluated,
            **({"skipped": skipped} if skipped else {}),
        })  # fmt: skip
        self._evaluated = {}

    def _count_skipped(self) -> int:
        """How many photos could not be read so far, in all processes."""
        loaders = {"train": self.trainer.train_dataloader, "validation": self.trainer.val_dataloaders}
        for name, loader in loaders.items():
            self._skipped.update((name, index) for index in getattr(loader, "unreadable", ()))
        if self.trainer.world_size > 1:
            found: list[Any] = [None] * self.trainer.world_size
            distributed.all_gather_object(found, self._skipped)
            self._skipped = set().union(*found)
        return len(self._skipped)

    # ------------------------------------------------------------ processes

    def _of_all(self, decision: bool) -> bool:
        """Whether it is so in all processes."""
        return self.trainer.strategy.reduce_boolean_decision(decision)

    def _gathered(self, value: Tensor) -> Tensor:
        """The values of all processes, (P, …)."""
        found = cast("Tensor", self.all_gather(value))
        return found if self.trainer.world_size > 1 else found[None]

    def _mean(self, value: Tensor) -> float:
        """The mean among processes."""
        return float(self._gathered(value).double().mean())

    # ------------------------------------------------------------ evaluation

    def on_validation_epoch_start(self) -> None:
        """Begins to count."""
        self._evaluation_began = time.perf_counter()
        self._counts = torch.zeros(2, 4, dtype=torch.float64, device=self.device)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Counts right answers and the loss of a batch; what stands in it as padding is left out."""
        self._counts[0] += count_right(self.model, batch)
        if self.average is not None:
            self._counts[1] += count_right(self.average.module, batch)

    def on_validation_epoch_end(self) -> None:
        """Adds up what all processes found."""
        counts = self._gathered(self._counts).sum(0)
        self._evaluating = time.perf_counter() - self._evaluation_began
        self._evaluated = measures_of(counts[0])
        if self.average is not None:
            self._evaluated |= {f"average_{name}": value for name, value in measures_of(counts[1]).items()}

    # ------------------------------------------------------------ checkpoints

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keeps the history; the average is kept as the weights are."""
        kept = {"history": self.history, "seconds": self._seconds, "skipped": sorted(self._skipped)}
        checkpoint["vitdsl"] = kept

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Takes the history back."""
        kept = checkpoint["vitdsl"]
        self.history, self._seconds = [dict(entry) for entry in kept["history"]], kept["seconds"]
        self._skipped = {(name, index) for name, index in kept["skipped"]}
