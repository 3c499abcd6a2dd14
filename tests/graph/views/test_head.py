"""A graph cut before its head: what enters the head, and where its classifiers are."""

import pytest

import vitdsl
from tests.compiler.small import SMALL
from vitdsl.graph.ir import HEAD
from vitdsl.graph.verify import verify
from vitdsl.graph.views.head import find_classifiers, split_head


def spec_of(head):
    stage = {"tokenizer": {"type": "patch", "size": 2, "dim": 4}, "block": [{"mlp": {"ratio": 2}}], "depth": 1}
    return vitdsl.load({"input": {"size": 8}, "classes": 3, "stages": [stage], "head": head})


@pytest.mark.parametrize("name", SMALL)
def test_the_halves_are_all_of_the_model(name):
    graph = vitdsl.load(name, SMALL[name]).graph()
    split = split_head(graph)
    whole = {path for path, _, _ in graph.frame.nodes()}
    body, head = ({path for path, _, _ in half.frame.nodes()} for half in (split.body, split.head))
    assert body | head == whole
    assert all(path.startswith(HEAD) for path in head)
    assert split.head.frame.inputs == split.features
    assert all(0 <= number < len(split.body.frame.features) for number in split.features.values())


def test_a_norm_of_the_head_stands_before_the_cut():
    split = split_head(spec_of({"norm": "layer", "pool": "mean"}).graph())
    assert "head.norm" in {path for path, _, _ in split.body.frame.nodes()}
    assert [*split.features] == ["features"]


def test_classifiers_are_found_by_output():
    head = {"outputs": {name: [{"pool": pool}, "classifier"] for name, pool in (("a", "mean"), ("b", "max"))}}
    split = split_head(spec_of(head).graph())
    found = find_classifiers(split.head, 3)
    assert [*found.paths] == [*found.entering] == ["a", "b"]
    assert len({*found.paths.values()}) == 2
    assert {found.head.frame.features[number].dim for number in found.entering.values()} == {4}
    verify(found.head._replace(training=None))


def test_without_classes_there_is_no_classifier():
    spec = vitdsl.load(spec_of({"pool": "mean"}), set={"classes": 0})
    found = find_classifiers(split_head(spec.graph()).head, 0)
    assert found.paths == {}
    assert [*found.entering] == [*spec.graph().outputs]
