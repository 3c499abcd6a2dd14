"""Names in generated code: identifiers that we choose. Nothing of a spec becomes code."""

from __future__ import annotations

import builtins
import keyword
import re
from collections.abc import Container

from torch.fx import Graph, Node

_TAKEN = frozenset({*keyword.kwlist, *dir(builtins), "self", "torch", "device", "inf", "nan", "NoneType", "fx_pytree"})
_OURS = ("vitdsl", "torch", "pytree")
"""How the functions are called that generated code reads."""


def spoken(path: str) -> str:
    """The name of what a module gives: the last words of its path, `mixer_qkv`."""
    words = [word for word in path.split(".") if not word.isdigit()]
    return identifier("_".join(words[-2:]))


def identifier(name: str) -> str:
    """A name that means nothing else in generated code."""
    text = re.sub(r"[^A-Za-z0-9_]", "_", name) or "x"
    text = f"_{text}" if text[0].isdigit() or text.startswith(_OURS) else text
    return f"{text}_" if text in _TAKEN else text


def parameter(code: Graph, name: str) -> Node:
    """A parameter of a forward, which no other one of it is called."""
    taken = {node.target for node in code.nodes if node.op == "placeholder"}
    return code.placeholder(_unused(identifier(name), taken))


def _unused(name: str, taken: Container[object]) -> str:
    number, found = 0, name
    while found in taken:
        number += 1
        found = f"{name}_{number}"
    return found


def class_name(path: str) -> str:
    """The name of the class of a repeated body: `Stage2Block`."""
    words = re.findall(r"[A-Za-z]+|[0-9]+", path)
    while words and words[-1].isdigit():
        words.pop()
    joined = "".join(word.capitalize() for word in words).replace("Stages", "Stage")
    return identifier(joined or "Body")
