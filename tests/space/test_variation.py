"""New logs of decisions out of old ones."""

import random

import vitdsl


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
