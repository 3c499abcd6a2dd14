"""Tests of one spec stand together, so that its model is built once."""

from __future__ import annotations

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Sorts the places that `test_official` has in the list."""
    places = [place for place, item in enumerate(items) if item.path.name == "test_official.py"]
    tests = sorted((items[place] for place in places), key=_spec)
    for place, item in zip(places, tests, strict=True):
        items[place] = item


def _spec(item: pytest.Item) -> str:
    called = getattr(item, "callspec", None)
    return "" if called is None else str(called.params.get("spec", ""))
