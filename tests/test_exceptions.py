"""Every skip, expected failure, allow-list and tolerance above the rule stands in `exceptions.md`, with its reason."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
RULE = 1e-9
"""No tolerance is larger."""
SKIPS = {"skip", "skipif", "xfail", "importorskip", "filterwarnings", "simplefilter"}
CLOSE = {"allclose", "isclose", "assert_close", "assert_allclose", "approx"}
"""Comparisons whose tolerance, where none is written, is larger than the rule."""
TOLERANCES = {"rtol", "atol", "rel", "abs", "rel_tol", "abs_tol"}
LISTS = re.compile(r"(ALLOWED|EXCEPT|EXEMPT|IGNORED|UNSEEN|UNCOUNTED)")
ROW = re.compile(r"^\| `(?P<where>[^`]+)` \| (?P<what>[^|]+) \| (?P<why>[^|]+) \|$", re.MULTILINE)


def found() -> set[tuple[str, str]]:
    """What the tests' code holds: (file::function, kind)."""
    made = set()
    for path in sorted(TESTS.rglob("*.py")):
        if path != Path(__file__):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            made |= {(f"{path.relative_to(TESTS).as_posix()}::{where}", what) for where, what in _in(tree, "module")}
    return made


def _in(node: ast.AST, where: str) -> Iterator[tuple[str, str]]:
    for child in ast.iter_child_nodes(node):
        inner = child.name if isinstance(child, (ast.FunctionDef, ast.ClassDef)) and where == "module" else where
        if (kind := _kind(child)) is not None:
            yield inner, kind
        yield from _in(child, inner)


def _kind(node: ast.AST) -> str | None:
    if isinstance(node, ast.Attribute) and node.attr in SKIPS:
        return node.attr
    if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and LISTS.search(t.id) for t in node.targets):
        return "allow-list" if _collection(node.value) else None
    if not isinstance(node, ast.Call):
        return None
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    given = {word.arg: word.value for word in node.keywords if word.arg in TOLERANCES}
    if name in CLOSE and not given:
        return "tolerance"
    return "tolerance" if any(_number(value) > RULE for value in given.values()) else None


def _collection(node: ast.expr) -> bool:
    if isinstance(node, ast.Call):
        return getattr(node.func, "id", "") in {"set", "frozenset", "dict", "tuple", "list"}
    return isinstance(node, (ast.Set, ast.Dict, ast.Tuple, ast.List))


def _number(node: ast.expr) -> float:
    """The largest number written in an expression; a name says none."""
    numbers = [
        leaf.value for leaf in ast.walk(node) if isinstance(leaf, ast.Constant) and isinstance(leaf.value, (int, float))
    ]
    return max((float(value) for value in numbers), default=0.0)


def listed() -> set[tuple[str, str]]:
    text = (TESTS / "exceptions.md").read_text(encoding="utf-8")
    return {(row["where"], row["what"].strip()) for row in ROW.finditer(text)}


def test_every_exception_is_listed():
    missing = found() - listed()
    assert not missing, "\n".join(f"{where}: {what}" for where, what in sorted(missing))


def test_every_entry_is_still_needed():
    left = {(where, what) for where, what in listed() - found() if what in {"tolerance", "allow-list", *SKIPS}}
    assert not left, "\n".join(f"{where}: {what}" for where, what in sorted(left))


@pytest.mark.parametrize(("code", "kind"), [
    ("pytest.skip('no')", "skip"), ("@pytest.mark.xfail\ndef f(): ...", "xfail"), ("assert_close(a, b)", "tolerance"),
    ("assert_close(a, b, rtol=0, atol=1e-4)", "tolerance"), ("assert_close(a, b, rtol=0, atol=1e-12)", None),
    ("approx(1.0)", "tolerance"), ("UNSEEN = {1}", "allow-list"),
    ("timm = pytest.importorskip('timm')", "importorskip"),
])  # fmt: skip
def test_the_scan_sees(code, kind):
    assert {what for _, what in _in(ast.parse(code), "module")} == ({kind} if kind else set())
