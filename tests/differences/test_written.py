"""What two files say otherwise, with the lines of both."""

import itertools

import pytest

from tests.zoo.specs import families
from vitdsl.differences.written import APART, changes
from vitdsl.spec import load
from vitdsl.syntax.paths import parse_path
from vitdsl.syntax.printer import plain

BASE = """
name: one
input: {size: 32}
classes: 10
stages:
  - tokenizer: {type: patch, size: 4, dim: 16}
    depth: 2
    block: [{mixer: {type: global, heads: 2}}, {mlp: {ratio: 2}}]
head: {pool: mean}
"""


def compared(other, base=BASE):
    return changes(load(base).tree, load(other).tree)


def told(found):
    return [(a and (a.path, a.value), b and (b.path, b.value)) for a, b in found]


def test_equal_files_differ_in_nothing_but_name_and_paper():
    assert compared(BASE) == []
    assert compared(BASE.replace("one", "two") + "paper: {title: A title}\n") == []


def test_a_value_has_its_lines():
    (found,) = compared("\n" + BASE.replace("depth: 2", "depth: 3"))
    assert told([found]) == [(("stages[0].depth", 2), ("stages[0].depth", 3))]
    assert (found.a.mark.line, found.b.mark.line) == (7, 8)


def test_what_is_in_one_alone():
    (found,) = compared(BASE.replace("classes: 10", "classes: 10\ndrop_path: 0.1"))
    assert told([found])[0][0] is None
    assert found.b.path == "drop_path"


def test_entries_of_lists_are_matched():
    other = BASE.replace("block: [{mixer", "block: [{conv: {kernel: 3, dim: 16}}, {mixer")
    assert told(compared(other)) == [(None, ("stages[0].block[0]", {"conv": {"kernel": 3, "dim": 16}}))]
    assert [found.b for found in changes(load(other).tree, load(BASE).tree)] == [None]


def test_types_are_values():
    assert len(compared(BASE.replace("size: 4", "size: [4, 4]"))) == 1


@pytest.mark.parametrize("names", families().values(), ids=families())
def test_specs_differ_where_their_hashes_do(names):
    for one, other in itertools.islice(itertools.combinations(names, 2), 6):
        a, b = load(one), load(other)
        found = changes(a.tree, b.tree)
        assert (found == []) == (a == b)
        for change in found:
            for side, spec in zip(change, (a, b), strict=True):
                if side is not None:
                    node = spec.tree
                    for segment in parse_path(side.path):
                        node = node[segment]
                    assert plain(node) == side.value
                    assert parse_path(side.path)[0] not in APART
                    assert side.mark is not None
