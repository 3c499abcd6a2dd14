"""Texts that mean harm: refused at a place, or checked, shown and built, in bounded time and memory."""

import pytest

from tests.evidence.fuzz import many


def test_hostile_texts() -> None:
    assert many(0, 300, 0) == {}


@pytest.mark.full
@pytest.mark.parametrize("first", [100_000, 200_000])
def test_many_hostile_texts(first: int) -> None:
    assert many(first, 1500, 20) == {}
