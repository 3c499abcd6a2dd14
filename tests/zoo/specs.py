"""The shipped specs by family: what extends the same spec is of one family."""

from __future__ import annotations

from functools import cache

import pytest

import vitdsl
from vitdsl.resolve.files import shipped

NAMES = sorted(path.stem for path in shipped().glob("*.yaml"))


@cache
def families() -> dict[str, list[str]]:
    """The specs of each family, smallest first, under the name of the one that all extend."""
    found: dict[str, list[str]] = {}
    for name in NAMES:
        found.setdefault(vitdsl.load(name).names[-1], []).append(name)
    return {base: sorted(names, key=lambda name: vitdsl.load(name).analyze().params) for base, names in found.items()}


@cache
def smallest() -> list[str]:
    """The smallest spec of each family."""
    return [names[0] for names in families().values()]


def all_of_them(by_default: list[str], names: list[str] = NAMES) -> list[object]:
    """Parameters of a test: these by default, all others under `full`."""
    return [pytest.param(name, marks=() if name in by_default else pytest.mark.full) for name in names]
