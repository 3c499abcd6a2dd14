"""Searches a file as it is written: for texts, for keys, and for norms beside a default norm."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from vitdsl.errors import Problem
from vitdsl.fields.nothing import NONE
from vitdsl.parts.registry import class_of
from vitdsl.syntax.holes import entries
from vitdsl.syntax.locate import mark_of
from vitdsl.syntax.paths import format_path

Path = tuple[str | int, ...]


def strings(node: Any, path: Path = ()) -> Iterator[tuple[Path, str]]:
    """Every text in a tree with its path, also in alternatives of holes."""
    if isinstance(node, str):
        yield path, node
    for key, value in entries(node):
        yield from strings(value, (*path, key))


def words(node: Any) -> set[tuple[str, str | None]]:
    """Every key in a tree, paired with None, and with its value if that is a text."""
    found: set[tuple[str, str | None]] = set()
    for key, value in entries(node):
        if isinstance(key, str):
            found |= {(key, None), (key, value)} if isinstance(value, str) else {(key, None)}
        found |= words(value)
    return found


def two_norms(tree: Mapping[str, Any]) -> Iterator[Problem]:
    """Mixers and mlps that set a norm in `post` but no `pre`, and so have the default `pre` as well."""
    usual = tree.get("defaults")
    usual = usual if isinstance(usual, Mapping) else {}
    if "pre" not in usual:
        yield from _two_norms(tree, {key: value for key, value in tree.items() if key != "defaults"}, (), usual)


def _two_norms(tree: Mapping[str, Any], node: Any, path: Path, usual: Mapping[str, Any]) -> Iterator[Problem]:
    if isinstance(node, Mapping) and ("mixer" in node or "mlp" in node) and "pre" not in node:
        post, residual = ({**usual, **node}.get(key) for key in ("post", "residual"))
        if _is_norm(post) and residual not in (False, NONE):
            message = "this branch has two norms: `post`, and before the operator `pre`, which is there by default"
            hint = "`pre: none` leaves `post` alone, `pre: layer` says that both are meant"
            yield Problem(message, format_path(path), mark_of(tree, path), hint, code="W008")
    for key, value in entries(node):
        yield from _two_norms(tree, value, (*path, key), usual)


def _is_norm(post: Any) -> bool:
    """Whether `post`, which may be any body, has a norm."""
    if isinstance(post, str):
        return class_of("norm", post) is not None
    return ("norm", None) in words(post) or (isinstance(post, Mapping) and "type" in post)
