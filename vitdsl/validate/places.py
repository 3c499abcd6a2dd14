"""The places of items, parts and wiring, by which trees are merged.

Trees are merged before they are validated, so every method here accepts any value, also an invalid one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from vitdsl.fields.types import FieldType
from vitdsl.parts.base import NONE, Fields
from vitdsl.parts.registry import COMPOSITE, DEFAULT_TYPES, class_of, family, is_role, long_form
from vitdsl.resolve.edit import ANYTHING, Place
from vitdsl.resolve.substitute import names_in
from vitdsl.syntax.expressions import Late
from vitdsl.syntax.holes import Hole
from vitdsl.syntax.tree import Map
from vitdsl.validate.wiring import WIRING, Wiring

Defines = Mapping[str, Any]
NO_DEFINES: Defines = {}


def is_short(value: Any) -> bool:
    """Whether a value may be the short form of a mapping."""
    return not isinstance(value, (dict, Late, Hole, type(None))) and value != NONE


class FieldPlace(Place):
    """A field: a mapping of its model, a part, or a body, as its annotation says."""

    def __init__(self, field: FieldType, defines: Defines) -> None:
        self.field, self.defines = field, defines
        self.other: Place = ANYTHING
        if field.family:
            self.other = PartPlace(field.family, defines)
        elif field.home and field.home != "names":
            self.other = BodyPlace(field.home, defines)

    def own(self, value: Mapping[str, Any]) -> bool:
        """Whether a mapping is one of the field's model."""
        model = self.field.model
        return model is not None and (self.other is ANYTHING or value.keys() <= model.fields_by_key.keys())

    def long(self, value: Any) -> Any:
        """The long form as the annotation says, else that of the part or body."""
        if not is_short(value):
            return value
        long = self.field.long(value)
        return self.other.long(value) if long is value else long

    def replaces(self, base: Mapping[str, Any], over: Mapping[str, Any]) -> bool:
        """Whether only one is a mapping of the field's model, or the part or body is replaced."""
        own = self.own(base)
        return own != self.own(over) or (ANYTHING if own else self.other).replaces(base, over)

    def below(self, key: str, base: Mapping[str, Any], over: Mapping[str, Any]) -> Place:
        """The place of a key of the field's model, or of the part or body."""
        if self.own(over):
            return field_place(self.field.model, key, self.defines)
        return self.other.below(key, base, over)

    def entry(self) -> Place:
        """An entry of a body, or another value of this field."""
        return self.other.entry() if isinstance(self.other, BodyPlace) else self.other


def field_place(model: type[Fields], key: str, defines: Defines) -> Place:
    """The place of a key of a model's mapping."""
    field = model.fields_by_key.get(key)
    return ANYTHING if field is None or field.type is None else FieldPlace(field.type, defines)


class PartPlace(Place):
    """A part of one family."""

    def __init__(self, name: str, defines: Defines) -> None:
        self.family, self.defines = name, defines

    def long(self, value: Any) -> Any:
        """The mapping for a bare name, which is a type, or for another bare value, which is the shorthand field."""
        return long_form(self.family, value) if is_short(value) else value

    def below(self, key: str, base: Mapping[str, Any], over: Mapping[str, Any]) -> Place:
        """The place of a field of the part; without a type, that of the first type that has the field."""
        kind = over.get("type", base.get("type", DEFAULT_TYPES.get(self.family, self.family)))
        cls = class_of(self.family, kind) if isinstance(kind, str) else None
        if cls is None:
            cls = next((each for each in family(self.family).values() if key in each.fields_by_key), None)
        return ANYTHING if cls is None else field_place(cls, key, self.defines)


class BodyPlace(Place):
    """A body: an item, a bare part of the home family, or a list of these."""

    def __init__(self, home: str, defines: Defines) -> None:
        self.home, self.defines = home, defines

    def long(self, value: Any) -> Any:
        """The mapping for a bare name: a part of the home family, or an item with that role."""
        if not isinstance(value, str) or value == NONE:
            return value
        if self.home != "item" and class_of(self.home, value) is not None:
            return PartPlace(self.home, self.defines).long(value)
        return {value: {}} if is_role(value) else value

    def _role(self, value: Mapping[str, Any], onto: Mapping[str, Any] | None = None) -> str | None:
        """The role of an item, `type` for a bare part, or None.

        A mapping without a role or a type counts as a part if all its keys are fields of the part that it is merged
        onto.
        """
        if self.home != "item":
            if "type" in value and is_part(value, self.home):
                return "type"
            cls = class_of(self.home, onto["type"]) if onto is not None and isinstance(onto.get("type"), str) else None
            if cls is not None and value.keys() <= cls.fields_by_key.keys():
                return "type"
        found = roles_of(key for key in value if value[key] is not None)
        return found[0] if found else None

    def replaces(self, base: Mapping[str, Any], over: Mapping[str, Any]) -> bool:
        """Whether the two have different roles, or use different defines."""
        roles = self._role(base), self._role(over, base)
        if None in roles or roles[0] != roles[1]:
            return None not in roles
        if roles[0] == "use":
            return base["use"] != over["use"]
        return roles[0] == "type" and super().replaces(base, over)

    def below(self, key: str, base: Mapping[str, Any], over: Mapping[str, Any]) -> Place:
        """The place of wiring, of a field of the bare part, of the role's part or body, or of a `use`'s argument."""
        role = self._role(over, base) or self._role(base)
        if role == "type":
            return PartPlace(self.home, self.defines).below(key, base, over)
        if key in WIRING:
            return field_place(Wiring, key, self.defines)
        if role == "use":
            return argument_place(
                over.get("use", base.get("use")), key, self.defines, "body", BodyPlace("item", NO_DEFINES)
            )
        if key in ("body", "parallel"):
            return BodyPlace("item", self.defines)
        return PartPlace(key, self.defines) if is_role(key) else ANYTHING

    def entry(self) -> Place:
        """An entry is an item; an entry that is a list, as in `parallel`, is a body."""
        return self


def is_part(raw: Mapping[str, Any], home: str) -> bool:
    """Whether a mapping with `type` is a part of the home family; its fields may have names of roles."""
    kind = raw["type"]
    if isinstance(kind, str) and class_of(home, kind) is not None:
        return True
    return not any(is_role(key) or key in COMPOSITE for key in raw)


def roles_of(keys: Iterable[str]) -> list[str]:
    """The roles among the keys of an item; beside `use`, all other keys are arguments."""
    found = [key for key in keys if key in COMPOSITE or (key not in WIRING and key != "type" and is_role(key))]
    return ["use"] if "use" in found else found


class WiringPlace(Place):
    """The wiring of an item alone."""

    def below(self, key: str, base: Mapping[str, Any], over: Mapping[str, Any]) -> Place:
        """The place of a key of the wiring."""
        return field_place(Wiring, key, NO_DEFINES)


WIRING_PLACE = WiringPlace()


# ---------------------------------------------------------------- names


class NamedPlace(Place):
    """A mapping of names to values, as `vars`: each value has the place where its name is read.

    Args:
        trees: trees that may read the names, each with its place.
        beside: the key of the trees that holds the names themselves, which is not searched.
    """

    def __init__(self, trees: Iterable[tuple[Any, Place]], beside: str | None = None) -> None:
        self.trees, self.beside = tuple(trees), beside

    def below(self, key: str, base: Mapping[str, Any], over: Mapping[str, Any]) -> Place:
        """The place of the first read of the name."""
        trees = self.trees
        if self.beside is not None:
            trees = [({k: v for k, v in tree.items() if k != self.beside}, place) for tree, place in trees]
        found = (_read_at(key, tree, place) for tree, place in trees)
        return next((place for place in found if place is not None), ANYTHING)


def argument_place(name: Any, argument: str, defines: Defines, kind: str, place: Place) -> Place:
    """The place of an argument of a define: the place where the define's body or stage reads it.

    Args:
        name: of the define.
        argument: name of the argument.
        defines: of the file.
        kind: `body` or `stage`, the key of the define.
        place: of the body or stage.
    """
    define = as_map(defines.get(name) if isinstance(name, str) else None)
    return NamedPlace([(define.get(kind), place)]).below(argument, {}, {})


def _read_at(name: str, node: Any, place: Place) -> Place | None:
    """The place of the first `$name` in a tree that is a whole value, or None."""
    if isinstance(node, Late):
        return place if node.text.strip() == f"${name}" else None
    if name not in names_in(node):
        return None
    if isinstance(node, Hole):
        options = node.raw.get("choose")
        entries = [(each, place) for each in (options.values() if isinstance(options, dict) else options or ())]
    elif isinstance(node, dict):
        node = place.long(node)
        entries = [(value, place.below(key, node, node)) for key, value in node.items()]
    else:
        entries = [(value, place.entry()) for value in node]
    found = (_read_at(name, value, below) for value, below in entries)
    return next((place for place in found if place is not None), None)


def as_map(node: Any) -> Mapping[str, Any]:
    """The node itself if it is a mapping, else an empty one."""
    return node if isinstance(node, dict) else Map()
