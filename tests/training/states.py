"""The global random states of Python, numpy and torch."""

import random
from typing import Any

import numpy as np
import torch


def random_states() -> Any:
    """All three, to be compared."""
    kind, keys, *rest = np.random.get_state()
    return random.getstate(), (kind, tuple(keys), *rest), torch.get_rng_state().tolist()


def drawn() -> tuple[float, ...]:
    """A number of each."""
    return random.random(), float(np.random.rand()), float(torch.rand(()))


def seed_all(seed: int) -> None:
    """Sets all three."""
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
