"""Fixtures of trainings."""

from collections.abc import Iterator

import pytest
import torch

from tests.training.small_runs import digits_in


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Torch computes with one thread, as where two trainings are compared bit by bit."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def digits(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A folder of 80 digits that train and 30 that evaluate."""
    return digits_in(tmp_path_factory.mktemp("digits"))
