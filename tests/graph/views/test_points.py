"""Graphs whose points are modules: what compiles of them is tested in tests/compiler/test_points.py."""

import pytest

import vitdsl
from vitdsl.graph.verify import verify
from vitdsl.graph.views.points import point_modules, point_names, with_points

SPEC = """
input: {size: 16}
classes: 3
stages:
  - tokenizer: {type: patch, size: 4, dim: 16}
    body: [{point: first}]
  - tokens: [cls]
    depth: 3
    block: [{mixer: {type: global, heads: 2, maps: {after: [{point: maps}]}}}, {point: last}, {mlp: {ratio: 2}}]
head: {pool: mean}
"""


def test_every_repetition_has_its_own_path() -> None:
    graph = with_points(vitdsl.load(SPEC).graph(), ["maps", "last"])
    verify(graph)
    paths = [path for path, _ in point_modules(graph, "maps")]
    assert len(paths) == len(set(paths)) == 3
    assert all(path.startswith(f"stages.1.block.{number}.") for number, path in enumerate(paths))
    assert {(feature.dim, feature.grid) for _, feature in point_modules(graph, "maps")} == {(2, (17, 17))}
    assert not point_modules(graph, "first")


@pytest.mark.parametrize("names", [["first"], ["maps"], ["last"], ["first", "maps", "last"]])
def test_costs_and_old_numbers_stay(names: list[str]) -> None:
    graph = vitdsl.load(SPEC).graph()
    opened = with_points(graph, names)
    assert opened.frame.cost == graph.frame.cost
    assert point_names(opened) == point_names(graph) == ["first", "maps", "last"]
    assert str(with_points(graph, [])) == str(graph)
    assert "point" in str(opened)
    assert "point" not in str(graph)
