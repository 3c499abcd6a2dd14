"""A space that several tests ask."""

import pytest

import vitdsl
from tests.space.spaces import TINY


@pytest.fixture(scope="session")
def tiny() -> vitdsl.Space:
    return vitdsl.Space(TINY)
