"""Keys of two models: in common with equal shapes, with other shapes, and in one alone."""

from vitdsl.differences.weights import FIT, ONLY_A, ONLY_B, OTHER, shapes_of, weights
from vitdsl.spec import load


def test_every_key_is_counted_once():
    a, b = load("deit_tiny"), load("deit_tiny_distilled", {"stages[0].depth": 6})
    found = weights(a, b)
    first, second = shapes_of(a, None), shapes_of(b, None)
    assert set(found.words) == {*first, *second}
    assert {key for key, word in found.words.items() if word == FIT} == {
        key for key in first if first[key] == second.get(key)
    }
    assert found.shapes == {"stages.0.position.weight": ((1, 197, 192), (1, 198, 192))}
    assert {key for key, word in found.words.items() if word == ONLY_A} == first.keys() - second.keys()
    assert {key for key, word in found.words.items() if word == ONLY_B} == second.keys() - first.keys()
    assert sum(map(found.count, (FIT, OTHER, ONLY_A, ONLY_B))) == len(found.words)
    assert ("stages.0.block.6–11", ONLY_A, 72) in found.patterns()


def test_another_size_changes_tables():
    found = weights(load("deit_tiny"), load("deit_tiny"), 224)
    assert found.count(FIT) == len(found.words)
