"""Operators that were added, removed or changed."""

import pytest

from vitdsl.differences.operators import WIRED, operator_changes, operators_of
from vitdsl.spec import load

BASE = "deit_tiny"


def compared(settings, name=BASE, base=None):
    return operator_changes(load(name, base).graph(), load(name, settings).graph())


@pytest.mark.parametrize("name", ["deit_tiny", "crossvit_tiny", "ceit_tiny", "levit_128s"])
def test_a_graph_is_itself(name):
    graph = load(name).graph()
    assert operator_changes(graph, graph) == []
    kinds = [node.op.type for _, node, _ in graph.frame.nodes() if node.op.type != "sections"]
    assert sorted(each.type for each in operators_of(graph).values()) == sorted(kinds)


def test_fewer_blocks():
    (found,) = compared({"stages[0].depth": 9})
    assert found[:2] == ("stages.0.block.9–11", "removed")
    assert found.count == 3 * 12


def test_more_blocks():
    (found,) = compared({"stages[0].depth": 14})
    assert found[:2] == ("stages.0.block.12–13", "added")


def test_a_field_and_a_shape():
    found = {each.path: each.word for each in compared({"stages[0].block[1].mlp.ratio": 2})}
    assert found["stages.0.block.*.1.mlp.fc1"] == "gives cls+14x14·768 → cls+14x14·384, dim 768 → 384"
    assert set(found) == {"stages.0.block.*.1.mlp.fc1", "stages.0.block.*.1.mlp.activation"}


def test_another_type():
    found = compared({"stages[0].block[1].mlp.activation": "relu"})
    assert [each[:2] for each in found] == [("stages.0.block.*.1.mlp.activation", "gelu → relu")]


def test_rates_alone():
    (found,) = compared({"drop_path": 0.3})
    assert found.word == WIRED
