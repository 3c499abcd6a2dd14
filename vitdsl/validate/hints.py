"""Hints for unknown keys and operators, and a function that collects faults."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, get_args

from vitdsl.errors import Fault, Refusal, did_you_mean, one_of, refuse
from vitdsl.parts.base import Part
from vitdsl.parts.registry import COMPOSITE, class_of, family_with, is_role, is_type, types_of
from vitdsl.syntax.paths import Key
from vitdsl.validate.descriptions import DEFINE
from vitdsl.validate.synonyms import ITEMS, KEYS, TYPES


def collect(at: tuple[str | int, ...], read: Callable[[], Any]) -> list[Fault]:
    """Runs a function and collects its faults; their locations begin with `at`."""
    try:
        read()
    except Refusal as error:
        return [fault.below(*at) for fault in error.items]
    return []


def unknown_operator(name: str, known: Sequence[str]) -> str:
    """The hint for an unknown operator, or an unknown key of an item."""
    if name.casefold() in ITEMS:
        return f"here that is `{ITEMS[name.casefold()]}`"
    home = family_with(name)
    return did_you_mean(name, known) if home is None else _as_type(name, home)


def unknown_key(key: str, known: Sequence[str], field_of: str) -> str:
    """The hint for an unknown key of an item; it may be a field of the part in the role `field_of`."""
    cls = class_of(field_of, field_of) if field_of else None
    if cls is not None and key in cls.fields_by_key:
        return f"`{key}` is a field of {field_of}: write it below `{field_of}`"
    return unknown_operator(key, known)


def missing_type(family_name: str, keys: Iterable[str]) -> str:
    """The hint for a mapping of a part without a `type`."""
    named = (_as_type(key, family_name) for key in keys if is_type(family_name, key))
    return next(named, "") or f"known: {one_of(types_of(family_name))}"


def with_types(faults: Iterable[Fault], family_name: str) -> list[Fault]:
    """Faults of a part without a `type`, with a new hint for each unknown key that is a type of the family."""
    made = []
    for fault in faults:
        key = _wrong_key(fault)
        made.append(fault._replace(hint=_as_type(key, family_name)) if key and is_type(family_name, key) else fault)
    return made


def with_synonyms(faults: Iterable[Fault], known: Collection[str]) -> list[Fault]:
    """Faults of a mapping, with a new hint for each unknown key that is a synonym of a known key."""
    made = []
    for fault in faults:
        word = KEYS.get(_wrong_key(fault).casefold())
        made.append(fault._replace(hint=f"here that is `{word}`") if word in known else fault)
    return made


def _wrong_key(fault: Fault) -> str:
    """The key that a fault of a mapping is about, if it is the key itself that is wrong."""
    return fault.at[0] if len(fault.at) == 1 and isinstance(fault.at[0], Key) else ""


def require_class(family_name: str, kind: str, at: tuple[str, ...] = ()) -> type[Part]:
    """The class of a type of a family.

    Raises:
        Refusal: no installed part of the family has this type.
    """
    cls = class_of(family_name, kind)
    if cls is None or kind not in (get_args(cls.fields["type"].annotation) or (kind,)):
        refuse(f"unknown {family_name} `{kind}`", unknown_type(family_name, kind), at, "E206")
    return cls


def unknown_type(family_name: str, kind: str) -> str:
    """The hint for a type that the family does not have."""
    word = TYPES.get(family_name, {}).get(kind.casefold())
    if word is not None:
        return f"here that is `{word}`"
    if is_role(kind) or kind in COMPOSITE:
        item = f"{kind}: {{…}}" if kind not in COMPOSITE else f"{kind}: …"
        if is_role(family_name):
            return f"`{kind}` is a role, not a type: an item of its own is `{{{item}}}`"
        return f"`{kind}` is a role, not a type: write `{family_name}: {{{item}}}`"
    home = family_with(kind)
    return did_you_mean(kind, types_of(family_name)) if home is None else _as_type(kind, home)


def hole_as_type(family_name: str) -> str:
    """The hint for a hole in the place of a type."""
    return f"write the hole around the whole part: `{family_name}: {{choose: [{{type: …, …}}, {{type: …, …}}]}}`"


def _as_type(name: str, family_name: str) -> str:
    where = {"bias": "position of a mixer"}.get(family_name, family_name)
    key = where.partition(" ")[0]
    return f"`{name}` is a type of {where}: write `{key}: {{type: {name}, …}}`"


RECIPE_KEYS = frozenset({"epochs", "optimizer", "losses", "augment", "schedule"})
"""Keys that only recipes have at their root."""
KINDS: dict[str, frozenset[str]] = {
    "recipe": RECIPE_KEYS,
    "search": frozenset({"objectives", "rungs", "budget"}),
    "table": frozenset({"rows"}),
    "sources": frozenset({"sources"}),
}
"""Kinds of files that are not specs, with keys that only they have at their root."""
OTHER_FILES = {
    "recipe": ("a recipe", "`vitdsl train SPEC --recipe {name}` trains by it, `vitdsl check` checks it"),
    "search": ("a search", "`vitdsl search {name}` runs it"),
    "table": ("a table of keys for weights", "`vitdsl build SPEC --weights FILE` reads weights by such tables"),
    "sources": ("a list of where weights are", "`vitdsl build SPEC --weights LAYOUT` fetches them"),
    "define": ("a define", "a spec has it in its `define`, by a name"),
    "decisions": ("a list of decisions", "`vitdsl replay SPACE FILE` makes a spec of it"),
}
"""What files are that are not specs, and what uses them."""


def is_recipe(tree: Mapping[str, Any]) -> bool:
    """Whether a file that may extend another is a recipe."""
    return "stages" not in tree and not RECIPE_KEYS.isdisjoint(tree)


def kind_of(tree: Mapping[str, Any]) -> str:
    """What kind of file it is, by the keys at its root: `spec`, or a kind of `OTHER_FILES`."""
    if "stages" in tree or ("extends" in tree and not is_recipe(tree)) or not tree:
        return "spec"
    if tree.keys() <= DEFINE.keys():
        return "define"
    if all("[" in key or "." in key for key in tree):
        return "decisions"
    return next((kind for kind, keys in KINDS.items() if not keys.isdisjoint(tree)), "spec")


def other_file(tree: Mapping[str, Any], name: str) -> tuple[str, str] | None:
    """The message and the hint for a file that is not a spec; None if it may be one."""
    kind = kind_of(tree)
    if kind == "spec":
        return None
    what, use = OTHER_FILES[kind]
    return f"this is {what}, not a spec", use.format(name=name)
