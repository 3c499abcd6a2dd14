"""Draws that follow from numbers alone: global random states are set, and restored after it."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum

import numpy as np


class Purpose(IntEnum):
    """What is drawn; it stands before the numbers, so that draws for one purpose say nothing of those for another."""

    ORDER = 1
    AUGMENT = 2
    MIX = 3
    MODEL = 4
    WEIGHTS = 5


def sequence(purpose: Purpose, *numbers: int) -> np.random.SeedSequence:
    """Seeds that follow from numbers.

    How many numbers there are is among them: numpy takes those that are missing for zeros.
    """
    return np.random.SeedSequence([purpose, len(numbers), *numbers])


@contextmanager
def seeded(purpose: Purpose, *numbers: int) -> Iterator[None]:
    """Within, `random`, `numpy.random` and torch on the CPU draw from these numbers; after it they are as before.

    Args:
        purpose: what is drawn.
        numbers: what it follows from, such as the seed, the epoch and the index of a sample; each at least 0.
    """
    import torch

    python, legacy, tensors = random.getstate(), np.random.get_state(), torch.get_rng_state()
    first, second, third = (int(word) for word in sequence(purpose, *numbers).generate_state(3))
    try:
        random.seed(first)
        np.random.seed(second)
        torch.default_generator.manual_seed(third)
        yield
    finally:
        random.setstate(python)
        np.random.set_state(legacy)
        torch.set_rng_state(tensors)


def seed_of(purpose: Purpose, *numbers: int) -> int:
    """A seed of 32 bits that follows from numbers."""
    return int(sequence(purpose, *numbers).generate_state(1)[0])


@contextmanager
def fixed_seed(seed: int, device: str = "cpu") -> Iterator[None]:
    """Seeds torch's generators within, and restores them after it.

    Args:
        seed: of the draws.
        device: whose generator is seeded, beside the CPU's.
    """
    import torch

    place = torch.device(device)
    with torch.random.fork_rng([place] if place.type == "cuda" else []):
        torch.default_generator.manual_seed(seed)
        if place.type == "cuda":
            with torch.cuda.device(place):
                torch.cuda.manual_seed(seed)
        yield
