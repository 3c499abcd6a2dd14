"""What a tree has in it, against a walk over all of it."""

from hypothesis import given
from hypothesis import strategies as st

from vitdsl.syntax.expressions import Late
from vitdsl.syntax.holes import Hole
from vitdsl.syntax.recognise import recognise
from vitdsl.syntax.summary import facts
from vitdsl.syntax.tree import kept

LEAVES = st.sampled_from([1, True, None, "word", "$dim", "$(dim * n)", "$index"])
FILES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["use", "a", "b", "c"]), inner, max_size=3)
        | st.fixed_dictionaries({"choose": st.lists(inner, min_size=1, max_size=2)})
    ),
    max_leaves=10,
)


def everything(node):
    """All values of a tree, also those inside of holes."""
    yield node
    inner = [node.raw] if isinstance(node, Hole) else node.values() if isinstance(node, dict) else node
    if isinstance(inner, (list, type({}.values()))):
        for value in inner:
            yield from everything(value)


@given(FILES)
def test_facts_are_those_of_all_values(tree):
    made = recognise(kept(tree), ())
    values = list(everything(made))
    late = [value for value in values if isinstance(value, Late)]
    holes = any(isinstance(value, Hole) for value in values)
    for _ in range(2):  # the second time it is known
        found = facts(made)
        assert found.names == {name for value in late for name in value.names}
        assert found.late == (bool(late) or holes)
        assert found.holes == holes
        assert found.uses == any(isinstance(value, dict) and "use" in value for value in values)
