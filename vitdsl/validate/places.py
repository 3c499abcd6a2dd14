"""What stands at the places of items, parts and wiring: what merging goes by.

Trees are merged before they are validated, so every question here takes any value, a wrong one too.
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
    """Whether a value may be short for a mapping."""
    return not isinstance(value, (dict, Late, Hole, type(None))) and value != NONE


class FieldPlace(Place):
    """A field: a mapping of its own kind, a part, or a body, as its annotation says."""

    def __init__(self, field: FieldType, defines: Defines) -> None:
        self.field, self.defines = field, defines
        self.other: Place = ANYTHING
        if field.family:
            self.other = PartPlace(field.family, defines)
        elif field.home and field.home != "names":
            self.other = BodyPlace(field.home, defines)

    def _own(self, value: Mapping[str, Any]) -> bool:
        """Whether a mapping is one of the field's own kind."""
        model = self.field.model
        return model is not None and (self.other is ANYTHING or value.keys() <= model.fields_by_key.keys())

    def long(self, value: Any) -> Any:
        """As the annotation says, else as the part or body."""
        if not is_short(value):
            return value
        long = self.field.long(value)
        return self.other.long(value) if long is value else long

    def another(self, base: Mapping[str, Any], over: Mapping[str, Any]) -> bool:
        """One is of the field's own kind and the other is not; or they are two parts, or two bodies."""
        own = self._own(base)
        return own != self._own(over) or (ANYTHING if own else self.other).another(base, over)

    def below(self, key: str, base: Mapping[str, Any], over: Mapping[str, Any]) -> Place:
        """A field of the own kind, or what stands in the part or body."""
        if self._own(over):
            return field_place(self.field.model, key, self.defines)
        return self.other.below(key, base, over)

    def entry(self) -> Place:
        """A list is a body, or several values of this field."""
        return self.other.entry() if isinstance(self.other, BodyPlace) else self.other


def field_place(model: type[Fields], key: str, defines: Defines) -> Place:
    """The place of a key of a mapping of this kind."""
    field = model.fields_by_key.get(key)
    return ANYTHING if field is None or field.type is None else FieldPlace(field.type, defines)


class PartPlace(Place):
    """A part of one family."""

    def __init__(self, name: str, defines: Defines) -> None:
        self.family, self.defines = name, defines

    def long(self, value: Any) -> Any:
        """A bare name is a type, another bare value fills the field that the part has for it."""
        return long_form(self.family, value) if is_short(value) else value

    def below(self, key: str, base: Mapping[str, Any], over: Mapping[str, Any]) -> Place:
        """A field of the part; where nothing names a type, of the first type that has it."""
        kind = over.get("type", base.get("type", DEFAULT_TYPES.get(self.family, self.family)))
        cls = class_of(self.family, kind) if isinstance(kind, str) else None
        if cls is None:
            cls = next((each for each in family(self.family).values() if key in each.fields_by_key), None)
        return ANYTHING if cls is None else field_place(cls, key, self.defines)


class BodyPlace(Place):
    """A body: an item, or a bare part of the home family; each entry of a list is one of these, too."""

    def __init__(self, home: str, defines: Defines) -> None:
        self.home, self.defines = home, defines

    def long(self, value: Any) -> Any:
        """A bare name is a part of the home family, or an item with that role."""
        if not isinstance(value, str) or value == NONE:
            return value
        if self.home != "item" and class_of(self.home, value) is not None:
            return PartPlace(self.home, self.defines).long(value)
        return {value: {}} if is_role(value) else value

    def _role(self, value: Mapping[str, Any], onto: Mapping[str, Any] | None = None) -> str | None:
        """The role of an item, or `type` for a bare part; None where a mapping has neither.

        A mapping that has fields of the part alone on which it is laid goes on with it.
        """
        if self.home != "item":
            if "type" in value and is_part(value, self.home):
                return "type"
            cls = class_of(self.home, onto["type"]) if onto is not None and isinstance(onto.get("type"), str) else None
            if cls is not None and value.keys() <= cls.fields_by_key.keys():
                return "type"
        found = roles_of(key for key in value if value[key] is not None)
        return found[0] if found else None

    def another(self, base: Mapping[str, Any], over: Mapping[str, Any]) -> bool:
        """Two roles differ; or two uses are of different defines."""
        roles = self._role(base), self._role(over, base)
        if None in roles or roles[0] != roles[1]:
            return None not in roles
        if roles[0] == "use":
            return base["use"] != over["use"]
        return roles[0] == "type" and super().another(base, over)

    def below(self, key: str, base: Mapping[str, Any], over: Mapping[str, Any]) -> Place:
        """Wiring, a field of the bare part, what the role holds, or an argument of a `use`."""
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
        """An item. A list in a body's place is a body; a list in a list (of `parallel`) is one too."""
        return self


def is_part(raw: Mapping[str, Any], home: str) -> bool:
    """Whether a mapping with `type` is a part of the home family; its fields may be called like roles."""
    kind = raw["type"]
    if isinstance(kind, str) and class_of(home, kind) is not None:
        return True
    return not any(is_role(key) or key in COMPOSITE for key in raw)


def roles_of(keys: Iterable[str]) -> list[str]:
    """The roles among the keys of an item; beside `use` the rest are arguments."""
    found = [key for key in keys if key in COMPOSITE or (key not in WIRING and key != "type" and is_role(key))]
    return ["use"] if "use" in found else found


class WiringPlace(Place):
    """The wiring of an item alone."""

    def below(self, key: str, base: Mapping[str, Any], over: Mapping[str, Any]) -> Place:
        """A field of the wiring."""
        return field_place(Wiring, key, NO_DEFINES)


WIRING_PLACE = WiringPlace()


# ---------------------------------------------------------------- names


class NamedPlace(Place):
    """A mapping of names that the file gives to values; each stands for what it is where it is named.

    Args:
        trees: where the names may be read, each with its place.
        beside: the key of the trees under which the names are given; what stands there is no place of theirs.
    """

    def __init__(self, trees: Iterable[tuple[Any, Place]], beside: str | None = None) -> None:
        self.trees, self.beside = tuple(trees), beside

    def below(self, key: str, base: Mapping[str, Any], over: Mapping[str, Any]) -> Place:
        """The place where the name is read first."""
        trees = self.trees
        if self.beside is not None:
            trees = [({k: v for k, v in tree.items() if k != self.beside}, place) for tree, place in trees]
        found = (_read_at(key, tree, place) for tree, place in trees)
        return next((place for place in found if place is not None), ANYTHING)


def argument_place(name: Any, argument: str, defines: Defines, kind: str, place: Place) -> Place:
    """The place of an argument of a define: where its `kind`, a body or a stage, which has this place, reads it."""
    define = as_map(defines.get(name) if isinstance(name, str) else None)
    return NamedPlace([(define.get(kind), place)]).below(argument, {}, {})


def _read_at(name: str, node: Any, place: Place) -> Place | None:
    """The place in a tree where `$name` is the whole value."""
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
    """The mapping, or an empty one where something else stands there."""
    return node if isinstance(node, dict) else Map()
