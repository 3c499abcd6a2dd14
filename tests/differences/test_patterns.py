"""Patterns: few, and each path is under one that says its word."""

import random
import re

import pytest

from vitdsl.differences.patterns import ITSELF, Pattern, patterns


def matches(pattern, path):
    """Whether a path is under a pattern."""
    wanted, names = pattern.split("."), path.split(".")
    if wanted == ["everything"]:
        return True
    if wanted[-1] == ITSELF:
        return len(names) == len(wanted) - 1 and matches(".".join(wanted[:-1]), path)
    return len(names) >= len(wanted) and all(map(_same, wanted, names))


def _same(wanted, name):
    if wanted == "*":
        return name.isdigit()
    if among := re.fullmatch(r"(\d+)–(\d+)", wanted):
        return name.isdigit() and int(among[1]) <= int(name) <= int(among[2])
    return name in wanted.strip("{}").split(",")


def drawn(rng):
    """Paths with words: blocks with items, some of which differ."""
    words = {}
    for stage in range(rng.randint(1, 3)):
        for block in range(rng.randint(1, 8)):
            for part in ("mixer.qkv.weight", "mixer.out.weight", "mlp", "mlp.norm.weight"):
                words[f"stages.{stage}.block.{block}.{part}"] = rng.choice(("", "", "a", "a", "b"))
    return words


@pytest.mark.parametrize("seed", range(60))
def test_every_path_is_under_its_pattern_alone(seed):
    words = drawn(random.Random(seed))
    found = patterns(words)
    for path, word in words.items():
        assert {each.word for each in found if matches(each.path, path)} == ({word} if word else set()), path
    for each in found:
        assert each.count == sum(matches(each.path, path) for path in words)


@pytest.mark.parametrize(("words", "found"), [
    ({}, []), ({"a.b": ""}, []), ({"a.b": "x", "a.c": "x"}, [Pattern("everything", "x", 2)]),
    ({"s.0.w": "x", "s.1.w": "x", "h": ""}, [Pattern("s", "x", 2)]),
    ({"s.0.w": "x", "s.0.v": "", "s.1.w": "x", "s.1.v": ""}, [Pattern("s.*.w", "x", 2)]),
    ({"s.0.w": "x", "s.1.w": "x", "s.2.w": "y", "s.4.w": "y"}, [Pattern("s.0–1", "x", 2), Pattern("s.{2,4}", "y", 2)]),
    ({"conv": "x", "conv.norm": ""}, [Pattern("conv.(itself)", "x", 1)]),
])  # fmt: skip
def test_patterns(words, found):
    assert patterns(words) == found
