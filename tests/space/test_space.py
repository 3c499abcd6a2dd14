"""Spaces: samples, replays, what is set, and what has no end."""

import pickle

import pytest

import vitdsl
from tests.space.spaces import TINY, body


def test_the_same_seed_gives_the_same_spec(tiny):
    first = [tiny.sample(seed).hash for seed in range(30)]
    assert first == [tiny.sample(seed).hash for seed in range(30)]
    assert len(set(first)) > 20


def test_every_sample_replays_to_the_same_spec_and_costs_what_is_built(tiny):
    for seed in range(12):
        spec = tiny.sample(seed)
        again = tiny.replay(spec.decisions)
        assert again == spec
        assert again.dump() == spec.dump()
        built = sum(parameter.numel() for parameter in vitdsl.build(spec, device="meta").parameters())
        assert built == spec.analyze().trainable_params


def test_a_drawn_spec_is_pickled_with_its_decisions(tiny):
    spec = tiny.sample(0)
    again = pickle.loads(pickle.dumps(spec))
    assert again == spec
    assert again.decisions == spec.decisions


def test_a_range_holds_both_ends():
    options = []
    space = vitdsl.Space(body("body: [{mlp: {ratio: {range: [0.5, 1.5, 0.25]}}}]"))
    space.walk(lambda choice: options.append(list(choice.options)) or choice.options[0])
    assert options == [[0.5, 0.75, 1.0, 1.25, 1.5]]


def test_what_is_set_is_no_longer_open():
    assert vitdsl.Space(TINY, set={"stages[0].depth": 1, "vars.width": 16}).size == 6 * 2 * 6


def test_a_space_of_a_spec():
    assert vitdsl.Space(vitdsl.load(TINY)).size == vitdsl.Space(TINY).size


def test_iterating_gives_every_architecture():
    space = vitdsl.Space(body("depth: {choose: [1, 2]}, block: [{mlp: {ratio: {choose: [1, 2], each: true}}}]"))
    assert len({spec.hash for spec in space}) == space.size == 2 + 4


LONG = body("depth: 3, block: [{mlp: {ratio: {range: [1, 1000000000], each: true}}}]")
LONG = "vars: {w: {range: [1, 1000000000]}}\n" + LONG.replace("dim: 16}", "dim: $w}")


def test_the_numbers_of_a_long_range_are_never_listed():
    space = vitdsl.Space(LONG)
    assert space.size == 10**36
    first, second = space.sample(0), space.sample(1)
    assert first != second
    assert space.replay(first.decisions) == first
    assert all(0 <= value <= 1 for value in space.encode(first))
    assert space.mutate(first, 2) != first
    assert space.crossover(first, second, 3).decisions.keys() == first.decisions.keys()
    with pytest.raises(vitdsl.SpecError, match=r"0 is no option here: 1, 2, 3, .*\(1,000,000,000\)"):
        space.replay({**first.decisions, "vars.w": 0})
    assert "1.00e+36" in repr(space)
