"""What printed code may name, and the imports that it begins with."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from functools import partial
from itertools import groupby
from types import ModuleType
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from vitdsl.compiler.names import RESERVED, identifier, unused

TORCH: tuple[tuple[str, ModuleType], ...] = (("nn.init", nn.init), ("nn", nn), ("torch", torch), ("F", F))
"""What code calls torch's own modules."""
IMPORTS = {"torch": "import torch", "nn": "from torch import nn", "F": "import torch.nn.functional as F"}
"""The statements that import these, by name."""


class Namespace:
    """What code may name: torch, and whatever else it has named so far.

    Attributes:
        used: by name, all that is none of torch's.
        parts: by name, what makes the layer of a part of another package that says no more of it.
        classes: names of the classes that the code defines.
    """

    def __init__(self) -> None:
        self.used: dict[str, Any] = {}
        self.parts: dict[str, partial[Any]] = {}
        self.classes: set[str] = set()
        self._known: dict[int, str] = {}

    def __call__(self, target: Any) -> str:
        """What code calls a function or class."""
        if id(target) in self._known:
            return self._known[id(target)]
        name = getattr(target, "__name__", "") or "part"
        found = next((f"{short}.{name}" for short, module in TORCH if getattr(module, name, None) is target), "")
        if not found:
            found = unused(identifier(name), {*self.used, *self.classes, *RESERVED})
            self.used[found] = target
        self._known[id(target)] = found
        return found

    def part(self, make: partial[Any]) -> str:
        """What code calls what makes the layer of a part that says no more of it."""
        name = unused("part", {*self.used, *self.parts})
        self.parts[name] = make
        return name

    def imports(self, text: str) -> str:
        """The imports of a text.

        Args:
            text: all code that used these names.
        """
        statements: list[str] = []
        for name, target in self.used.items():
            own = target.__name__
            statements.append(f"from {target.__module__} import {own if own == name else f'{own} as {name}'}")
        made = "\n".join(f"# {name}: made by {_maker_name(make)}" for name, make in self.parts.items())
        return "\n\n".join(filter(None, (import_block(statements, text), made)))


def _maker_name(make: partial[Any]) -> str:
    """What a reader finds the maker of a layer by."""
    return f"`{make.func.__qualname__}` of {make.func.__module__}"


def import_block(statements: Iterable[str], code: str) -> str:
    """The imports of a text, in groups: of the language, of Python's library, of torch, and of others.

    Args:
        statements: each imports one name.
        code: the text, which may name torch besides.
    """
    used = (line for name, line in IMPORTS.items() if re.search(rf"\b{name}\.", code))
    groups = groupby(sorted(_lines({*statements, *used}), key=_group), key=_group)
    return "\n\n".join("\n".join(lines) for _, lines in groups)


def _group(line: str) -> int:
    """The number of the group that an import stands in."""
    package = re.split(r"[ .]", line)[1]
    if package == "__future__":
        return 0
    return 1 if package in sys.stdlib_module_names else 2 if package == "torch" else 3


def _lines(statements: Iterable[str]) -> list[str]:
    """Imports in the order that isort gives them, those of one module together."""
    plain: list[str] = []
    names: dict[str, list[str]] = {}
    for statement in statements:
        found = re.fullmatch(r"from (\S+) import (.+)", statement)
        if found is None:
            plain.append(statement)
        else:
            names.setdefault(found[1], []).append(found[2])
    lines = sorted(plain)
    for module, found in sorted(names.items()):
        renamed = sorted(each for each in found if " as " in each)
        together = sorted((each for each in found if " as " not in each), key=_kind)
        lines += [f"from {module} import {', '.join(together)}"] if together else []
        lines += [f"from {module} import {each}" for each in renamed]
    return lines


def _kind(name: str) -> tuple[int, str]:
    """Constants come first, then classes, then functions."""
    return (0 if name.isupper() else 1 if name[:1].isupper() else 2, name)
