"""What is printed is read back as it was, to the type."""

import json

from hypothesis import given
from hypothesis import strategies as st

from tests.syntax.trees import TREES, WORDS
from vitdsl.syntax.printer import dump_tree, plain
from vitdsl.syntax.recognise import recognise
from vitdsl.syntax.source import read


@given(st.dictionaries(WORDS, TREES, min_size=1, max_size=4))
def test_a_tree_is_read_back_as_it_was(tree):
    text = dump_tree(tree)
    again = read(text, "f")
    assert json.dumps(again) == json.dumps(tree)
    assert dump_tree(again) == text


def test_late_values_and_holes_are_printed_as_they_were_written():
    text = 'a: $dim\nb:\n  choose:\n  - $word\n  - 3\n  when: $n\nc: 1.0e-05\nd: "1"\n'
    tree = read(text, "f")
    assert plain(recognise(tree, ())) == tree
    assert dump_tree(recognise(tree, ())) == text
