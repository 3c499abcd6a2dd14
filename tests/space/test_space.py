"""Spaces: what is asked, in which order, how often; what comes of the answers; how many there are."""

import itertools
import pickle
import random

import pytest

import vitdsl
from vitdsl.space.counting import logs

TINY = """
name: tiny
vars: {width: {choose: [16, 24]}, n: {range: [1, 2]}}
input: {size: 32}
classes: 10
stages:
  - tokenizer: {type: patch, size: 8, dim: $width}
    depth: {range: [1, 3]}
    block:
      - mixer: {type: global, heads: {choose: [2, 4], each: true}}
      - mlp: {ratio: {choose: [1, 2, 3], each: true}}
  - depth: $(2 * n)
    block:
      - mixer:
          choose:
            near: {type: windowed, windows: {choose: [2, 4]}, heads: 4}
            far: {type: global, heads: {choose: [1, 2, 4]}}
            carried: {type: lowrank, rank: 4, heads: 2}
      - mlp: {ratio: {choose: [1, 2], when: "$('stages[0].depth' > 2 and n < 2)", else: 3}}
head: {pool: mean}
"""


def body(block: str, more: str = "") -> str:
    """A space of one stage."""
    return f"{more}\nstages: [{{tokenizer: {{type: patch, size: 16, dim: 16}}, {block}}}]\nhead: {{pool: mean}}\n"


@pytest.fixture(scope="module")
def tiny() -> vitdsl.Space:
    return vitdsl.Space(TINY)


def test_the_number_of_logs_is_that_of_all_of_them(tiny):
    # by hand: width 2; 6^d blocks of depth d; n 2; the mixer 2 + 3 + 1; the ratio is asked where d is 3 and n is 1
    assert tiny.size == 2 * 6 * (2 * (6 + 36) + 216 * (2 + 1))
    made = {tuple(sorted(draw.log.items())) for draw in logs(tiny.sites)}
    assert len(made) == tiny.size


def test_asked_in_the_order_of_the_file_with_variables_first(tiny):
    asked = []
    tiny.walk(lambda choice: asked.append(choice.path) or choice.options[-1])
    assert asked == [
        "vars.width", "vars.n", "stages[0].depth",
        *[f"stages[0].block@{index}[0].mixer.heads" for index in range(3)],
        *[f"stages[0].block@{index}[1].mlp.ratio" for index in range(3)],
        "stages[1].block[0].mixer",
    ]  # fmt: skip


def test_keys_tell_decisions_of_different_alternatives_apart(tiny):
    found = {}
    for draw in itertools.islice(logs(tiny.sites), 400):
        vitdsl.Space.decide(
            tiny, lambda choice, log=draw.log: found.setdefault(choice.key, choice) and log[choice.path]
        )
    assert all(choice.options == again.options for choice in found.values() for again in [found[choice.key]])
    paths = [choice.path for choice in found.values()]
    assert len(paths) == len(set(paths))  # windows and heads stand at paths of their own here


def test_one_value_for_all_repetitions_is_put_in_as_it_is(tiny):
    spec = tiny.walk(lambda choice: choice.options[0])
    assert "vars" not in spec.tree
    assert spec.tree["stages"][0]["block"][0]["mixer"]["heads"] == 2


def test_each_repetition_has_its_own(tiny):
    heads, ratios = [4, 2, 4], [3, 1, 2]
    log = {
        "vars.width": 24, "vars.n": 1, "stages[0].depth": 3, "stages[1].block[0].mixer": "carried",
        "stages[1].block[1].mlp.ratio": 2,
        **{f"stages[0].block@{i}[0].mixer.heads": value for i, value in enumerate(heads)},
        **{f"stages[0].block@{i}[1].mlp.ratio": value for i, value in enumerate(ratios)},
    }  # fmt: skip
    spec = tiny.replay(log)
    state = vitdsl.build(spec).state_dict()
    hidden = [state[f"stages.0.block.{i}.1.mlp.fc1.weight"].shape[0] for i in range(3)]
    assert hidden == [ratio * 24 for ratio in ratios]
    assert spec.decisions == log
    assert vitdsl.load(spec.dump()).hash == spec.hash
    assert vitdsl.load(spec.dump()).analyze().cost == spec.analyze().cost


def test_nested_repetitions_each_have_their_own():
    inner = "{repeat: 2, mlp: {ratio: {choose: [1, 2], each: true}}}"
    space = vitdsl.Space(body(f"depth: 2, block: [{inner}]"))
    assert space.size == 16
    places = [(outer, index) for outer in range(2) for index in range(2)]
    spec = space.replay({f"stages[0].block@{o}[0]@{i}.mlp.ratio": 1 + (o == i) for o, i in places})
    state = vitdsl.build(spec).state_dict()
    widths = {key: value.shape[0] for key, value in state.items() if key.endswith("fc1.bias")}
    assert list(widths.values()) == [32, 16, 16, 32], widths


def test_arguments_of_a_use_are_decided_where_it_stands():
    text = body(
        "depth: {choose: [1, 3]}, block: {use: unit, ratio: {choose: [1, 2], each: true}}",
        "define: {unit: {args: [ratio], body: [{mlp: {ratio: $ratio}}]}}",
    )
    space = vitdsl.Space(text)
    assert space.size == 2 + 8
    spec = space.replay({"stages[0].depth": 3, **{f"stages[0].block@{i}.ratio": 1 + i % 2 for i in range(3)}})
    assert spec.analyze().trainable_params == vitdsl.load(spec.dump()).analyze().trainable_params


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


def test_a_mutation_is_one_step(tiny):
    rng = random.Random(0)
    parent, kinds = tiny.sample(3), set()
    for _ in range(200):
        child = tiny.mutate(parent, rng)
        assert child.decisions != parent.decisions
        assert tiny.replay(child.decisions) == child
        common = child.decisions.keys() & parent.decisions.keys()
        changed = {path for path in common if child.decisions[path] != parent.decisions[path]}
        kinds.add(tuple(sorted(changed))[:1])
        # a step changes one decision; what hangs on it may begin or cease to be asked
        assert len(changed) <= 1, (changed, parent.decisions, child.decisions)
        parent = child
    assert len(kinds) > 5


def test_what_a_longer_repetition_asks_is_answered_as_its_last_did(tiny):
    log = tiny.walk(lambda choice: choice.options[0]).decisions
    log = {**log, "stages[0].block@0[0].mixer.heads": 4}
    grown = next(
        child for seed in range(200)
        if (child := tiny.mutate(log, seed)).decisions["stages[0].depth"] == 2
    )  # fmt: skip
    assert grown.decisions["stages[0].block@1[0].mixer.heads"] == 4


def test_stages_change_their_bodies():
    stage = "{tokenizer: {conv: {dim: 16, kernel: 2, stride: 2}}, body: [{mlp: {ratio: {choose: [1, 2, 3, 4]}}}]}"
    space = vitdsl.Space(f"input: {{size: 32}}\nstages: [{stage}, {stage}]\nhead: {{pool: mean}}")
    parent = {"stages[0].body[0].mlp.ratio": 1, "stages[1].body[0].mlp.ratio": 4}
    children = [tuple(space.mutate(parent, seed).decisions.values()) for seed in range(100)]
    assert (4, 1) in children


def test_a_child_of_two_has_the_decisions_of_either(tiny):
    rng = random.Random(1)
    for _ in range(100):
        first, second = tiny.sample(rng), tiny.sample(rng)
        child = tiny.crossover(first, second, rng)
        assert tiny.replay(child.decisions) == child
        for path, value in child.decisions.items():
            known = {log[path] for log in (first.decisions, second.decisions) if path in log}
            assert value in known or not known or "@" in path, path


def test_encoding_is_of_one_length_and_tells_architectures_apart(tiny):
    specs = {spec.hash: spec for spec in map(tiny.sample, range(200))}
    vectors = [tuple(tiny.encode(spec)) for spec in specs.values()]
    assert len({len(vector) for vector in vectors}) == 1
    assert len(set(vectors)) == len(specs)
    assert all(value == -1 or 0 <= value <= 1 for vector in vectors for value in vector)


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


def test_what_each_would_ask_too_often_is_refused():
    text = body("depth: 4096, block: [{repeat: 4096, mlp: {ratio: {choose: [1, 2], each: true}}}]")
    with pytest.raises(vitdsl.SpecError, match="would ask this 16,777,216 times, and at most 10,000") as caught:
        vitdsl.Space(text)
    assert caught.value.problems[0].mark is not None
