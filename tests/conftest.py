"""Tests run in as many processes as there are cores, each with one thread of torch; drawn examples are the same."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator

import pytest
from hypothesis import settings

if "PYTEST_XDIST_WORKER" in os.environ:
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")

settings.register_profile("same", derandomize=True)
settings.load_profile("same")


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Torch computes with one thread, as it does in every run of a training that is compared bit by bit."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def pytest_collection_finish() -> None:
    """Objects made before the first test live to the end, so the garbage collector need not look at them."""
    gc.collect()
    gc.freeze()
