"""Tables of results: bounded, and emptied all together."""

import ast
from pathlib import Path

import vitdsl
from vitdsl import memo
from vitdsl.memo import Identity, Table, forget
from vitdsl.spec import GRAPHS
from vitdsl.syntax.content import content

PACKAGE = Path(vitdsl.__file__).parent
STEPS = ("syntax", "resolve", "fields", "parts", "validate", "graph", "elaborate", "space")


def test_a_table_is_emptied_when_it_is_full():
    table = Table(3)
    for number in range(10):
        assert table.keep(number, -number) == -number
        assert len(table) <= 3
    assert table == {9: -9}


def test_forget_empties_every_table():
    vitdsl.load("deit_tiny").graph()
    assert sum(len(table) > 0 for table in memo._tables) >= 6
    forget()
    assert not any(memo._tables)


def test_numbers_of_contents_are_never_given_twice():
    first = content([1, "one"])
    forget()
    assert content([2, "two"]) != first
    assert content([1, "one"]) != first


def test_an_identity_is_equal_to_that_of_the_same_object_only():
    one, other = [1], [1]
    assert Identity(one) == Identity(one)
    assert Identity(one) != Identity(other)
    assert len({Identity(one), Identity(one), Identity(other)}) == 2


NO_MEMOS = ["resolve/files.py: _open_texts"]
"""Texts that an editor holds until it closes them."""


def test_reading_and_elaborating_keep_results_in_tables_only():
    """A dict of a module that starts empty is a memo that `forget` does not know."""
    found = []
    for path in [path for folder in STEPS for path in sorted((PACKAGE / folder).rglob("*.py"))]:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in tree.body:
            value = getattr(node, "value", None)
            if isinstance(node, (ast.Assign, ast.AnnAssign)) and isinstance(value, ast.Dict) and not value.keys:
                target = node.targets[0] if isinstance(node, ast.Assign) else node.target
                if not ast.unparse(target).isupper():  # a constant
                    found.append(f"{path.relative_to(PACKAGE)}: {ast.unparse(target)}")
    assert found == NO_MEMOS


def test_a_spec_keeps_the_graphs_that_were_asked_for_last():
    spec = vitdsl.load({"input": {"size": 8}, "classes": 0, "head": [], "stages": [{"body": ["linear"]}]})
    own, kept = spec.graph(), []
    for side in range(1, 3 * GRAPHS):
        kept.append(spec.graph(side))
        assert spec.graph() is own
    assert len(spec._graphs) == GRAPHS
    last = list(enumerate(kept, 1))[1 - GRAPHS :]
    assert [spec.graph((side, side)) is graph for side, graph in last] == [True] * (GRAPHS - 1)
    assert spec.graph(1) is not kept[0]
    assert str(spec.graph(1)) == str(kept[0])
