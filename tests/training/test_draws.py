"""Draws follow from numbers, and leave nothing of themselves in the global random states."""

import random

import numpy as np
import pytest
import torch

from tests.training.states import drawn, random_states
from vitdsl.training.draws import Purpose, seeded, sequence


def test_equal_numbers_draw_alike_and_others_do_not() -> None:
    def draws(*numbers: int) -> tuple[float, ...]:
        with seeded(*numbers):
            return drawn()

    numbers = [(purpose, *rest) for purpose in Purpose for rest in ((), (0,), (0, 0), (0, 0, 0), (1,), (0, 1), (1, 0))]
    assert len({draws(*each) for each in numbers}) == len(numbers)
    assert draws(Purpose.MIX, 3, 4) == draws(Purpose.MIX, 3, 4)
    assert len({tuple(sequence(*each).generate_state(3)) for each in numbers}) == len(numbers)


@pytest.mark.parametrize("fails", [False, True])
def test_global_states_are_restored(fails: bool) -> None:
    random.gauss(0, 1)
    np.random.normal()
    torch.rand(3)
    before = random_states()
    try:
        with seeded(Purpose.AUGMENT, 1, 2, 3):
            random.gauss(0, 1)
            np.random.normal()
            torch.rand(3)
            if fails:
                raise KeyError
    except KeyError:
        pass
    assert random_states() == before


def test_seeds_may_be_large_and_processes_do_not_matter() -> None:
    with seeded(Purpose.ORDER, 2**70, 5):
        assert all(0 <= value < 1 for value in drawn())
