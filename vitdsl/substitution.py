"""Names put into late values, some of whose names stay."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import Any

from vitdsl.errors import ExpressionError
from vitdsl.syntax.expressions import Late, parse, term


def partly(late: Late, env: Mapping[str, Any]) -> Any:
    """A late value with some of its names put in: its value, where these are all.

    Raises:
        ExpressionError: the value cannot be computed, or a name stands for no number in an expression with others.
    """
    known = {name: env[name] for name in late.names if name in env}
    if not known:
        return late
    if known.keys() == late.names and not any(isinstance(value, Late) for value in known.values()):
        return late.evaluate(env)
    if not late.text.strip().startswith("$("):
        return _dotted(late, known)
    tree = _Names(known).visit(ast.parse(late.text.strip()[2:-1].strip(), mode="eval"))
    return parse(f"$({ast.unparse(tree)})")


def _dotted(late: Late, known: Mapping[str, Any]) -> Any:
    """`$name`, or a dotted name some of whose segments are known."""
    if late.text.strip() == f"${next(iter(late.names))}":
        return next(iter(known.values()))
    words = [str(known.get(word[1:], word)) if word.startswith("$") else word for word in late.text.strip().split(".")]
    return parse(".".join(words))


class _Names(ast.NodeTransformer):
    """Puts numbers, and other expressions, in the place of names."""

    def __init__(self, known: Mapping[str, Any]) -> None:
        self.known = known

    def visit_Name(self, node: ast.Name) -> ast.AST:
        """The value of a name, where it is known."""
        if node.id not in self.known:
            return node
        value = self.known[node.id]
        if isinstance(value, Late):
            return ast.parse(term(value), mode="eval").body
        if isinstance(value, (dict, list)):
            raise ExpressionError(f"`{node.id}` is no number, and the expression names what is not known yet")
        return ast.Constant(value)
