"""The places of a whole file, by which two files are merged."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vitdsl.parts.initial import InitialField
from vitdsl.resolve.edit import ANYTHING, Place, Root
from vitdsl.validate.head import HEAD_KEYS, Head, is_head
from vitdsl.validate.hints import other_file
from vitdsl.validate.model import Model, Stage
from vitdsl.validate.places import (
    NO_DEFINES,
    BodyPlace,
    Defines,
    FieldPlace,
    NamedPlace,
    PartPlace,
    argument_place,
    as_map,
    field_place,
    is_short,
)
from vitdsl.validate.wiring import DEFAULT_WIRING, Wiring


class FilePlace(Root):
    """The root of a spec."""

    def other(self, tree: Mapping[str, Any], name: str) -> tuple[str, str] | None:
        """By keys that only files of another kind have."""
        return other_file(tree, name)

    def below(self, key: str, base: Mapping[str, Any], over: Mapping[str, Any]) -> Place:
        """The place of a key of the file."""
        if key == "vars":
            return NamedPlace([(over, self), (base, self)], beside=key)
        defines = as_map(base.get("define"))
        if base is not over:
            defines = {**defines, **as_map(over.get("define"))}
        make = OWN.get(key)
        return field_place(Model, key, defines) if make is None else make(defines)


class ByName(Place):
    """A mapping of names to values with the same place."""

    def __init__(self, each: Place) -> None:
        self.each = each

    def below(self, key: str, base: Mapping[str, Any], over: Mapping[str, Any]) -> Place:
        """The same place for every name."""
        return self.each


class DefaultsPlace(Place):
    """`defaults`: fields by family, and wiring."""

    def __init__(self, defines: Defines) -> None:
        self.defines = defines

    def below(self, key: str, base: Mapping[str, Any], over: Mapping[str, Any]) -> Place:
        """Wiring, or a part."""
        return field_place(Wiring, key, self.defines) if key in DEFAULT_WIRING else PartPlace(key, self.defines)


class DefinePlace(Place):
    """One define: a body or a stage, and arguments."""

    def __init__(self, defines: Defines) -> None:
        self.defines = defines

    def replaces(self, base: Mapping[str, Any], over: Mapping[str, Any]) -> bool:
        """Whether one has a body and the other a stage."""
        return any(mine in over and mine not in base and other in base for mine, other in BODY_OR_STAGE)

    def below(self, key: str, base: Mapping[str, Any], over: Mapping[str, Any]) -> Place:
        """The place of a key; an optional argument has the place where the define reads it."""
        if key == "optional":
            both = [
                (tree.get(kind), self.below(kind, tree, tree)) for tree in (over, base) for kind in ("body", "stage")
            ]
            return NamedPlace(both)
        if key == "stage":
            return StagePlace(self.defines)
        return BodyPlace("item", self.defines) if key == "body" else ANYTHING


BODY_OR_STAGE = (("body", "stage"), ("stage", "body"))


class StagePlace(Place):
    """A stage, or the use of a define that is one."""

    def __init__(self, defines: Defines) -> None:
        self.defines = defines

    def replaces(self, base: Mapping[str, Any], over: Mapping[str, Any]) -> bool:
        """Whether the second uses another define than the first, which may use none."""
        return base.get("use") != over.get("use") and "use" in over

    def below(self, key: str, base: Mapping[str, Any], over: Mapping[str, Any]) -> Place:
        """The place of a key of the stage, or of an argument."""
        use = over.get("use", base.get("use"))
        if use is not None:
            return argument_place(use, key, self.defines, "stage", StagePlace(NO_DEFINES))
        return field_place(Stage, key, self.defines)

    def entry(self) -> Place:
        """An entry of `stages`, which is a list of stages."""
        return self


class HeadPlace(Place):
    """A head: a mapping with keys of heads, or a body."""

    def __init__(self, defines: Defines) -> None:
        self.defines = defines

    def long(self, value: Any) -> Any:
        """A body as the mapping `{body: …}`."""
        body = is_short(value) or (isinstance(value, dict) and not is_head(value))
        return {"body": value} if body else value

    def replaces(self, base: Mapping[str, Any], over: Mapping[str, Any]) -> bool:
        """Whether the two are different kinds of heads: a body, outputs, or a norm and a pool."""
        kinds = [
            {HEAD_KINDS[key] for key in tree if HEAD_KINDS.get(key) and tree[key] is not None} for tree in (base, over)
        ]
        return bool(kinds[0] and kinds[1] and kinds[0].isdisjoint(kinds[1]))

    def below(self, key: str, base: Mapping[str, Any], over: Mapping[str, Any]) -> Place:
        """The place of a key of the head."""
        place = field_place(Head, key, self.defines)
        return ByName(place) if key == "outputs" else place

    def entry(self) -> Place:
        """An entry of a list, which is a body."""
        return BodyPlace("item", self.defines).entry()


HEAD_KINDS = {"body": "body", "outputs": "outputs", **dict.fromkeys(("norm", "pool", "bias", "init"), "short")}
"""The kind of head that each key belongs to; all other keys belong to every kind."""
assert HEAD_KINDS.keys() <= HEAD_KEYS

OWN = {
    "defaults": DefaultsPlace,
    "define": lambda defines: ByName(DefinePlace(defines)),
    "stages": StagePlace,
    "head": HeadPlace,
    "init": lambda defines: ByName(FieldPlace(InitialField(), defines)),
}
"""Places of the keys of a file that are more than one field."""

FILE = FilePlace()
