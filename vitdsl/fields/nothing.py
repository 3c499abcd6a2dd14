"""The word `none`, which says that nothing is there, and the words that others write for it."""

from __future__ import annotations

from typing import Any

from vitdsl.errors import Refusal
from vitdsl.fields.declaration import Declaration

NONE = "none"
"""The word that means nothing: `pre: none`."""
WORDS_FOR_NONE = frozenset({"off", "no", "false", "nothing", "null", "identity", "disabled", "without"})
"""What others write where nothing is meant."""


def says_none(value: Any) -> bool:
    """Whether a value is the word `none`."""
    return value.__class__ is str and value == NONE


def remedy_for_nothing(field: Declaration, value: Any, absent: bool, reader: Any) -> str:
    """The hint where a value seems to mean nothing, in a word that the field does not take."""
    if says_none(value) and not field.required:
        usual = field.default[0] if isinstance(field.default, tuple) and field.default else field.default
        then = f": it is {usual:g} then" if usual.__class__ in (int, float) else " for what is usual"
        return f"leave `{field.key}` out{then}"
    if value is not False and not (isinstance(value, str) and value.casefold() in WORDS_FOR_NONE):
        return ""
    try:
        if not absent:
            field.read(NONE, reader)
    except Refusal:
        return ""
    return f"write `{field.key}: none`"
