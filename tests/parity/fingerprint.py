"""Weights and inputs that anyone can write again from names and shapes, and the comparison with recorded outputs.

A record under `records/` lists the keys and the shapes of a reference model's state dict. Each tensor is drawn from a
stream that its own key seeds, the model so filled runs in float64 and evaluation mode on a fixed image, and the record
holds the first values of each image and the norm of the whole.
"""

import json
import math
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

RECORDS = Path(__file__).parent / "records"
LIMIT = 1e-9


def load(name: str) -> dict[str, Any]:
    """The record of that name."""
    return json.loads((RECORDS / f"{name}.json").read_text())


def fill(key: str, shape: tuple[int, ...] | list[int]) -> np.ndarray:
    """Values of the tensor called `key`, float64: normal ones, of a size that keeps activations moderate."""
    return moderate(key, np.random.RandomState(zlib.crc32(key.encode())).standard_normal(tuple(shape)))


def moderate(key: str, values: np.ndarray) -> np.ndarray:
    """Normal values as the tensor called `key` may have them."""
    shape = values.shape
    name = key.rsplit(".", 1)[-1]
    if name == "running_var":
        return 1.0 + 0.2 * np.abs(values)
    if not name.endswith("weight"):
        return 0.2 * values
    if len(shape) < 2:
        return 1.0 + 0.1 * values
    return values / math.sqrt(float(np.prod(shape[1:])))


def image(batch: int, channels: int, height: int, width: int) -> np.ndarray:
    """The fixed input, float64, (batch, channels, height, width)."""
    return np.random.RandomState(20260101).standard_normal((batch, channels, height, width))


def filled_state_dict(entries: list[list[Any]]) -> dict[str, Tensor]:
    """The floating tensors of `entries`, rows of key, shape and kind ("f" floating, "i" integer and left out)."""
    return {
        key: torch.from_numpy(np.ascontiguousarray(fill(key, shape))) for key, shape, kind in entries if kind == "f"
    }


def assert_agrees(found: Tensor, recorded: dict[str, Any]) -> None:
    """Every recorded value within 1e-9 of the largest, or of 1, and the norm within 1e-9 of itself."""
    assert found.dtype == torch.float64
    assert list(found.shape) == recorded["shape"]
    first = torch.tensor(recorded["first"], dtype=torch.float64)
    error = (found.flatten(1)[:, : first.shape[1]] - first).abs().max().item()
    assert error <= LIMIT * max(1.0, first.abs().max().item())
    assert math.isclose(found.norm().item(), recorded["norm"], rel_tol=LIMIT)
