"""A field that would do nothing beside the others is refused, at its place."""

from __future__ import annotations

from typing import Any

import pytest

import vitdsl

POOLS = [
    ({"type": "cls", "kernel": 3}, "kernel"), ({"type": "first", "stride": 2}, "stride"),
    ({"type": "last", "over": "all"}, "over"), ({"type": "sequence", "kernel": 2}, "kernel"),
    ({"type": "sequence", "over": "all"}, "over"), ({"type": "mean", "kernel": 2, "over": "all"}, "over"),
    ({"type": "max", "padding": 1}, "padding"), ({"type": "mean", "init": "zeros"}, "init"),
]  # fmt: skip
KERNELS = [
    ({"by": "position", "count": 4}, "count"), ({"temperature": 3}, "temperature"),
    ({"by": "image", "groups": 2}, "groups"), ({"count": 2, "groups": 2}, "groups"),
    ({"by": "position", "temperature": 3}, "temperature"),
]  # fmt: skip


def refused(item: dict[str, Any]) -> str:
    """Where a spec with this item in its only stage is refused."""
    stage = {"tokenizer": {"type": "patch", "size": 4, "dim": 8}, "tokens": ["cls"], "body": [item]}
    with pytest.raises(vitdsl.SpecError) as caught:
        vitdsl.load(
            {"name": "s", "input": {"size": 16}, "classes": 3, "stages": [stage], "head": {"pool": "cls"}}
        ).graph()
    (problem,) = caught.value.problems
    assert problem.path is not None
    return problem.path


@pytest.mark.parametrize(("pool", "field"), POOLS)
def test_of_a_pool(pool: dict[str, Any], field: str) -> None:
    assert refused({"pool": pool}).endswith(f"pool.{field}")


@pytest.mark.parametrize(("kernels", "field"), KERNELS)
def test_of_kernels_that_the_image_makes(kernels: dict[str, Any], field: str) -> None:
    assert refused({"conv": {"kernel": 3, "padding": 1, "kernels": kernels}}).endswith(f"conv.kernels.{field}")
