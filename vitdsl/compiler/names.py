"""Names in generated code: identifiers that we choose. Nothing of a spec becomes code."""

from __future__ import annotations

import builtins
import keyword
import re
from collections.abc import Container, Iterator

from torch import nn

RESERVED = frozenset({*keyword.kwlist, *keyword.softkwlist, *dir(builtins), "self", "torch", "nn", "F", "Tensor"})
"""What generated code uses as something else."""
OF_MODULES = frozenset(dir(nn.Module()))
"""Attributes that every module has."""
NEXT = ("x", "y", "z", "u", "w")
"""Names of values that are just the next ones; `v` is for values of attention."""


def identifier(name: str) -> str:
    """A name that means nothing else in generated code."""
    text = re.sub(r"[^A-Za-z0-9_]", "_", name) or "x"
    text = f"_{text}" if text[0].isdigit() else text
    return f"{text}_" if text in RESERVED else text


def unused(hint: str, taken: Container[str]) -> str:
    """A name that is not taken: the hint, perhaps with a number; without a hint, the next letter."""
    return next(name for name in _candidates(hint) if name not in taken)


def _candidates(hint: str) -> Iterator[str]:
    if not hint:
        yield from NEXT
        hint = NEXT[0]
    else:
        yield hint
    number = 2
    while True:
        yield f"{hint}{'_' if hint[-1].isdigit() else ''}{number}"
        number += 1


def reference(path: str, start: str = "self") -> str:
    """How code reaches the module at a path below `start`: numbers are indexes, other names attributes."""
    return start + "".join(map(_step, path.split(".") if path else ()))


def _step(name: str) -> str:
    if name.isdigit():
        return f"[{int(name)}]"
    plain = name.isidentifier() and not keyword.iskeyword(name) and not name.startswith("__")
    return f".{name}" if plain else f'["{name}"]'


def last_word(path: str) -> str:
    """The last part of a path that is no number."""
    return next((word for word in reversed(path.split(".")) if word and not word.isdigit()), "")
