"""Fixtures of searches."""

from collections.abc import Iterator

import pytest
import torch

from tests.search.studies import plugin

__all__ = ["plugin"]


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Torch computes with one thread, as it does in every run of a training that is compared bit by bit."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
