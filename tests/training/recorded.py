"""Values of the authors' losses, in `losses.json`, and the inputs that they were computed from."""

from __future__ import annotations

import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

CASES: dict[str, dict[str, Any]] = json.loads((Path(__file__).parent / "losses.json").read_text())["cases"]
GROUPS = {
    "deit": "test_losses.py",
    "soft_target_ce": "test_losses.py",
    "deepvit_cosreg": "test_losses.py",
    "refiner_cosreg": "test_losses.py",
    "tokenlabel": "test_token_labels.py",
    "patchdiv_paper": "test_diversity.py",
    "diversevit_repo": "test_diversity.py",
    "patchvit_contrastive_repo": "test_diversity.py",
    "patchvit_train_repo": "test_patchvit.py",
}
"""How names of cases begin, and where these are compared."""


def names(group: str) -> list[str]:
    """The cases of a group."""
    found = [name for name in CASES if name.startswith(group)]
    assert found, group
    return found


def generator(key: str) -> np.random.RandomState:
    return np.random.RandomState(zlib.crc32(key.encode()))


def rnd(key: str, *shape: int) -> Tensor:
    """Normal values that a key seeds, float64."""
    return torch.from_numpy(generator(key).standard_normal(shape))


def soft(key: str, *shape: int) -> Tensor:
    """Distributions over the last axis."""
    return rnd(key, *shape).softmax(-1)


def assert_is(found: Tensor, recorded: float | list[Any]) -> None:
    """Within 1e-9 in float64."""
    assert found.dtype == torch.float64
    expected = torch.tensor(recorded, dtype=torch.float64)
    assert found.shape == expected.shape
    error = (found - expected).abs().max().item()
    print(f"largest difference {error:.1e}")
    assert error <= 1e-9
