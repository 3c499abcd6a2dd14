"""Values that know where they stand."""

import copy
import pickle

from vitdsl.syntax.source import read


def test_values_can_be_copied_and_pickled():
    tree = read("a: [1, {b: 2}]", "f")
    for other in (copy.deepcopy(tree), pickle.loads(pickle.dumps(tree))):
        assert other == tree
        assert other.marks == tree.marks
        assert other["a"][1].pos == tree["a"][1].pos
