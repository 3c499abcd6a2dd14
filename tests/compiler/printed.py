"""What tests ask of generated code: its functions, the comments on its lines, the names that it makes and reads."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import Any

import torch

import vitdsl

SHAPE = re.compile(r"  # \(([^)]*)\)$")


def functions(code: str) -> Iterator[ast.FunctionDef]:
    """Every forward of a text."""
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.FunctionDef) and node.name == "forward":
            yield node


def with_checks(code: str) -> str:
    """A text that calls `check_shape(value, comment)` behind each line that says a shape."""
    lines, more = code.splitlines(), dict[int, str]()
    for function in functions(code):
        for node in ast.walk(function):
            if not isinstance(node, ast.Assign) or node.end_lineno is None:
                continue
            found = SHAPE.search(lines[node.end_lineno - 1])
            if found:
                (target,) = node.targets
                assert isinstance(target, ast.Name)
                indent = " " * node.col_offset
                more[node.end_lineno] = f"{indent}check_shape({target.id}, {found[1]!r}, {function.args.args[1].arg})"
    made = [text for number, line in enumerate(lines, 1) for text in (line, more.get(number)) if text is not None]
    return "\n".join(made) + "\n"


def unread(function: ast.FunctionDef) -> list[str]:
    """Names that a forward gives a value that nothing reads before they get another."""
    events = [(arg.arg, True, (0, arg.arg)) for arg in function.args.args[1:]]
    events += [event for statement in function.body for event in _events(statement)]
    read: dict[tuple[int, str], bool] = {}
    for at, (name, is_store, site) in enumerate(events):
        if is_store:
            after = next((store for other, store, _ in events[at + 1 :] if other == name), True)
            read[site] = read.get(site, False) or not after
    return [name for (_, name), found in read.items() if not found and name != "_"]


def _events(statement: ast.stmt) -> Iterator[tuple[str, bool, tuple[int, str]]]:
    """The names that a statement reads and then makes; a loop is run twice."""
    if isinstance(statement, ast.For):
        yield from _loads(statement.iter)
        for _ in range(2):
            yield from _stores(statement.target)
            for inner in statement.body:
                yield from _events(inner)
    elif isinstance(statement, ast.Assign):
        yield from _loads(statement.value)
        for target in statement.targets:
            yield from _stores(target)
    else:
        assert isinstance(statement, ast.Return), ast.dump(statement)
        assert statement.value is not None
        yield from _loads(statement.value)


def _loads(node: ast.expr) -> Iterator[tuple[str, bool, tuple[int, str]]]:
    for each in ast.walk(node):
        if isinstance(each, ast.Name):
            yield each.id, False, (each.lineno, each.id)


def _stores(node: ast.expr) -> Iterator[tuple[str, bool, tuple[int, str]]]:
    for each in ast.walk(node):
        if isinstance(each, ast.Name):
            yield each.id, True, (each.lineno, each.id)


def forward(stage: dict[str, Any], *others: dict[str, Any], **more: Any) -> str:
    """The forward of a model with these stages."""
    first = {"tokenizer": {"type": "patch", "size": 4, "dim": 8}, **stage}
    spec = {"name": "s", "classes": 3, "input": {"size": 16}, "stages": [first, *others], **more}
    model = vitdsl.build({"head": {"pool": "mean"}, **spec})
    assert model.eval()(torch.rand(2, 3, 16, 16)).shape == (2, 3)
    return ast.unparse([*functions(model.code)][-1])


MLP = {"mlp": {"ratio": 1}}
ATTEND = {"type": "global", "heads": 2}
