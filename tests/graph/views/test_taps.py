"""Where blocks end: each end has a tap, and so has what the blocks of a stage begin with."""

import pytest

import vitdsl
from tests.compiler.small import SMALL
from tests.graph.views.bodies import BODIES, spec_of
from vitdsl.graph.verify import verify
from vitdsl.graph.views.taps import add_taps


@pytest.mark.parametrize(("body", "ends"), BODIES)
def test_where_blocks_end(body, ends):
    graph, chains = add_taps(spec_of(body).graph())
    verify(graph)
    points = [[point.ends_block for point in chain] for chain in chains]
    assert points == ([[False, *[True] * ends]] if ends else [])


def test_stems_and_heads_have_no_blocks():
    stem = [{"conv": {"dim": 4, "kernel": 2, "stride": 2}}, {"residual": True, "body": [{"conv": {"kernel": 3}}]}]
    head = [{"repeat": 2, "mlp": {"ratio": 1}}, {"pool": "mean"}, "classifier"]
    spec = vitdsl.load({"input": {"size": 8}, "classes": 3, "stages": [{"tokenizer": stem}], "head": head})
    assert add_taps(spec.graph())[1] == []


def test_a_graph_is_left_as_it_was():
    graph = vitdsl.load("ceit_tiny", SMALL["ceit_tiny"]).graph()
    before = [(path, id(node)) for path, node, _ in graph.frame.nodes()]
    add_taps(graph)
    assert [(path, id(node)) for path, node, _ in graph.frame.nodes()] == before
