"""How much work a file may ask for. Each bound is checked before the work is done, and can be raised."""

from __future__ import annotations

import os
from typing import Any, NamedTuple

from vitdsl.errors import SpecError
from vitdsl.syntax.holes import Hole


class Limit(NamedTuple):
    """A bound.

    Attributes:
        most: how much is allowed.
        what: of what.
        variable: of the environment; it allows more.
    """

    most: int
    what: str
    variable: str

    @property
    def allowed(self) -> int:
        """How much is allowed here."""
        text = os.environ.get(self.variable, "")
        if text and not (text.isascii() and text.isdigit()):
            raise SpecError(f"the environment variable {self.variable} must be a number, but is {text!r}", "E508")
        return int(text) if text else self.most

    def exceeds(self, found: int) -> bool:
        """Whether this is more than is allowed; the environment is read for what is more than usual alone."""
        return found > self.most and found > self.allowed

    def fault(self, found: int | str) -> tuple[str, str]:
        """The message and the hint where there is more."""
        count = found if isinstance(found, str) else f"{found:,}" if found < 10**15 else f"{found:.2e}"
        message = f"at most {self.allowed:,} {self.what} are allowed, but here are {count}"
        return message, self.hint

    @property
    def hint(self) -> str:
        """How to allow more."""
        return f"set {self.variable} in the environment to allow more"


ITEMS = Limit(50_000, "items, repetitions and uses put in,", "VITDSL_MAX_ITEMS")
MODULES = Limit(1_000_000, "modules of a model", "VITDSL_MAX_MODULES")
VALUES = Limit(200_000, "values, variables put in,", "VITDSL_MAX_VALUES")
READINGS = Limit(10_000, "readings of variables in one value", "VITDSL_MAX_READINGS")
SETTINGS = Limit(10_000, "entries of `set`", "VITDSL_MAX_SETTINGS")
PIXELS = Limit(100_000_000, "pixels of an image", "VITDSL_MAX_PIXELS")


def size_of(node: Any) -> int:
    """How many values a tree holds; what stands in it several times counts each time, but is looked at once."""
    if isinstance(node, Hole):
        return size_of(node.raw)
    if not isinstance(node, (dict, list, tuple)):
        return 1
    own = getattr(node, "__dict__", {})
    if "size" not in own:
        entries = node.values() if isinstance(node, dict) else node
        found = 1 + sum(size_of(entry) for entry in entries)
        if node.__class__ not in (dict, list, tuple):
            own["size"] = found
        return found
    return own["size"]
