"""Forwards before they are printed: views are simplified, sections are cut at once, what nothing reads is left out."""

from __future__ import annotations

import operator

import pytest

from vitdsl.compiler.statements import Forward, Number, Returned, Value, text_of


def begun() -> tuple[Forward, Value]:
    forward = Forward()
    return forward, forward.enter("x")


VIEWS = [
    ("transpose", 1, 2),
    ("flatten", 2),
    ("unsqueeze", 3),
    ("squeeze", 1),
    ("unflatten", 2, Number((2, 2), "inner")),
]


@pytest.mark.parametrize("view", VIEWS, ids=lambda view: view[0])
def test_a_view_that_is_taken_twice_is_one_value(view: tuple) -> None:
    forward, x = begun()
    assert forward.view(view[0], x, *view[1:]) is forward.view(view[0], x, *view[1:])
    assert len(forward.statements) == 1
    assert forward.view("flatten", x, 1) is not forward.view("flatten", x, 0)


@pytest.mark.parametrize(("there", "back"), [
    (("transpose", 1, 2), ("transpose", 1, 2)), (("unflatten", 2, (Value(), Value())), ("flatten", 2)),
    (("unsqueeze", 3), ("squeeze", 3)),
])  # fmt: skip
def test_a_view_that_undoes_another_is_what_both_began_with(there: tuple, back: tuple) -> None:
    forward, x = begun()
    y = forward.view(there[0], x, *there[1:])
    assert forward.view(back[0], y, *back[1:]) is x
    forward.prune(modules=True)
    assert not forward.statements


@pytest.mark.parametrize(("there", "back"), [
    (("transpose", 1, 2), ("transpose", 2, 3)), (("flatten", 1), ("unflatten", 1, (2, 2))),
    (("unsqueeze", 3), ("squeeze", 2)), (("flatten", 2), ("flatten", 2)), (("squeeze", 1), ("unsqueeze", 1)),
])  # fmt: skip
def test_other_views_are_taken(there: tuple, back: tuple) -> None:
    forward, x = begun()
    assert forward.view(back[0], forward.view(there[0], x, *there[1:]), *back[1:]) is not x
    assert len(forward.statements) == 2


def test_a_grid_is_taken_apart_and_put_together_where_its_size_is_its_own() -> None:
    """Only of the map that the lengths were read from is it known that unflattening gives it back."""
    forward, x = begun()
    z = forward.enter("z")
    own, other = (tuple(forward.add("size", None, each, count=2)) for each in (x, z))
    flat = forward.view("flatten", x, 2)
    assert forward.view("unflatten", flat, 2, own) is x
    assert forward.view("unflatten", flat, 2, other) is not x
    assert forward.view("unflatten", flat, 2, (own[0], other[1])) is not x


@pytest.mark.parametrize(("bounds", "total", "kind"), [
    ([(0, 2), (2, 4), (4, 6)], 6, "chunk"), ([(4, 6), (0, 2), (2, 4)], 6, "chunk"), ([(0, 2), (2, 6)], 6, "split"),
    ([(0, 2), (2, 4)], 6, "slice"), ([(0, 3), (2, 6)], 6, "slice"), ([(2, 4), (4, 6)], 6, "slice"),
    ([(0, 6)], 6, "slice"),
])  # fmt: skip
def test_sections_that_are_all_of_a_value_are_cut_at_once(bounds: list, total: int, kind: str) -> None:
    forward, x = begun()
    parts = [forward.section(x, -1, start, stop, total) for start, stop in bounds]
    forward.returned = Returned(parts)
    forward.cut_at_once()
    found = [each.target if each.kind == "method" else each.kind for each in forward.statements]
    assert found == ([kind] if kind != "slice" else ["slice"] * len(bounds))
    made = [value for each in forward.statements for value in each.outputs]
    assert sorted(map(id, made)) == sorted(map(id, parts))
    assert all(value.maker in forward.statements for value in parts)
    if kind != "slice":
        order = [parts[index] for index in sorted(range(len(bounds)), key=bounds.__getitem__)]
        assert made == order


@pytest.mark.parametrize("modules", [False, True])
def test_what_nothing_reads_is_left_out(modules: bool) -> None:
    """And what only that has read; calls of modules where that is asked for."""
    forward, x = begun()
    (kept,) = forward.add("module", "a", x)
    (unread,) = forward.add("module", "b", x)
    (more,) = forward.add("function", operator.add, x, kept)
    forward.add("function", operator.mul, more, unread)
    forward.returned = Returned([kept])
    forward.prune(modules)
    assert [each.target for each in forward.statements] == (["a"] if modules else ["a", "b"])
    assert forward.is_read(kept)
    assert not forward.is_read(more)


def test_a_statement_may_be_put_behind_what_it_reads() -> None:
    forward, x = begun()
    (y,) = forward.add("module", "a", x)
    forward.add("module", "b", y)
    height, width = forward.add("size", None, y, count=2, after=y)
    assert [each.kind for each in forward.statements] == ["module", "size", "module"]
    assert height.maker is width.maker is forward.statements[1]
    forward.add("size", None, x, count=2, after=x)
    assert forward.statements[0].kind == "size"


def test_equal_forwards_have_equal_texts() -> None:
    def made(path: str, number: int, name: str = "x") -> str:
        forward = Forward()
        x = forward.enter(name)
        (y,) = forward.add("module", path, x, Number(number, "windows"))
        forward.returned = Returned([y, x])
        return text_of(forward)

    assert made("a", 1) == made("a", 1, "other")
    assert len({made("a", 1), made("b", 1), made("a", 2)}) == 3
