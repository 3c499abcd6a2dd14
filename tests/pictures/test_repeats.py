"""Runs of repetitions: put one after another they are the repetitions again."""

import random

import pytest

from vitdsl.features import Feature
from vitdsl.graph.ir import Frame
from vitdsl.pictures.repeats import runs
from vitdsl.spec import load


def frame(letter):
    made = Frame()
    made.features, made.inputs, made.outputs = [Feature(ord(letter))], {"x": 0}, {"x": 0}
    return made


def cut(word):
    known = {letter: frame(letter) for letter in word}
    frames = [known[letter] for letter in word]
    found = [*runs(frames)]
    assert [each for run in found for each in run.frames * run.times] == frames
    assert [run.first for run in found] == [sum(len(r.frames) * r.times for r in found[:n]) for n in range(len(found))]
    names = {id(each): letter for letter, each in known.items()}
    return ["".join(names[id(each)] for each in run.frames) + f"{run.times}" for run in found]


@pytest.mark.parametrize(("word", "found"), [
    ("a", ["a1"]), ("aaaa", ["a4"]), ("ababab", ["ab3"]), ("aab", ["a2", "b1"]), ("abcabc", ["abc2"]),
    ("abab" + "ccc", ["ab2", "c3"]), ("abc", ["a1", "b1", "c1"]), ("aabaab", ["aab2"]),
])  # fmt: skip
def test_words(word, found):
    assert cut(word) == found


@pytest.mark.parametrize("seed", range(50))
def test_any_word(seed):
    rng = random.Random(seed)
    cut("".join(rng.choice("abc"[: rng.randint(1, 3)]) for _ in range(rng.randint(1, 30))))


def test_numbers_of_a_run():
    a, b = frame("a"), frame("b")
    (run,) = runs([a, b, a, b])
    assert run.numbers(1, 10) == [11, 13]


def test_how_often_branches_are_dropped_does_not_count():
    """CrossViT's repetitions drop their branches at rates of their own, and are alike otherwise."""
    graph = load("crossvit_tiny").graph()
    stage = next(step for step in graph.frame.steps if step.path == "stages.2").frames[0]
    (block,) = stage.steps
    assert len(set(map(id, block.frames))) == 3
    assert len([*runs(block.frames)]) == 1
