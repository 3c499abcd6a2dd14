"""Equal trees have one number, others have another: memos go by it."""

import json

from hypothesis import given

from tests.syntax.trees import TREES
from vitdsl.memo import forget
from vitdsl.syntax.content import content
from vitdsl.syntax.recognise import recognise
from vitdsl.syntax.source import read
from vitdsl.syntax.tree import kept


@given(TREES, TREES)
def test_a_number_is_that_of_one_tree(a, b):
    assert content(kept(a)) == content(a) == content(json.loads(json.dumps(a)))
    assert (content(a) == content(b)) == (json.dumps(a) == json.dumps(b))


def test_types_of_numbers_and_kinds_of_values_are_told_apart():
    late, hole = recognise(read("[$dim, {choose: [1, 2]}]", "f"), ())
    values = [1, 1.0, True, "1", None, "null", [], {}, [1], {"0": 1}, "$dim", {"choose": [1, 2]}, late, hole]
    assert len({content(value) for value in values}) == len(values)


def test_positions_do_not_count():
    assert content(read("a: {b: [1, 2]}", "f")) == content(read("\n\na:\n  b:\n  - 1\n  - 2\n", "g"))


def test_no_number_is_given_twice():
    before = content(["given before"])
    forget()
    after = {content([number]) for number in range(100)}
    assert before not in after
