"""Two processes that each see half of a batch train as one that sees all of it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from torch import distributed, multiprocessing, nn

import vitdsl
from tests.compiler.small import SMALL
from vitdsl.compiler.model import VisionModel

NAMES = ["deit_tiny_distilled", "cait_xxs24", "crossvit_tiny"]
"""A dict in training, streams that are appended to, two streams; no batch norms, which see other batches."""


def made(name: str) -> VisionModel:
    torch.manual_seed(0)
    return vitdsl.build(vitdsl.load(name, {**SMALL[name], "classes": 5, "drop_path": None})).double().train()


def loss(outputs: torch.Tensor | dict[str, torch.Tensor]) -> torch.Tensor:
    values = outputs.values() if isinstance(outputs, dict) else [outputs]
    return torch.stack([value.square().mean() for value in values]).sum()


def half(rank: int, name: str, folder: str) -> None:
    """One of two processes: the gradients after its half are written by the first.

    A process that is through leaves at once. DDP's C++ side keeps Gloo's threads beyond the group's end, and an
    interpreter that winds up beside them is now and then ended by SIGABRT (torch 2.14: once in some hundred runs).
    """
    distributed.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    try:
        torch.set_num_threads(1)
        model = nn.parallel.DistributedDataParallel(made(name))
        model.module.set_grad_checkpointing(name == "cait_xxs24")
        loss(model(torch.load(f"{folder}/images.pt")[rank::2])).backward()
        if rank == 0:
            torch.save({key: p.grad for key, p in model.module.named_parameters()}, f"{folder}/gradients.pt")
    finally:
        distributed.destroy_process_group()
    os._exit(0)


@pytest.mark.full
@pytest.mark.parametrize("name", NAMES)
def test_two_processes_train_as_one(name: str, tmp_path: Path) -> None:
    torch.manual_seed(1)
    images = torch.rand(4, 3, 64, 64, dtype=torch.float64)
    torch.save(images, tmp_path / "images.pt")
    multiprocessing.spawn(half, (name, str(tmp_path)), nprocs=2)
    model = made(name)
    loss(model(images)).backward()
    gradients = torch.load(tmp_path / "gradients.pt")
    for key, parameter in model.named_parameters():
        torch.testing.assert_close(gradients[key], parameter.grad, rtol=1e-9, atol=1e-12, msg=key)
