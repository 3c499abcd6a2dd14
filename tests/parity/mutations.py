"""Small models of the specs, in which tensors of a foreign state dict are changed one by one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from itertools import combinations
from typing import Any

import torch
from torch import Tensor

import vitdsl
from tests.parity import fingerprint, zoo_hierarchical, zoo_isotropic
from vitdsl.checkpoints import operations
from vitdsl.checkpoints.fitting import grids
from vitdsl.checkpoints.plan import Step, make_plan
from vitdsl.checkpoints.tables import tables_for
from vitdsl.compiler.module import is_repetition

DEIT = {"input.size": 48, "stages[0].depth": 2, "stages[0].tokenizer.dim": 24}
SMALL: dict[str, dict[str, Any]] = {
    "deit_tiny": DEIT,
    "deit_tiny_distilled": DEIT,
    "cvt13": {
        "input.size": 32,
        "stages[0].tokenizer.conv.dim": 16,
        "stages[1].tokenizer.conv.dim": 24,
        "stages[2].tokenizer.conv.dim": 48,
        "stages[2].depth": 2,
    },
    "t2t_vit_14": {"input.size": 64, "stages[2].tokenizer.dim": 48, "stages[2].depth": 2},
    "cait_xxs24": {"input.size": 48, "stages[0].tokenizer.dim": 24, "stages[0].depth": 2},
    "refiner_vit_s": {
        "input.size": 32,
        "stages[0].tokenizer.channels": [8, 8, 16, 48],
        "stages[0].body[2].repeat": 2,
    },
    "swin_tiny": {
        "input.size": 64,
        "stages[0].tokenizer.dim": 24,
        "stages[2].depth": 2,
        "define.block.body[0].windows": {"size": 2, "shift": "$(index % 2)"},
    },
    "crossvit_tiny": {
        "input.size": 48,
        "stages[0].tokenizer": [
            {"resize": {"size": 48, "mode": "bicubic"}},
            {"conv": {"dim": 24, "kernel": 12, "stride": 12}},
        ],
        "stages[1].tokenizer.dim": 48,
        "stages[2].depth": 2,
        "stages[2].block[2].there": 48,
        "stages[2].block[2].back": 24,
        "stages[2].block[3].there": 24,
        "stages[2].block[3].back": 48,
    },
    "tnt_small": {
        "input.size": 48,
        "define.gather.body[2].linear.dim": 48,
        "stages[0].tokenizer[0].conv.dim": 8,
        "stages[2].depth": 2,
    },
    "ceit_tiny": {
        "input.size": 64,
        "stages[0].tokenizer[2].conv.dim": 24,
        "stages[0].depth": 2,
    },
    **zoo_hierarchical.SMALL,
    **zoo_isotropic.SMALL,
}
"""Fewer blocks, channels and pixels than the spec has; of each class of blocks there is one at least."""
SCALED = {"t2t_vit_14": ("kqv", 0.25), **zoo_hierarchical.SCALED, **zoo_isotropic.SCALED}
"""As drawn, a performer's kernels vanish; the record's probe scales these tensors likewise."""


def _outside(key: str) -> str:
    """Where a key stands that is in no repeated block: an item of a body, a stage, or the head."""
    words = key.split(".")
    return ".".join(words[:4] if words[2] == "body" else words[:2] if words[0] == "stages" else words[:1])


class Mutable:
    """A small model with weights of a foreign layout, in which tensors can be changed and put back.

    Attributes:
        theirs: the foreign state dict.
        groups: its keys by block; of each class of blocks, one.
    """

    def __init__(self, spec: str, layout: str) -> None:
        small = vitdsl.load(spec, {**SMALL[spec], "classes": 16})
        self.model = vitdsl.build(small).double().eval()
        self.own = self.model.state_dict()
        plan, places = make_plan(tables_for(spec)[layout], self.own), grids(self.model)
        self.steps = {key: step for step in plan.steps for key in step.theirs}
        self.theirs: dict[str, Tensor] = {}
        for step in plan.steps:
            found = [self.own[key] for key in step.ours]
            shaped = operations.backward(step.row, found, places.get(step.ours[0]))
            self.theirs |= {key: self._filled(spec, key, t) for key, t in zip(step.theirs, shaped, strict=True)}
        for step in plan.steps:
            self._write(step, self.theirs)
        self.groups = self._groups()
        side = small.model.input.size[0]
        self.x = torch.from_numpy(fingerprint.image(1, 3, side, side))
        self.base = self.outputs()

    @staticmethod
    def _filled(spec: str, key: str, tensor: Tensor) -> Tensor:
        word, factor = SCALED.get(spec, ("", 1.0))
        return torch.from_numpy(fingerprint.fill(key, tuple(tensor.shape))) * (factor if word in key else 1.0)

    def _write(self, step: Step, theirs: dict[str, Tensor]) -> None:
        """Puts what a row makes of their tensors into the model."""
        made = operations.forward(step.row, [theirs[key] for key in step.theirs])
        with torch.no_grad():
            for key, tensor in zip(step.ours, made, strict=True):
                self.own[key].copy_(tensor)

    def _groups(self) -> list[list[str]]:
        """Their keys by the block that the row's first tensor of ours is in."""
        blocks = {path: module for path, module in self.model.named_modules() if is_repetition(module) and path}
        found: dict[str, list[str]] = defaultdict(list)
        for key, step in self.steps.items():
            inside = [path for path in blocks if step.ours[0].startswith(f"{path}.")]
            found[max(inside, key=len) if inside else _outside(step.ours[0])].append(key)
        in_order = [path for path in reversed(found) if path in blocks]
        one_of_each = {(type(blocks[path]), path.rpartition(".")[0]): path for path in in_order}.values()
        return [keys for path, keys in found.items() if path not in blocks or path in one_of_each]

    def outputs(self) -> list[Tensor]:
        """All that the model returns, in evaluation and in training with norms as in evaluation."""
        outputs = self.model._modules.get("outputs")
        with torch.inference_mode():
            found = [self.model(self.x)]
            if outputs is not None:
                outputs.train()
                trained = self.model(self.x)
                outputs.eval()
                found += trained.values() if isinstance(trained, dict) else [trained]
        return found

    def moved(self, changed: dict[str, Tensor]) -> float:
        """By how much the outputs differ where these tensors of theirs are others."""
        touched = {id(self.steps[key]): self.steps[key] for key in changed}.values()
        for step in touched:
            self._write(step, {**self.theirs, **changed})
        found = self.outputs()
        for step in touched:
            self._write(step, self.theirs)
        return max((a - b).abs().max().item() for a, b in zip(found, self.base, strict=True))

    def pairs(self) -> Iterator[tuple[str, str]]:
        """All pairs of tensors of one shape in one block."""
        for keys in self.groups:
            for a, b in combinations(keys, 2):
                if self.theirs[a].shape == self.theirs[b].shape:
                    yield a, b

    def perturbed(self, key: str) -> Tensor:
        """A tensor with noise of 1 % of its deviation."""
        tensor = self.theirs[key]
        deviation = tensor.std() if tensor.numel() > 1 else tensor.abs().sum()
        noise = torch.randn(tensor.shape, dtype=tensor.dtype, generator=torch.Generator().manual_seed(0))
        return tensor + 0.01 * deviation * noise
