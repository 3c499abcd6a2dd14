"""The plain values of an outline, as `syntax` reads them, and the place in it where somebody is writing."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from vitdsl.editor.nodes import Node
from vitdsl.editor.outline import Outline
from vitdsl.errors import ExpressionError
from vitdsl.syntax.expressions import parse
from vitdsl.syntax.tree import Map, Seq
from vitdsl.syntax.yaml_parser import TOO_LARGE, plain_value

CURSOR = "\ue000"
"""Stands in a text where somebody is writing; no file may hold it."""


@lru_cache(maxsize=64)
def outline_of(text: str) -> Outline:
    """The outline of a text; those of the last texts are kept."""
    return Outline(text)


def plain(node: Node) -> Any:
    """The value of a node: mappings, lists, texts, numbers and late values. What is being written is not there yet."""
    if node.kind == "mapping":
        pairs = ((entry.key, entry.value) for entry in node.entries)
        return Map({key.text: plain(value) for key, value in pairs if key is not None and CURSOR not in key.text})
    if node.kind == "list":
        return Seq([plain(entry.value) for entry in node.entries])
    if node.kind == "nothing" or CURSOR in node.text:
        return None
    return _scalar(node.text, node.quoted)


@lru_cache(maxsize=4096)
def _scalar(text: str, quoted: bool) -> Any:
    """The value of a text; one that is no expression, or no number that a file can hold, stays as it is."""
    if "$" in text:
        try:
            return parse(text)
        except ExpressionError:
            return text
    value = text if quoted else plain_value(text)
    return text if value is TOO_LARGE else value
