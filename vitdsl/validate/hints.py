"""What is said of keys and operators that there are not, and how several faults are kept."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from vitdsl.errors import Refusal, did_you_mean
from vitdsl.parts.registry import class_of, family, is_type, part_class
from vitdsl.syntax.paths import Key
from vitdsl.validate.wiring import Place

ELSEWHERE = {
    "attention": "mixer: {type: global, heads: …}",
    "attn": "mixer: {type: global, heads: …}",
    "self_attention": "mixer: {type: global, heads: …}",
    "feed_forward": "mlp: {ratio: …}",
    "ffn": "mlp: {ratio: …}",
}
"""What other people call an operator, and how it is written here."""


def collect(faults: list[Any], at: tuple[Place, ...], read: Callable[[], Any]) -> None:
    """Runs one reading and keeps what it refuses."""
    try:
        read()
    except Refusal as error:
        faults += [((*at, *loc), message, hint) for loc, message, hint in error.items]


def unknown_operator(name: str, known: Sequence[str]) -> str:
    """The hint where an operator, or a key of an item, is not known."""
    if name in ELSEWHERE:
        return f"here that is `{ELSEWHERE[name]}`"
    named = part_class(name)
    return did_you_mean(name, known) if named is None else _as_type(name, named.family)


def unknown_key(key: str, known: Sequence[str], field_of: str) -> str:
    """The hint for an unknown key of an item that holds a part of one class, or of none."""
    cls = class_of(field_of, field_of) if field_of else None
    if cls is not None and key in cls.fields_by_key:
        return f"`{key}` is a field of {field_of}: write it below `{field_of}`"
    return unknown_operator(key, known)


def missing_type(family_name: str, keys: Iterable[str]) -> str:
    """The hint where a mapping does not say which part it is."""
    named = (_as_type(key, family_name) for key in keys if is_type(family_name, key))
    return next(named, "") or did_you_mean("", family(family_name))


def with_types(faults: Iterable[Any], family_name: str) -> list[Any]:
    """Faults of a part's mapping; where an unknown key is a type of its family, the hint says so."""
    made = []
    for at, message, hint in faults:
        key = at[0] if len(at) == 1 and isinstance(at[0], Key) else ""
        made.append((at, message, _as_type(key, family_name) if key and is_type(family_name, key) else hint))
    return made


def _as_type(name: str, family_name: str) -> str:
    return f"`{name}` is a type of {family_name}: write `{family_name}: {{type: {name}, …}}`"
