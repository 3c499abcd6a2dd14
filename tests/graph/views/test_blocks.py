"""A graph that is opened between its blocks: which maps they end with, and what stays as it was."""

import vitdsl
from tests.compiler.small import SMALL
from vitdsl.graph.ir import Call
from vitdsl.graph.verify import verify
from vitdsl.graph.views.blocks import open_blocks


def test_maps_are_values_of_the_models_frame():
    spec = vitdsl.load("deit_tiny_distilled", SMALL["deit_tiny_distilled"])
    graph, maps = open_blocks(spec.graph())
    verify(graph)
    assert [each.path for each in maps] == ["stages.0.block.0", "stages.0.block.1"]
    for each in maps:
        grid, whole = graph.frame.features[each.grid], graph.frame.features[each.whole]
        assert whole == each.feature
        assert grid == whole.grid_only
        assert [*whole.tokens] == ["cls", "dist"]
        assert each.grid != each.whole


def test_a_map_without_extra_tokens_is_all_of_its_feature():
    spec = vitdsl.load("swin_tiny", SMALL["swin_tiny"])
    graph, maps = open_blocks(spec.graph())
    verify(graph)
    assert {each.path.partition(".body")[0] for each in maps} >= {"stages.0.block.0", "stages.3.block.0"}
    for each in maps:
        assert graph.frame.features[each.grid] == graph.frame.features[each.whole] == each.feature


def test_repetitions_stand_apart_and_cost_the_same():
    graph = vitdsl.load("deit_tiny_distilled", SMALL["deit_tiny_distilled"]).graph()
    opened, _ = open_blocks(graph)

    def calls(frame):
        stage = next(step for step in frame.steps if isinstance(step, Call)).frames[0]
        return [[path for path, _ in step.paths()] for step in stage.steps if isinstance(step, Call)]

    assert calls(graph.frame) == [["block.0", "block.1"]]
    assert calls(opened.frame) == [["block.0"], ["block.1"]]
    assert opened.frame.cost[:3] == graph.frame.cost[:3]
    assert opened.outputs == graph.outputs
