"""Substitutes names in trees by their values, also in expressions with other names."""

from __future__ import annotations

import ast
from collections.abc import Container, Mapping
from typing import Any

from vitdsl.errors import ExpressionError, Mark, Problem
from vitdsl.syntax.expressions import Late, parse, term
from vitdsl.syntax.holes import Hole
from vitdsl.syntax.paths import format_path
from vitdsl.syntax.summary import PLAIN, facts
from vitdsl.syntax.tree import Map, Seq

FEATURES = frozenset({"dim", "height", "width"})
"""Names of values that a feature provides to late values."""
INDEXES = frozenset({"index", "index_1"})
"""Names of values that a repetition provides to late values."""
RESERVED = FEATURES | INDEXES
"""Names that arguments cannot have."""


def names_in(node: Any) -> frozenset[str]:
    """The names that the late values in a tree read."""
    return facts(node).names


def fold(
    node: Any,
    env: Mapping[str, Any],
    path: tuple[str | int, ...],
    problems: list[Problem],
    mark: Mark | None,
    partial: bool = False,
) -> Any:
    """Evaluates all late values of a tree whose names are all known. Unchanged subtrees are shared.

    Args:
        node: the tree.
        env: values by name.
        path: of the tree in the file.
        problems: gets a problem for each late value that cannot be evaluated.
        mark: the position of the tree.
        partial: also substitutes known names in late values with unknown names.
    """
    return _folded(node, env, path, problems, mark, partial) if _reads(node, env) else node


def _folded(
    node: Any,
    env: Mapping[str, Any],
    path: tuple[str | int, ...],
    problems: list[Problem],
    mark: Mark | None,
    partial: bool,
) -> Any:
    """As `fold`, for a tree that reads a name of `env`."""
    if isinstance(node, Late):
        return _computed(node, env, path, problems, mark, partial) if partial or node.names <= env.keys() else node
    if isinstance(node, Hole):
        return Hole(_folded(node.raw, env, path, problems, mark, partial))
    marks = node.marks
    if isinstance(node, Seq):
        made = Seq(node)
        for index, value in enumerate(node):
            if _reads(value, env):
                made[index] = _folded(value, env, (*path, index), problems, marks[index] if marks else None, partial)
    else:
        made, inner = Map(node), env
        if "index" in env and node.get("repeat") is not None:  # what is repeated has an index of its own
            inner = {name: value for name, value in env.items() if name not in INDEXES}
        for key, value in node.items():
            if _reads(value, env):
                mark = marks[key][1] if key in marks else None
                made[key] = _folded(value, env if key == "repeat" else inner, (*path, key), problems, mark, partial)
    made.pos, made.marks = node.pos, marks
    return made


def _reads(node: Any, env: Mapping[str, Any]) -> bool:
    """Whether a late value in a tree reads a name of `env`."""
    if node.__class__ in PLAIN:
        return False
    names = facts(node).names
    return bool(names) and not env.keys().isdisjoint(names)


def _computed(
    late: Late,
    env: Mapping[str, Any],
    path: tuple[str | int, ...],
    problems: list[Problem],
    mark: Mark | None,
    partial: bool,
) -> Any:
    """Evaluates a late value, in part if `partial`. If that fails, notes a problem and returns the late value."""
    try:
        return evaluate_partly(late, env) if partial else late.evaluate(env)
    except ExpressionError as error:
        if not any(facts(env[name]).late for name in late.names if name in env):  # else it may be known later
            problems.append(Problem(error.message, format_path(path), mark, error.hint, code=error.code))
        return late


def inline_variables(node: Any, variables: Mapping[str, Late]) -> Any:
    """A tree with late variables replaced by their expressions; a variable that cannot be replaced stays.

    This is for arguments: late variables read their names where they are named, but arguments are used elsewhere.
    """
    for _ in variables:  # a variable may name another
        node = fold(node, variables, (), [], None, partial=True)
    return node


def substitute_known(node: Any, known: Mapping[str, Any]) -> Any:
    """A tree with known names substituted. Names of features, and names known only at the use of the tree, stay.

    Args:
        node: the tree of an argument.
        known: values by name; some may be late.
    """
    if facts(node).names.isdisjoint(known):
        return node
    late = {name: value for name, value in known.items() if isinstance(value, Late)}
    settled = {name: value for name, value in known.items() if name not in late} if late else known
    return fold(inline_variables(node, late), settled, (), [], None, partial=True)


def evaluate_partly(late: Late, env: Mapping[str, Any]) -> Any:
    """A late value with known names substituted; its value if all names are known.

    Raises:
        ExpressionError: it cannot be evaluated, or a known name is not a number and another name is unknown.
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
    """The value of `$name`, or a dotted name with its known segments substituted."""
    if late.text.strip() == f"${next(iter(late.names))}":
        return next(iter(known.values()))
    words = [str(known.get(word[1:], word)) if word.startswith("$") else word for word in late.text.strip().split(".")]
    return parse(".".join(words))


class _Names(ast.NodeTransformer):
    """Replaces names by numbers or expressions."""

    def __init__(self, known: Mapping[str, Any]) -> None:
        self.known = known

    def visit_Name(self, node: ast.Name) -> ast.AST:
        """Replaces a name that is known."""
        if node.id not in self.known:
            return node
        value = self.known[node.id]
        if isinstance(value, Late):
            return ast.parse(term(value), mode="eval").body
        if isinstance(value, (dict, list)):
            message = f"`{node.id}` is no number, and the expression names what is not known yet"
            raise ExpressionError(message, code="E211")
        return ast.Constant(value)


# ---------------------------------------------------------------- substitution


def substitute(node: Any, env: Mapping[str, Any]) -> Any:
    """A tree with the names of `env` substituted, also in expressions with other names."""
    if isinstance(node, Late):
        return evaluate_partly(node, env)
    if isinstance(node, Hole):
        return Hole(substitute(node.raw, env))
    if isinstance(node, dict):
        repeated = _repeated(node)
        inside = _below_repetition(node, env) if repeated else env
        made = {key: substitute(value, inside if key in repeated else env) for key, value in node.items()}
        if isinstance(node.get("parallel"), list):  # its entries are bodies
            made["parallel"] = [substitute(branch, inside if repeated else env) for branch in node["parallel"]]
        return Map(made)
    return Seq([_entry(value, env) for value in node]) if isinstance(node, list) else node


def _entry(node: Any, env: Mapping[str, Any]) -> Any:
    """An entry of a list; an argument that is an item or a body becomes a `body`, to have its own module path."""
    value = substitute(node, env)
    return Map(body=value) if isinstance(node, Late) and isinstance(value, (dict, list)) else value


def _repeated(node: Mapping[str, Any]) -> Container[str]:
    """The keys of an item or a stage whose values belong to each repetition."""
    if node.get("repeat") is not None:
        return node.keys() - {"repeat"}
    return ("block",) if node.get("depth") is not None else ()


def _below_repetition(node: Mapping[str, Any], env: Mapping[str, Any]) -> dict[str, Any]:
    """The values of names inside of a repetition, where the outer `index` is `index_1`."""
    read = facts(node).names
    given = {name: value for name, value in env.items() if name in read and name != "index"}
    third = "index" in env and "index_1" in read
    if third or any("index_1" in facts(value).names for value in given.values()):
        message = "`index_1` would be the index of the third repetition from here, which has no name"
        raise ExpressionError(message, code="E212")
    return {name: substitute(value, {"index": parse("$index_1")}) for name, value in given.items()}
