"""A training loop for candidates: small data in memory, the same numbers from the same seed, resumed bit by bit.

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

from vitdsl.checkpoints.files import read_metadata, read_weights, write_weights
from vitdsl.errors import CheckpointError, Problem, SpecError
from vitdsl.search.candidate import Candidate, seeded
from vitdsl.search.data import Part, prepared

if TYPE_CHECKING:
    from vitdsl.search.evaluation.train import Train

SAVE_EVERY = 60.0
"""Seconds of training after which a checkpoint is saved before the rung's end."""
JUDGED_AT_ONCE = 256
PASSING = "on_the_way"


def fit(candidate: Candidate, rule: Train) -> dict[str, float]:
    """Trains a candidate as far as `rule.epochs`, from its nearest checkpoint, and judges it.

    Returns:
        `accuracy` and `loss` of the held images, `seconds` of all training so far.
    """
    run = trained(candidate, rule)
    candidate.model = run.model
    held = prepared(rule.data, candidate.spec, rule.validation).validation.to(candidate.device)
    return {**run.judge(held), "seconds": run.seconds}


def trained(candidate: Candidate, rule: Train) -> Run:
    """The training of a candidate as far as `rule.epochs`, from its nearest checkpoint; the model is in evaluation."""
    run = Run(candidate, rule)
    run.resume()
    data = prepared(rule.data, candidate.spec, rule.validation).train.to(candidate.device)
    saved = run.seconds
    while run.finite and run.epochs < rule.epochs:
        run.epoch(data)
        if run.finite and (run.epochs == rule.epochs or run.seconds - saved > SAVE_EVERY):
            run.save()
            saved = run.seconds
    run.model.eval()
    return run


class Run:
    """The training of one candidate.

    Attributes:
        model: what is trained.
        epochs: passes done.
        seconds: that they took, judging apart.
        finite: whether the loss was, so far.
        passing: the checkpoint on the way to a rung's end that the next one takes the place of, if there is one.
    """

    def __init__(self, candidate: Candidate, rule: Train) -> None:
        self.candidate, self.rule = candidate, rule
        self.model = candidate.build()
        self.graph = candidate.spec.graph()
        weights = {name: p for name, p in self.model.named_parameters() if p.requires_grad}
        self.names = [*(n for n, p in weights.items() if p.ndim > 1), *(n for n, p in weights.items() if p.ndim <= 1)]
        matrices = [p for p in weights.values() if p.ndim > 1]
        vectors = [p for p in weights.values() if p.ndim <= 1]
        groups = [{"params": matrices, "weight_decay": rule.weight_decay}, {"params": vectors, "weight_decay": 0.0}]
        self.optimizer = torch.optim.AdamW(groups, lr=rule.learning_rate)
        self.epochs, self.seconds, self.finite = 0, 0.0, True
        self.passing: Path | None = None

    def epoch(self, data: Part) -> None:
        """One pass: the order, and all that the model draws, begin at a seed of their own, so no state is carried."""
        began, batch = time.perf_counter(), min(self.rule.batch, len(data.labels))
        per_epoch = len(data.labels) // batch
        seed = int(np.random.SeedSequence([self.candidate.seed, self.epochs]).generate_state(1)[0])
        total = torch.zeros((), device=self.candidate.device)
        self.model.train()
        with seeded(seed, self.candidate.device):
            order = torch.randperm(len(data.labels))[: per_epoch * batch].to(data.labels.device)
            for index, chosen in enumerate(order.split(batch)):
                rate = self.rate(self.epochs * per_epoch + index, self.rule.length * per_epoch)
                total += self.step(data.images[chosen], data.labels[chosen], rate)
        self.finite = math.isfinite(total.item())
        self.epochs += 1
        self.seconds += time.perf_counter() - began

    def rate(self, step: int, steps: int) -> float:
        """The learning rate: a line up from 0, then half a cosine down to 0 (Loshchilov and Hutter, 2017)."""
        rising = round(self.rule.warmup * steps)
        if step < rising:
            return self.rule.learning_rate * (step + 1) / rising
        return self.rule.learning_rate * 0.5 * (1 + math.cos(math.pi * (step - rising) / (steps - rising)))

    def step(self, images: Tensor, labels: Tensor, rate: float) -> Tensor:
        """One step of the optimizer; gives the loss."""
        outputs = self.trained(self.model(images))
        losses = [
            cross_entropy(*per_token(logits, labels), label_smoothing=self.rule.label_smoothing) for logits in outputs
        ]
        loss = torch.stack(losses).mean()
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.rule.clip)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.step()
        return loss.detach()

    def trained(self, given: Tensor | dict[str, Tensor]) -> list[Tensor]:
        """The outputs that are class logits, of what the model returns in training."""
        if isinstance(given, Tensor):
            return [given]
        heads = set(self.graph.outputs.values())
        found = [given[name] for name, number in (self.graph.training or {}).items() if number in heads]
        if not found:
            raise self._refused("`head.training` names no output of the head, so there is nothing to train on")
        return found

    @torch.no_grad()
    def judge(self, held: Part) -> dict[str, float]:
        """Accuracy (0..1) and mean cross-entropy; what is not finite is wrong, and its loss infinite."""
        self.model.eval()
        logits_bk = torch.cat([self.model(images) for images in held.images.split(JUDGED_AT_ONCE)])
        if logits_bk.ndim != 2:
            raise self._refused(
                f"the head gives {tuple(logits_bk.shape[1:])} for an image, but one row of logits is needed"
            )
        right_b = (logits_bk.argmax(1) == held.labels) & logits_bk.isfinite().all(1)
        loss = cross_entropy(logits_bk.double(), held.labels).item()
        return {"accuracy": right_b.double().mean().item(), "loss": loss if math.isfinite(loss) else math.inf}

    def _refused(self, message: str) -> SpecError:
        tree = self.candidate.spec.tree
        return SpecError(Problem(message, "head", tree.marks.get("head", (None, tree.pos))[0]))

    # ------------------------------------------------------------ checkpoints

    @property
    def identity(self) -> str:
        """What the numbers of a training hang on: the same for checkpoints that may be gone on from."""
        said = {**self.rule.but_epochs(), "schedule": self.rule.length}
        return json.dumps({"spec": self.candidate.spec.hash, "seed": self.candidate.seed, **said}, sort_keys=True)

    def file(self, epochs: int) -> Path | None:
        """The checkpoint after so many epochs."""
        if self.candidate.folder is None:
            return None
        return (
            self.candidate.folder
            / f"train_{hashlib.sha256(self.identity.encode()).hexdigest()[:12]}_{epochs}.safetensors"
        )

    def save(self) -> None:
        """Saves weights, the optimizer's tensors and what was counted: whole, or not at all."""
        path = self.file(self.epochs)
        if path is None:
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        tensors = {f"model.{key}": value for key, value in self.model.state_dict().items()}
        for index, state in self.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{key}.{self.names[index]}": value for key, value in state.items()}
        on_the_way = self.epochs < self.rule.epochs
        write_weights(
            path, tensors, {"identity": self.identity, "seconds": repr(self.seconds), PASSING: str(on_the_way)}
        )
        if self.passing is not None:
            self.passing.unlink(missing_ok=True)
        self.passing = path if on_the_way else None

    def resume(self) -> None:
        """Goes on from the last checkpoint that is not beyond `epochs`, if there is one; warns of what is damaged."""
        for epochs in range(self.rule.epochs, 0, -1):
            path = self.file(epochs)
            if path is None or not path.is_file():
                continue
            try:
                self._load(path)
            except CheckpointError as error:
                warnings.warn(f"{error} It is not used: the training begins before it.", stacklevel=2)
                continue
            self.epochs = epochs
            return

    def _load(self, path: Path) -> None:
        """Takes all from a checkpoint, or nothing.

        Raises:
            CheckpointError: it is damaged, or not one of this training.
        """
        tensors, said = read_weights(path).tensors, read_metadata(path)
        own = self.model.state_dict()
        weights = {key.removeprefix("model."): value for key, value in tensors.items() if key.startswith("model.")}
        state: dict[int, dict[str, Tensor]] = {}
        shapes = dict(self.model.named_parameters())
        fits = {key: value.shape for key, value in weights.items()} == {key: value.shape for key, value in own.items()}
        for index, name in enumerate(self.names):
            found = {key: tensors.get(f"optimizer.{key}.{name}") for key in ("step", "exp_avg", "exp_avg_sq")}
            kept = {key: value for key, value in found.items() if value is not None}
            fits = fits and len(kept) in (0, len(found))
            fits = fits and all(value.shape == shapes[name].shape for key, value in kept.items() if key != "step")
            if kept:
                state[index] = kept
        finite = all(bool(value.isfinite().all()) for value in tensors.values())
        if not fits or not finite or said.get("identity") != self.identity or not _is_number(said.get("seconds")):
            raise CheckpointError(f"{path}: this is not a checkpoint of this training.")
        self.model.load_state_dict(weights)
        self.optimizer.load_state_dict({"state": state, "param_groups": self.optimizer.state_dict()["param_groups"]})
        self.seconds = float(said["seconds"])
        self.passing = path if said.get(PASSING) == str(True) else None


def _is_number(text: str | None) -> bool:
    """Whether a text is a number that is not negative, as times are."""
    try:
        return 0 <= float(text or "") < math.inf
    except ValueError:
        return False


def per_token(logits: Tensor, labels_b: Tensor) -> tuple[Tensor, Tensor]:
    """Logits (B, K), (B, N, K) or (B, K, H, W) as rows, and the label of each: that of its image."""
    rows = logits.flatten(2).mT if logits.ndim == 4 else logits
    if rows.ndim == 2:
        return rows, labels_b
    return rows.flatten(0, 1), labels_b.repeat_interleave(rows.shape[1])
