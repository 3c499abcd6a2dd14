"""Checks the declarations of a file, `defaults` and `define`, even if nothing uses them."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from vitdsl.errors import ExpressionError, Fault, Refusal, did_you_mean, refuse
from vitdsl.fields.messages import describe, name_of
from vitdsl.parts.base import Fields, LateList, Part
from vitdsl.parts.registry import (
    COMPOSITE,
    DEFAULT_TYPES,
    ROLES,
    all_parts,
    class_of,
    family,
    foreign,
    is_role,
    part_class,
    roles,
)
from vitdsl.resolve.substitute import RESERVED, names_in
from vitdsl.syntax.expressions import Late
from vitdsl.syntax.holes import Hole, entries
from vitdsl.syntax.names import is_name, variable_fault
from vitdsl.syntax.paths import Key
from vitdsl.syntax.summary import facts
from vitdsl.validate import DEFAULT_WIRING, WIRING, SpecReader, read_stage
from vitdsl.validate.descriptions import DEFINE
from vitdsl.validate.hints import collect, require_class

STATIC = frozenset({*ROLES, "tokenizer", "position", "bias"})
"""Families that are known without importing any part."""


def judge(reader: SpecReader, variables: Collection[str]) -> list[Fault]:
    """All faults in the `defaults` and the `define` of a file, with locations from the file's root."""
    names = ",".join(sorted(variables))
    return reader._once("declared", names, reader.defines, lambda: _declaration_faults(reader, variables))


def _declaration_faults(reader: SpecReader, variables: Collection[str]) -> list[Fault]:
    faults = _defaults(reader) + _defines(reader)
    for name, entry in reader.defines.items():
        if isinstance(entry, dict):
            faults += _unknown_in_define(name, entry, variables)
    return faults


def _unknown_in_define(name: str, entry: Any, variables: Collection[str]) -> list[Fault]:
    """Late values of a define that read a name which is neither an argument nor a variable."""
    args, optional = entry.get("args"), entry.get("optional")
    own = [*(args if isinstance(args, list) else ()), *(optional if isinstance(optional, dict) else ())]
    known = RESERVED.union(variables, (arg for arg in own if isinstance(arg, str)))
    held = [key for key in ("optional", "body", "stage") if not names_in(entry.get(key)) <= known]
    return [fault for key in held for fault in _unknown_below(entry[key], known, ("define", name, key))]


# ---------------------------------------------------------------- defaults


def _defaults(reader: SpecReader) -> list[Fault]:
    faults: list[Fault] = []
    bare = SpecReader({}, reader.defines)
    for name, value in reader.defaults.items():
        if name in DEFAULT_WIRING:
            faults += collect(("defaults",), lambda given={name: value}: bare.wiring(given, False))
        elif name in STATIC or name in _families():
            faults += collect(("defaults", name), lambda name=name, value=value: _default(bare, name, value))
        else:
            hint = did_you_mean(name, (*_families(), *DEFAULT_WIRING))
            message = f"unknown key `{name}`: neither a family nor a wiring key"
            faults.append(Fault(("defaults", Key(name)), message, hint, "E201"))
    return faults


def _families() -> set[str]:
    known = {*roles(), *DEFAULT_TYPES, "tokenizer", "position"}
    return known | {cls.family for cls in all_parts().values() if cls.family != "internal"}


def _default(bare: SpecReader, name: str, value: Any) -> None:
    """Checks the entry of one family: a type, or fields."""
    if isinstance(value, (Late, Hole)):
        refuse(f"`{name}` must be written out, but is {describe(value)}", code="E209")
    if isinstance(value, str):
        require_class(name, value)
        return
    if not isinstance(value, dict):
        refuse(f"`{name}` must be a name or a mapping of fields, but is {describe(value)}", code="E203")
    faults: list[Fault] = []
    kind = value.get("type")
    if kind is not None:
        if not isinstance(kind, str):
            refuse(f"`type` must be a name, but is {describe(kind)}", at=("type",), code="E203")
        faults = collect(("type",), lambda: require_class(name, kind))
        if faults:
            raise Refusal(faults)
    for key in value:
        if key != "type":
            faults += _field(bare, name, kind, key, value[key])
    if faults:
        raise Refusal(faults)


def _field(bare: SpecReader, name: str, kind: str | None, key: str, value: Any) -> list[Fault]:
    """Checks one field with the type that the entry names, or with the first type of the family that has the field."""
    usual = kind or DEFAULT_TYPES.get(name, "global" if name == "mixer" else name)
    cls = class_of(name, usual)
    if cls is None or key not in cls.fields_by_key:
        others = {} if kind else family(name)
        cls = next((other for other in others.values() if key in other.fields_by_key), None)
        if cls is None:
            known = {k for other in (*others.values(), class_of(name, usual)) if other for k in other.fields_by_key}
            of = f"`{kind}`" if kind else f"a {name}"
            hint = did_you_mean(key, known - {"type"})
            return [Fault((Key(key),), f"unknown key `{key}`: {of} has no such field", hint, "E201")]
    found: list[Fault] = []
    try:
        cls.read({key: value} if class_of(name, name) is cls else {"type": _type_of(cls, kind), key: value}, bare)
    except Refusal as error:
        found = [fault for fault in error.items if fault.at[:1] == (key,)]
    return found


def _type_of(cls: Any, kind: str | None) -> str:
    default = cls.fields["type"].default
    return kind or (default if isinstance(default, str) else cls.family)


# ---------------------------------------------------------------- defines


def _defines(reader: SpecReader) -> list[Fault]:
    faults = _circles(reader)
    for name, entry in reader.defines.items():
        if name in COMPOSITE or "." in name or (name not in foreign() and (is_role(name) or _is_form(name))):
            message = f"a define cannot be called `{name}`, which has a meaning of its own"
            faults.append(Fault(("define", Key(name)), message, code="E208"))
        elif not is_name(name):
            message = f"a define must have a name of letters, digits and `_`, but it is {describe(name)}"
            faults.append(Fault(("define", Key(name)), message, code="E208"))
        elif not isinstance(entry, dict):
            message = f"a define must be a mapping with `body` or `stage`, but is {describe(entry)}"
            hint = f"`{name}: {{body: [...]}}`" if isinstance(entry, list) else ""
            faults.append(Fault(("define", name), message, hint, "E203"))
        else:
            faults += [fault.below("define", name) for fault in _define(reader, name, entry)]
    return faults


def _circles(reader: SpecReader) -> list[Fault]:
    """Defines that use themselves, directly or through others; each circle once."""
    faults: list[Fault] = []
    done: set[str] = set()

    def follow(name: str, above: tuple[str, ...]) -> None:
        if name in above:
            circle = (*above[above.index(name) :], name)
            message = f"`{name}` is made of itself: {' -> '.join(circle)}"
            faults.append(Fault(("define", Key(name)), message, code="E306"))
        elif name not in done and name in reader.defines:
            for used in _uses_in(reader.defines[name]):
                follow(used, (*above, name))
            done.add(name)

    for name in reader.defines:
        follow(name, ())
    return faults


def _uses_in(node: Any) -> list[str]:
    """The defines that a tree uses, in order."""
    if not facts(node).uses:
        return []
    if isinstance(node, Hole):
        node = node.raw
    if isinstance(node, dict):
        own = [node["use"]] if isinstance(node.get("use"), str) else []
        return list(dict.fromkeys([*own, *(name for value in node.values() for name in _uses_in(value))]))
    return list(dict.fromkeys(name for value in node for name in _uses_in(value))) if isinstance(node, list) else []


def _is_form(name: str) -> bool:
    cls = part_class(name)
    return cls is not None and cls.family != "internal"


def _define(reader: SpecReader, name: str, entry: Any) -> list[Fault]:
    faults: list[Fault] = [
        Fault((Key(key),), f"unknown key `{key}`", did_you_mean(key, DEFINE), "E201")
        for key in entry
        if key not in DEFINE
    ]
    args, optional = entry.get("args"), entry.get("optional")
    if args is not None and not isinstance(args, list):
        faults.append(Fault(("args",), f"`args` must be a list of names, but is {describe(args)}", code="E203"))
    if optional is not None and not isinstance(optional, dict):
        message = f"`optional` must be a mapping of names to values, but is {describe(optional)}"
        faults.append(Fault(("optional",), message, code="E203"))
    args = args if isinstance(args, list) else []
    before: set[str] = set()
    for index, arg in enumerate(args):
        faults += [fault.below("args", index) for fault in _argument(arg, before)]
        before |= {arg} if isinstance(arg, str) else set()
    for arg in optional if isinstance(optional, dict) else ():
        faults += [fault.below("optional", Key(arg)) for fault in _argument(arg, before)]
    held = [key for key in ("body", "stage") if key in entry]
    if len(held) != 1:
        found = "both" if held else "neither"
        at = (Key("stage"),) if held else ()
        faults.append(Fault(at, f"a define has `body` or `stage`, but `{name}` has {found}", code="E305"))
    elif not faults:
        faults += _content_faults(reader, name, entry)
    return faults


def _argument(arg: Any, before: set[str]) -> list[Fault]:
    """The faults of an argument's name."""
    if fault := variable_fault(arg):
        return [Fault((), f"an argument {fault}", code="E208")]
    if arg in before:
        return [Fault((), f"the argument `{arg}` is named twice", code="E208")]
    if arg in RESERVED or arg in WIRING or arg in COMPOSITE or (arg not in foreign() and is_role(arg)):
        kind = "a value that is always there" if arg in RESERVED else "a wiring key" if arg in WIRING else "a role"
        return [Fault((), f"an argument cannot be called `{arg}`, which is {kind}", code="E208")]
    return []


def _content_faults(reader: SpecReader, name: str, entry: Any) -> list[Fault]:
    """Checks the body or the stage of a define."""
    if "body" in entry:
        reader.active_defines.append(name)
        try:
            return collect(("body",), lambda: reader.body(entry["body"], "item"))
        finally:
            reader.active_defines.pop()
    stage = entry["stage"]
    if isinstance(stage, dict) and "use" in stage:
        message = "the stage of a define must be written out, but is another `use`"
        return [Fault(("stage", Key("use")), message, code="E305")]
    return collect(("stage",), lambda: read_stage(reader, stage))


# ---------------------------------------------------------------- unknown names


def unknown_names(tree: Any) -> list[Fault]:
    """Late values that read an unknown name: no variable, and no name that is always there. Defines are left out."""
    known = RESERVED.union(tree.variables)
    faults: list[Fault] = []
    for key, value in tree.items():
        if key not in ("define", "defaults") and not names_in(value) <= known:
            faults += _unknown_below(value, known, (key,))
    return faults


def _unknown_below(node: Any, known: frozenset[str], at: tuple[Any, ...]) -> list[Fault]:
    if isinstance(node, Late):
        names = sorted(node.names - known)
        return [
            Fault(at, f"{node.text}: there is no `{name}` here", did_you_mean(name, known), "E212")
            for name in names[:1]
        ]
    return [fault for key, value in entries(node) for fault in _unknown_below(value, known, (*at, key))]


# ---------------------------------------------------------------- late values without a feature


def late_outside_items(fields: Fields, at: tuple[str, ...] = ()) -> list[Fault]:
    """Late values outside of items, where there is no feature: `input`, `classes`, `drop_path`, fields of heads."""
    faults: list[Fault] = []
    for key, value in fields.written.items():
        where = (*at, key)
        if isinstance(value, Fields) and not isinstance(value, Part):
            faults += late_outside_items(value, where) if value.open else []
        elif isinstance(value, (Late, LateList)):
            try:
                value.evaluate({})
            except ExpressionError as error:
                hint = error.hint or "only items see the feature that enters them"
                faults.append(Fault(where, error.message, hint, error.code))
            else:
                message = f"{name_of(where)} must be written out, but is {describe(value)}"
                faults.append(Fault(where, message, code="E209"))
    return faults
