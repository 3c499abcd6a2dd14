"""Reads the values of a file with its defaults and defines: parts, bodies, items, uses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vitdsl.errors import Fault, Refusal, did_you_mean, refuse
from vitdsl.fields.messages import describe, of_short_form
from vitdsl.fields.types import read_each
from vitdsl.memo import Table
from vitdsl.parts.base import NONE, Part
from vitdsl.parts.registry import COMPOSITE, DEFAULT_TYPES, class_of, is_role, long_form, roles
from vitdsl.resolve.substitute import RESERVED
from vitdsl.syntax.content import content
from vitdsl.syntax.expressions import Late
from vitdsl.syntax.holes import Hole
from vitdsl.syntax.paths import Key
from vitdsl.syntax.summary import facts
from vitdsl.syntax.tree import Map
from vitdsl.validate.defaults import part_over_defaults, wiring_over_defaults
from vitdsl.validate.hints import (
    collect,
    hole_as_type,
    missing_type,
    require_class,
    unknown_key,
    unknown_operator,
    with_synonyms,
    with_types,
)
from vitdsl.validate.items import Body, Item
from vitdsl.validate.places import is_part, roles_of
from vitdsl.validate.uses import check_use
from vitdsl.validate.wiring import DEFAULT_WIRING, WIRING, Wiring, has_late, read_place

_memo = Table(50_000)
NO_WIRING = Wiring.read({}, None)


def _or_empty(raw: Any) -> Any:
    """An empty list for `none` and None, else the body itself."""
    return [] if raw is None or (isinstance(raw, str) and raw == NONE) else raw


class SpecReader:
    """Validates values with the defaults and defines of one file; equal values are validated once.

    Attributes:
        defaults: the file's defaults, as written.
        defines: the file's defines, as written.
        active_defines: names of the defines whose bodies are being read, the outermost first.
        key: the part of memo keys that depends on the file.
        usual: the file's defaults for wiring.
    """

    def __init__(self, defaults: Mapping[str, Any], defines: Mapping[str, Any]) -> None:
        self.defaults, self.defines = defaults, defines
        self.active_defines: list[str] = []
        own, declared = facts(defaults), content(defines)
        self.key = (content([defaults, defines] if own.uses else defaults), declared)
        self.usual = {key: defaults[key] for key in DEFAULT_WIRING if key in defaults}

    def _once(self, kind: str, more: str, raw: object, make: Any) -> Any:
        key = (kind, more, self.key[0], content(raw), self.key[1] if self.defines and facts(raw).uses else 0)
        found = _memo.get(key)
        return _memo.keep(key, make()) if found is None else found

    # ------------------------------------------------------------ parts

    def part(self, family: str, raw: object) -> Any:
        """Reads a part of a family: a mapping, a bare type, or a bare value; None for `none`."""
        if raw is None or (not isinstance(raw, (dict, str)) and isinstance(raw, (Part, Late))):
            return self._part(family, raw) if isinstance(raw, Late) and self._is_field(family, raw) else raw
        if raw == NONE:
            return None
        if isinstance(raw, Hole):
            return raw.checked(lambda value: self.part(family, value))
        return self._once("part", family, raw, lambda: self._part(family, raw))

    @staticmethod
    def _is_field(family: str, late: Late) -> bool:
        """Whether a late value is a number for the shorthand field, rather than a name that stands for a part."""
        cls = class_of(family, family) if family not in DEFAULT_TYPES else None
        number = late.text.strip().startswith("$(") or late.names <= RESERVED
        return number and cls is not None and cls.shorthand not in ("", "type")

    def default_type(self, family: str) -> str | None:
        """The type of parts without a `type`, or None."""
        own = self.defaults.get(family)
        named = own.get("type") if isinstance(own, dict) else own if isinstance(own, str) else None
        return named or DEFAULT_TYPES.get(family)

    def _part(self, family: str, raw: Any) -> Part:
        given, cls = self._typed(family, raw)
        try:
            return cls.read(part_over_defaults(family, given, cls, self.defaults.get(family)), self)
        except Refusal as error:
            if not isinstance(raw, dict):
                raise of_short_form(error, cls.shorthand) from None
            items = with_synonyms(error.items, cls.fields_by_key.keys())
            raise Refusal(items if "type" in raw else with_types(items, family)) from None

    def _typed(self, family: str, raw: Any) -> tuple[Any, type[Part]]:
        """The mapping with its type, and the class of that type."""
        single = class_of(family, family) if family not in DEFAULT_TYPES else None
        if isinstance(raw, dict):
            kind = raw.get("type")
            kind = self.default_type(family) if kind is None else kind
            if isinstance(kind, Hole):
                refuse("`type` must be a name, but is a hole", hole_as_type(family), ("type",), "E209")
            if isinstance(kind, Late):
                hint = "let the whole part be the argument"
                refuse("`type` must be a name, not a late value", hint, ("type",), "E209")
            if single is not None:
                named = isinstance(raw.get("type"), str)
                return raw, require_class(family, raw["type"], ("type",)) if named else single
            if kind is None:
                refuse(f"`type` is missing: which {family}?", missing_type(family, raw), code="E202")
            if not isinstance(kind, str):
                refuse(f"`type` must be a name, but is {describe(kind)}", at=("type",), code="E203")
            cls = require_class(family, kind, ("type",))
            return raw if raw.get("type") is kind else Map({**raw, "type": kind}), cls
        long = long_form(family, raw)
        if isinstance(long, dict):
            cls = require_class(family, raw) if "type" in long else class_of(family, family)
            assert cls is not None, "a value is short for fields only where there is one type"
            return long, cls
        refuse(f"a {family} is a name or a mapping, but this is {describe(raw)}", code="E203")

    # ------------------------------------------------------------ bodies

    def body(self, raw: object, home: str) -> Any:
        """Reads a body: a list of items, one item, or one bare part of the home family."""
        if home == "names":
            return read_place(raw, self)
        if raw is None or isinstance(raw, (Body, Late)):
            return raw
        if raw == NONE:
            return None
        if isinstance(raw, Hole):
            return raw.checked(lambda value: self.body(value, home))
        return self._once("body", home, raw, lambda: self._body(raw, home))

    def _body(self, raw: Any, home: str) -> Body:
        key = content(raw)
        if isinstance(raw, (list, tuple)):
            items = read_each(enumerate(raw), lambda _, entry: self.item(entry, home))
            return Body(tuple(items), home, False, True, (key, home))
        operator = isinstance(raw, str) and class_of(home, raw) is None and is_role(raw)
        if home != "item" and not operator and (not isinstance(raw, dict) or "type" in raw):
            item = Item(home, {})
            item.part, item.wiring = self.part(home, raw), NO_WIRING
            return Body((item,), home, True, False, (key, home))
        return Body((self.item(raw, home),), home, False, False, (key, home))

    def item(self, raw: Any, home: str = "item") -> Any:
        """Reads one item."""
        if isinstance(raw, (Late, Item)):
            return raw
        if isinstance(raw, str):
            if is_role(raw):
                return self._once("item", home, raw, lambda: self._item({raw: {}}))
            if home != "item" and class_of(home, raw) is not None:
                return self.body(raw, home).items[0]
            refuse(f"unknown operator `{raw}`", unknown_operator(raw, (*roles(), *COMPOSITE)), code="E206")
        if not isinstance(raw, dict):
            refuse(f"an item is a mapping or the name of an operator, but this is {describe(raw)}", code="E203")
        if "type" in raw and home != "item" and is_part(raw, home):
            return self.body(raw, home).items[0]
        return self._once("item", home, raw, lambda: self._item(raw))

    def _item(self, raw: Mapping[str, Any]) -> Item:
        found = roles_of(raw)
        if len(found) > 1:
            message = f"an item has one role, but this has {len(found)}: {', '.join(found)}"
            refuse(message, "write two items, one after the other", (Key(found[1]),), "E207")
        role = found[0] if found else ""
        given = {key: raw[key] for key in raw if key in WIRING}
        rest = [key for key in raw if key not in WIRING and key != role]
        item = Item(role, given)
        faults: list[Fault] = []
        if role == "use":
            item.use, item.args = raw["use"], {key: raw[key] for key in rest}
            faults += collect((), lambda: check_use(item, self))
        else:
            known = (*WIRING, *roles(), *COMPOSITE) if rest else ()
            fields = role if role not in COMPOSITE else ""
            hints = {key: unknown_key(key, known, fields) for key in rest}
            faults += [Fault((Key(key),), f"unknown key `{key}`", hint, "E201") for key, hint in hints.items()]
        if not role and not rest and not given.keys() & {"from", "write"}:
            hint = did_you_mean("", ("mixer", "mlp", "conv", "body", "use"))
            refuse("an item needs a role, `from` or `write`", hint, code="E202")
        if not role and (idle := [key for key in given if key not in ("from", "write", "name", "repeat")]):
            refuse(
                f"`{idle[0]}` has nothing to act on: this item has no role",
                "`body: []` keeps what flows",
                at=(Key(idle[0]),),
                code="E207",
            )
        if role:
            faults += collect((role,), lambda: self._fill(item, raw[role]))
        faults += collect((), lambda: self._wire(item))
        if faults:
            raise Refusal(faults)
        return item

    def _fill(self, item: Item, raw: Any) -> None:
        """Reads the part or the bodies of the role."""
        if item.role == "body":
            item.body = self.body(_or_empty(raw), "item")
        elif item.role == "parallel":
            if not isinstance(raw, (list, tuple)):
                refuse(f"`parallel` is a list of bodies, but this is {describe(raw)}", code="E203")
            item.branches = tuple(read_each(enumerate(raw), lambda _, entry: self.body(_or_empty(entry), "item")))
        elif item.role != "use":
            item.part = self.part(item.role, raw)
            if item.part is None and item.role not in ("norm", "activation"):
                hint = "leave the item out; `body: []` in its place keeps what flows"
                refuse(f"`{item.role}` cannot be none", hint, code="E203")
            item.is_residual = (isinstance(item.part, Part) and item.part.residual) or item.role in ("mixer", "mlp")

    def _wire(self, item: Item) -> None:
        item.wiring = self.wiring(item.own_wiring, item.is_residual)
        if item.is_residual and not item.late_wiring:
            item.late_wiring = has_late(self.full_wiring(item.own_wiring, True))

    def wiring(self, given: Mapping[str, Any], with_defaults: bool) -> Wiring:
        """Reads wiring; `with_defaults`, as residual items have it, merges the wiring over the file's defaults."""
        if not given and not with_defaults:
            return NO_WIRING
        more = "with defaults" if with_defaults else ""
        return self._once("wiring", more, dict(given), lambda: self._wiring(given, with_defaults))

    def _wiring(self, given: Mapping[str, Any], with_defaults: bool) -> Wiring:
        return Wiring.read(self.full_wiring(given, with_defaults), self)

    def full_wiring(self, given: Mapping[str, Any], with_defaults: bool) -> dict[str, Any]:
        """The wiring as written, merged over the file's defaults if `with_defaults`."""
        return wiring_over_defaults(given, self.usual, self.default_type("norm")) if with_defaults else dict(given)

    # ------------------------------------------------------------ defines

    def define(self, name: str) -> Mapping[str, Any]:
        """A define of this file, or of the library."""
        if name in self.defines:
            return self.defines[name]
        if name.startswith("library."):
            from vitdsl.resolve.library import entry

            return entry(name)
        refuse(f"there is no define `{name}`", did_you_mean(name, tuple(self.defines)), ("use",), "E303")

    def defined_body(self, name: str) -> Body:
        """The body of a define."""
        define = self.define(name)
        if name in self.active_defines or not isinstance(define, dict) or "body" not in define:
            refuse(f"`{name}` has no body", at=("use",), code="E305")  # `declarations.py` reports why
        self.active_defines.append(name)
        try:
            return self.body(_or_empty(define["body"]), "item")
        finally:
            self.active_defines.pop()
