"""What is asked, in which order, how often, and what comes of the answers."""

import itertools

import vitdsl
from tests.space.spaces import body
from vitdsl.space.counting import logs


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
