"""Where in a file something stands."""

from vitdsl.errors import Mark
from vitdsl.syntax.locate import mark_of
from vitdsl.syntax.paths import Key, parse_path
from vitdsl.syntax.source import read


def test_a_location_has_a_mark():
    tree = read("a:\n  - {b: 1}\n  - c\nd: x\n", "f")

    def place(path, key=False):
        *above, last = parse_path(path)
        mark = mark_of(tree, (*above, Key(last) if key else last))
        assert isinstance(mark, Mark)
        return mark.line, mark.column

    assert place("a[0].b") == (2, 9)
    assert place("a[0].b", key=True) == (2, 6)
    assert place("a@7[0].b") == (2, 9)
    assert place("a[1]") == (3, 5)
    assert place("a[0].missing") == (2, 5)
    assert place("d.missing") == (4, 4)
    assert place("a[9]") == (2, 3)
    assert place("missing") == (1, 1)
    assert mark_of({"a": tree}, ("a", "d")) == tree.marks["d"][1]
    assert mark_of({"a": tree}, ("a",)) == tree.pos
    assert mark_of({"a": [1]}, ("a", 0)) is None
    assert mark_of(3, ("a",)) is None
