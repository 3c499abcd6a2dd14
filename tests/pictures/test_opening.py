"""Boxes hold the graph: every operator once, all costs, and edges between equal features."""

from collections import Counter

import pytest

from tests.pictures.checks import ALL, FEW, edges_join_equal_features
from vitdsl.features import Cost
from vitdsl.pictures.opening import PASSING, open_spec
from vitdsl.spec import load


def operators(box, times=1):
    """How often each kind of operator runs in a box."""
    found = Counter()
    if box.body is None and box.path:
        found[box.cost, tuple(box.fields)] += times * box.times
    for inner in box.body.boxes if box.body else ():
        found += operators(inner, times * box.times)
    return found


def summed(box):
    """The cost of all that a box holds."""
    total = Cost()
    for inner in box.body.boxes:
        total = total + inner.cost.times(inner.times)
    return total


def check_spec(name):
    spec = load(name)
    graph, root = spec.graph(), open_spec(spec)
    nodes = [node for _, node, _ in graph.frame.nodes() if node.op.type not in PASSING]
    assert sum(operators(root).values()) == len(nodes)
    assert Counter(cost for cost, _ in operators(root).elements()) == Counter(node.cost for node in nodes)
    assert root.all == root.cost == graph.frame.cost
    stages = spec.analyze().stages
    assert [box.cost for box in root.body.boxes] == [stage.cost for stage in stages]
    assert [box.path for box in root.body.boxes] == [stage.path for stage in stages]
    for box in root.below():
        if box.body is not None:
            inner = summed(box)
            assert inner[:3] == box.cost[:3], box.path
            assert inner.activation_bytes <= box.cost.activation_bytes
    edges_join_equal_features(root)


@pytest.mark.parametrize("name", FEW)
def test_nothing_is_left_out(name):
    check_spec(name)


@pytest.mark.full
@pytest.mark.parametrize("name", ALL)
def test_nothing_is_left_out_of_any(name):
    check_spec(name)


def box_at(root, path):
    return next(box for box in root.below() if box.path == path)


def test_repetitions_are_one_box():
    root = open_spec(load("deit_tiny"))
    block = box_at(root, "stages.0.block.0–11")
    assert (block.title, block.times, block.kind) == ("block", 12, "block")
    assert block.all.macs == 12 * block.cost.macs
    mixer = box_at(root, "stages.0.block.0–11.0.mixer")
    assert (mixer.title, mixer.note, mixer.written) == ("mixer · global", "3 heads", "stages[0].block[0].mixer")


def test_repetitions_that_alternate_are_a_pair():
    root = open_spec(load("swin_tiny"))
    pair = box_at(root, "stages.2.block.0–5")
    assert pair.times == 3
    assert [box.path for box in pair.body.boxes] == ["stages.2.block.{0,2,4}", "stages.2.block.{1,3,5}"]
    first, second = (next(box for box in each.body.boxes if box.kind == "part") for each in pair.body.boxes)
    assert first.note == "7×7 windows, 12 heads"
    assert second.note == "7×7 windows, shifted, 12 heads"


def test_outputs_of_training_alone_are_named():
    root = open_spec(load("lvvit_s"))
    assert [port.name for port in root.outputs] == ["cls · 1", "aux · 0.5", "token_logits, in training"]


def test_another_size():
    assert open_spec(load("pvt_tiny"), 64).inputs[0].feature.grid == (64, 64)
