"""Which values are late, which are holes, and what is wrong with either, all at once."""

import pytest

from vitdsl.errors import SpecError
from vitdsl.syntax.expressions import Late
from vitdsl.syntax.holes import Hole
from vitdsl.syntax.recognise import recognise
from vitdsl.syntax.source import read


def test_texts_with_a_dollar_are_late_but_in_prose():
    tree = recognise(read("name: $a\npaper: $b\na: {name: $c}\nb: [$d, d]\nc: $(1 + 1)", "f"), ())
    assert (tree["name"], tree["paper"], tree["b"][1], tree["c"]) == ("$a", "$b", "d", 2)
    assert [late.names for late in (tree["a"]["name"], tree["b"][0])] == [{"c"}, {"d"}]
    assert recognise(read("name: $a", "f"), ("stages", 0))["name"].names == {"a"}


def test_holes_are_what_has_only_their_keys():
    tree = recognise(read("a: {choose: [1, $b]}\nb: {range: [1, 2]}\nc: {choose: [1], dim: 3}\nd: {else: 1}", "f"), ())
    assert [type(tree[key]) is Hole for key in "abcd"] == [True, True, False, False]
    assert isinstance(tree["a"].raw["choose"][1], Late)


def test_a_condition_stays_late_where_it_names_nothing():
    tree = recognise(read("a: {choose: [1, 2], when: \"$('stages[0].depth' > 2)\", else: $(1 + 1)}", "f"), ())
    assert isinstance(tree["a"].raw["when"], Late)
    assert tree["a"].raw["else"] == 2


def test_positions_are_kept():
    given = read("a:\n  - {b: $c}\n  - {choose: [1, 2]}", "f")
    found = recognise(given, ())
    assert found.marks == given.marks
    assert found["a"].marks == given["a"].marks
    assert found["a"][0].pos == given["a"][0].pos
    assert found["a"][1].raw.pos == given["a"][1].pos


def test_all_that_is_wrong_is_said_at_its_place():
    tree = read("a: $(1 +)\nb: [1, $(x y)]\nc: {choose: [1, 2], when: '$('}", "f")
    with pytest.raises(SpecError) as caught:
        recognise(tree, ("stages", 0))
    places = [(problem.path, problem.line, problem.column) for problem in caught.value.problems]
    assert places == [("stages[0].a", 1, 4), ("stages[0].b[1]", 2, 8), ("stages[0].c.when", 3, 27)]
