"""Texts of specs that mean harm: hostile names, holes in `vars`, what doubles, sizes, and what ends too early."""

from __future__ import annotations

from copy import deepcopy
from random import Random
from typing import Any

from tests.hostile import NAMES
from tests.hybrids import fields, files, models
from tests.hybrids.pen import Pen
from tests.hybrids.wrong import places, spoil
from vitdsl.syntax.printer import dump_tree

SIGNS = "{}[]\"'`:,-#&*!|>%@ \n\t?\\$()~"
SIZES = (0, -1, 1, 2, 3, 5, 7, 64, 4096, 4097, 10**6, 10**9, 10**12, 10**18, -(10**9), 0.1, 1e-300, 1e300, -0.0)
HOLES: tuple[Any, ...] = (
    {"choose": [1, 2]}, {"choose": {"a": 1, "b": [1, 2]}}, {"choose": []}, {"choose": 3}, {"range": [1, 4]},
    {"range": [4, 1]}, {"range": [1, 10**9]}, {"range": [32, 64, 0]}, {"range": [0, 1, 1e-12]}, {"range": ["a", 2]},
    {"choose": [1, 2], "when": "$(dim > 3)"}, {"choose": [{"choose": [1]}]}, {"choose": ["$x", "mlp"], "each": True},
)  # fmt: skip
LATE = (
    "$a9",
    "$(a9 * 2)",
    "$dim",
    "$(dim ** 9)",
    "$(index % 2)",
    "$(9 ** 99)",
    "$a9.$a9",
    "$(a9[0])",
    "$nothing",
    "$(",
)


def text(number: int) -> str:
    """The text of a number: a spec that was drawn, and mostly changed in one to three ways."""
    pen = Pen(Random(number))
    drawn: Any = pen.pick(
        lambda: models.drawn(number), lambda: models.drawn(number), lambda: files.spec(pen), lambda: fields.spec(pen)
    )
    tree = deepcopy(drawn)  # the generators have lists in common
    for _ in range(pen.number(0, 3)):
        (renamed, renamed, with_hole, doubled_values, doubled_defines, sized, late, spoil)[pen.number(0, 7)](pen, tree)
    said = dump_tree(tree)
    return torn(pen, said) + "\n" if pen.chance(15) else said


def place(pen: Pen, tree: Any) -> tuple[Any, Any]:
    """Any place of a tree: what holds it, and its key."""
    found = list(places(tree))
    return found[pen.number(0, len(found) - 1)]


def renamed(pen: Pen, tree: dict[str, Any]) -> None:
    """Calls something otherwise: every text of the tree that is alike, a key and what refers to it among them."""
    new = pen.pick(*NAMES)
    texts = sorted({part for holder, key in places(tree) for part in (key, holder[key]) if isinstance(part, str)})
    old = pen.pick(*texts, "name")
    if pen.chance(20):
        holder, key = place(pen, tree)
        holder[key] = pen.pick({"name": new}, new, {"write": new}, [new], {new: []})
    else:
        _rename(tree, old, new)


def _rename(node: Any, old: str, new: str) -> None:
    for key, value in list(node.items() if isinstance(node, dict) else enumerate(node)):
        if isinstance(value, (dict, list)):
            _rename(value, old, new)
        elif value == old:
            node[key] = new
        if key == old:
            node[new] = node.pop(old)


def _entries(tree: dict[str, Any], key: str) -> dict[str, Any]:
    if not isinstance(tree.get(key), dict):
        tree[key] = {}
    return tree[key]


def with_hole(pen: Pen, tree: dict[str, Any]) -> None:
    """A hole in a variable, which something reads."""
    _entries(tree, "vars")["a9"] = pen.pick(*HOLES)
    late(pen, tree)


def doubled_values(pen: Pen, tree: dict[str, Any]) -> None:
    """Variables each of which holds the one before it twice."""
    first, twice = pen.pick(
        ("x", "$a{0}.$a{0}"), ([1], ["$a{0}", "$a{0}"]), (["mlp"], [{"body": "$a{0}"}, {"body": "$a{0}"}]),
        ("$dim", "$(a{0} - a{0} + 1)"), (1, "$(a{0} + a{0})"), ({"choose": [1, 2]}, ["$a{0}", "$a{0}"]),
    )  # fmt: skip
    values = _entries(tree, "vars")
    values["a0"] = first
    for index in range(pen.pick(3, 9, 40, 60)):
        values[f"a{index + 1}"] = _put(twice, str(index))
    late(pen, tree)


def doubled_defines(pen: Pen, tree: dict[str, Any]) -> None:
    """Defines each of which uses the next one twice, at once or by an argument."""
    used: Any = pen.pick(
        [{"use": "q{0}", "x": "$x"}, {"use": "q{0}", "x": "$x"}], [{"use": "q{0}", "x": ["$x", "$x"]}],
        [{"parallel": [[{"use": "q{0}", "x": "$x"}], [{"use": "q{0}", "x": "$x"}]]}],
        [{"repeat": 4096, "use": "q{0}", "x": "$x"}],
    )  # fmt: skip
    defines, count = _entries(tree, "define"), pen.pick(2, 5, 20, 40)
    for index in range(count):
        defines[f"q{index}"] = {"args": ["x"], "body": _put(used, str(index + 1))}
    defines[f"q{count}"] = {"args": ["x"], "body": pen.pick(["mlp"], "$x", [{"scale": "$(index + 1)"}])}
    bodies = [each for each in places(tree) if each[1] in ("body", "block")] or [place(pen, tree)]
    holder, key = bodies[pen.number(0, len(bodies) - 1)]
    holder[key] = pen.pick([{"use": "q0", "x": ["mlp"]}], {"use": "q0", "x": [1]}, [{"use": "q0", "x": "mlp"}])


def _put(node: Any, index: str) -> Any:
    if isinstance(node, str):
        return node.replace("{0}", index)
    if isinstance(node, dict):
        return {key: _put(value, index) for key, value in node.items()}
    return [_put(value, index) for value in node] if isinstance(node, list) else node


def sized(pen: Pen, tree: dict[str, Any]) -> None:
    """A number of another size."""
    found = [each for each in places(tree) if type(each[0][each[1]]) in (int, float)]
    if found:
        holder, key = found[pen.number(0, len(found) - 1)]
        holder[key] = pen.pick(*SIZES)


def late(pen: Pen, tree: dict[str, Any]) -> None:
    """A late value in any place."""
    holder, key = place(pen, tree)
    items = [each for each in places(tree) if isinstance(each[0], list) and isinstance(each[0][each[1]], dict)]
    if items and pen.chance(30):
        holder, key = items[pen.number(0, len(items) - 1)]
        holder[key] = {"scale": {"value": pen.pick("$a9", "$a3", "$a40", "$(a9 * 2)")}}
        return
    holder[key] = pen.pick(*LATE, "$a9", "$a40")


def torn(pen: Pen, said: str) -> str:
    """A text that is cut off, or has a few signs more, fewer or others."""
    signs = list(said[: pen.number(0, len(said))] if pen.chance(50) else said)
    for _ in range(pen.number(1, 3)):
        where = pen.number(0, len(signs))
        signs[where : where + pen.number(0, 1)] = pen.pick("", *SIGNS)
    return "".join(signs)
