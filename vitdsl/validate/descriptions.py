"""What every key of a file means, in words: read from docstrings, and written here for keys that no class has.

Editors, the JSON schema and the reference in `docs/language.md` say the same, since all of them ask here.
"""

from __future__ import annotations

import inspect
import re
from functools import cache

from vitdsl.parts.base import Fields
from vitdsl.parts.registry import class_of

BODIES = {
    "body": "A list of items inside an item.",
    "parallel": "Several bodies over the same input, which `merge` makes one; an empty body is the identity.",
    "use": "A define by its name; its arguments stand beside it.",
}
"""Roles that hold no part."""
ROLES = {
    "mixer": "Mixes tokens; residual, with a norm before it, by nature.",
    "norm": "A norm; without a type the default one, a layer norm.",
}
"""Roles that hold parts of several classes, of which none is called as the role."""
DEFINE = {
    "args": "Names of the arguments that a `use` must give.",
    "optional": "Arguments that a `use` may give, with the values that they have else.",
    "body": "The items that a `use` stands for.",
    "stage": "The stage that a `use` among the stages stands for.",
}
"""Keys of a define."""
HOLE = {
    "choose": "A decision: one of a list, or one of several parts or bodies by name.",
    "range": "A decision: a number from the lowest to the highest, in steps: `[low, high, step]`.",
    "when": "Whether there is a decision, `$(…)`; else the value is that of `else`.",
    "else": "The value where `when` is false.",
    "each": "One decision for every repetition.",
}
"""Keys of an open decision."""


@cache
def descriptions(model: type[Fields]) -> dict[str, str]:
    """What a class and its bases say of their keys under `Attributes:`; of `type`, what the class is."""
    found = {"type": summary(model)}
    for cls in reversed(model.__mro__):
        if cls is not Fields and issubclass(cls, Fields):
            found |= attributes(inspect.cleandoc(cls.__doc__ or ""))
    names = {field.key: field.name for field in model.fields_by_key.values()} | {key: key for key in model.merged}
    return {key: found[key if key in found else name] for key, name in names.items() if key in found or name in found}


def role_text(name: str) -> str:
    """What an item with a role does."""
    if name in BODIES:
        return BODIES[name]
    cls = class_of(name, name)
    return summary(cls) if cls is not None else ROLES[name]


def attributes(text: str) -> dict[str, str]:
    """The entries under `Attributes:` of a docstring."""
    section = re.search(r"^Attributes:\n((?:    .*\n?|\n)*)", text, re.MULTILINE)
    entries = re.finditer(r"^    (\w+): (.*(?:\n {5,}.*)*)", section[1] if section else "", re.MULTILINE)
    return {name: " ".join(words.split()) for name, words in (entry.groups() for entry in entries)}


def summary(model: type) -> str:
    """The first line of a class's docstring."""
    return (inspect.getdoc(model) or "").partition("\n")[0]


def paper(model: type) -> str:
    """The paper that a class's docstring names, or nothing."""
    found = re.search(r"^Paper: (.+?)(?:\.? Symbols: |\.?$)", inspect.getdoc(model) or "", re.MULTILINE)
    return found[1] if found and found[1] != "-" else ""
