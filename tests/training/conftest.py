"""Fixtures of trainings."""

import pytest

from tests.training.small_runs import digits_in


@pytest.fixture(scope="session")
def digits(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A folder of 80 digits that train and 30 that evaluate."""
    return digits_in(tmp_path_factory.mktemp("digits"))
