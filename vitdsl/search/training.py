"""A training loop for candidates: small data in memory, deterministic for a seed, resumed with equal bits.

Shape letters: B images, K classes, N tokens.
"""

from __future__ import annotations

import hashlib
import json
import math
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from vitdsl.errors import CheckpointError, Problem, SpecError
from vitdsl.resolve.files import write_whole
from vitdsl.search.candidate import Candidate
from vitdsl.search.data import Examples, load_data
from vitdsl.training.draws import fixed_seed
from vitdsl.training.losses import per_token
from vitdsl.training.needs import head_outputs
from vitdsl.training.optimizer import by_decay, half_cosine, is_matrix, set_rate

if TYPE_CHECKING:
    from vitdsl.compiler.model import VisionModel
    from vitdsl.search.evaluation.train import Train

SAVE_EVERY = 60.0
"""Seconds of training after which a checkpoint is saved before the rung's end."""
EVALUATION_BATCH = 256


def train_and_evaluate(candidate: Candidate, rule: Train) -> dict[str, float]:
    """Trains a candidate for `rule.last`, from its latest checkpoint, and leaves the model in `candidate.model`.

    Returns:
        `accuracy` and `loss` on the validation images, `seconds` of all training so far.
    """
    run = train(candidate, rule)
    candidate.model = run.model
    validation = load_data(rule.data, candidate.spec, rule.validation).validation.to(candidate.device)
    return {**run.evaluate(validation), "seconds": run.seconds}


def train(candidate: Candidate, rule: Train) -> Run:
    """Trains a candidate for `rule.last`, from its latest checkpoint; the model is in evaluation mode after it."""
    run = resume(candidate, rule)
    data = load_data(rule.data, candidate.spec, rule.validation).train.to(candidate.device)
    saved = run.seconds
    while run.finite and run.epochs < rule.last:
        run.epoch(data)
        if run.finite and (run.epochs == rule.last or run.seconds - saved > SAVE_EVERY):
            run.save()
            saved = run.seconds
    run.model.eval()
    return run


def trained_model(candidate: Candidate, rule: Train) -> VisionModel:
    """A candidate's model after a rung, from its checkpoint, or trained again."""
    return train(candidate, rule).model


def resume(candidate: Candidate, rule: Train) -> Run:
    """The training at its last checkpoint of at most `rule.last`, or at its beginning; warns of damaged ones."""
    for epochs in range(rule.last, 0, -1):
        path = checkpoint_path(candidate, rule, epochs)
        if path is None or not path.is_file():
            continue
        run = Run(candidate, rule)
        try:
            run.load(path)
        except CheckpointError as error:
            warnings.warn(f"{error.headline} It is not used: the training begins before it.", stacklevel=2)
            continue
        run.epochs = epochs
        return run
    return Run(candidate, rule)


def identity(candidate: Candidate, rule: Train) -> str:
    """Everything that determines the result; checkpoints with equal identity can be resumed."""
    fields = {**rule.but_epochs(), "schedule": rule.length}
    return json.dumps({"spec": candidate.spec.hash, "seed": candidate.seed, **fields}, sort_keys=True)


def checkpoint_path(candidate: Candidate, rule: Train, epochs: int) -> Path | None:
    """The checkpoint after so many epochs; None where the candidate has no folder."""
    if candidate.folder is None:
        return None
    name = hashlib.sha256(identity(candidate, rule).encode()).hexdigest()[:12]
    return candidate.folder / f"train_{name}_{epochs}.pt"


class Run:
    """The training of one candidate.

    Attributes:
        model: the module that is trained.
        epochs: passes so far.
        seconds: of training so far, without evaluation.
        finite: whether all losses were finite.
        temporary: the last checkpoint, where it was saved before the rung's end; the next one replaces it.
    """

    def __init__(self, candidate: Candidate, rule: Train) -> None:
        self.candidate, self.rule = candidate, rule
        self.model = candidate.build()
        self.graph = candidate.spec.graph()
        groups = by_decay(self.model.named_parameters(), rule.weight_decay, is_matrix)
        self.optimizer = torch.optim.AdamW(groups, lr=rule.learning_rate)
        self.epochs, self.seconds, self.finite = 0, 0.0, True
        self.temporary: Path | None = None

    def epoch(self, data: Examples) -> None:
        """One pass. Its order and all draws of the model have a seed of their own, so no random state is saved."""
        began, batch = time.perf_counter(), min(self.rule.batch, len(data.labels))
        per_epoch = len(data.labels) // batch
        seed = int(np.random.SeedSequence([self.candidate.seed, self.epochs]).generate_state(1)[0])
        total = torch.zeros((), device=self.candidate.device)
        self.model.train()
        with fixed_seed(seed, self.candidate.device):
            order = torch.randperm(len(data.labels))[: per_epoch * batch].to(data.labels.device)
            for index, chosen in enumerate(order.split(batch)):
                rate = self.rate(self.epochs * per_epoch + index, self.rule.length * per_epoch)
                total += self.step(data.images[chosen], data.labels[chosen], rate)
        self.finite = math.isfinite(total.item())
        self.epochs += 1
        self.seconds += time.perf_counter() - began

    def rate(self, step: int, steps: int) -> float:
        """The learning rate: linear from 0, then half a cosine down to 0."""
        rising = round(self.rule.warmup * steps)
        if step < rising:
            return self.rule.learning_rate * (step + 1) / rising
        return self.rule.learning_rate * half_cosine(step - rising, steps - rising)

    def step(self, images: Tensor, labels: Tensor, rate: float) -> Tensor:
        """One step of the optimizer; gives the loss."""
        losses = [
            cross_entropy(*per_token(logits, labels), label_smoothing=self.rule.label_smoothing)
            for logits in self.logits(self.model(images))
        ]
        loss = torch.stack(losses).mean()
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.rule.clip)
        set_rate(self.optimizer, rate)
        self.optimizer.step()
        return loss.detach()

    def logits(self, outputs: Tensor | dict[str, Tensor]) -> list[Tensor]:
        """The class logits among the outputs of the model in training mode."""
        if isinstance(outputs, Tensor):
            return [outputs]
        logits = [outputs[name] for name in head_outputs(self.graph)]
        if not logits:
            raise self._refused("`head.training` names no output of the head, so there is nothing to train on")
        return logits

    @torch.no_grad()
    def evaluate(self, validation: Examples) -> dict[str, float]:
        """Accuracy (0..1) and mean cross-entropy; logits that are not finite are wrong, and such a loss is infinite."""
        self.model.eval()
        logits_bk = torch.cat([self.model(images) for images in validation.images.split(EVALUATION_BATCH)])
        if logits_bk.ndim != 2:
            raise self._refused(
                f"the head gives {tuple(logits_bk.shape[1:])} for an image, but one row of logits is needed"
            )
        right_b = (logits_bk.argmax(1) == validation.labels) & logits_bk.isfinite().all(1)
        loss = cross_entropy(logits_bk.double(), validation.labels).item()
        return {"accuracy": right_b.double().mean().item(), "loss": loss if math.isfinite(loss) else math.inf}

    def _refused(self, message: str) -> SpecError:
        tree = self.candidate.spec.tree
        return SpecError(Problem(message, "head", tree.marks.get("head", (None, tree.pos))[0], code="E910"))

    # ------------------------------------------------------------ checkpoints

    def save(self) -> None:
        """Saves the training, whole or not at all."""
        path = checkpoint_path(self.candidate, self.rule, self.epochs)
        if path is None:
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = self.epochs < self.rule.last
        state = {
            "identity": identity(self.candidate, self.rule), "seconds": self.seconds, "temporary": temporary,
            "model": self.model.state_dict(), "optimizer": self.optimizer.state_dict(),
        }  # fmt: skip
        with write_whole(path) as draft:
            torch.save(state, draft)
        if self.temporary is not None:
            self.temporary.unlink(missing_ok=True)
        self.temporary = path if temporary else None

    def load(self, path: Path) -> None:
        """Loads a checkpoint.

        Raises:
            CheckpointError: it is damaged, or is not of this training; the run must not be used then.
        """
        try:
            state = torch.load(path, map_location="cpu", weights_only=True)
            self.model.load_state_dict(state["model"])
            self.optimizer.load_state_dict(state["optimizer"])
            self.seconds, self.temporary = float(state["seconds"]), path if state["temporary"] else None
            fits = state["identity"] == identity(self.candidate, self.rule) and 0 <= self.seconds < math.inf
        except Exception as error:  # the bytes may be anything, and torch does not say what it raises then
            raise CheckpointError(f"{path}: this is not a checkpoint of this training.", code="E816") from error
        moments = [(p, value) for p, kept in self.optimizer.state.items() for value in kept.values()]
        fits = fits and all(value.ndim == 0 or value.shape == p.shape for p, value in moments)
        tensors = [*self.model.state_dict().values(), *(value for _, value in moments)]
        if not fits or not all(bool(value.isfinite().all()) for value in tensors):
            raise CheckpointError(f"{path}: this is not a checkpoint of this training.", code="E816")
