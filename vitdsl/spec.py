"""The file as written: model, stages, items, bodies. Fields are typed here; shapes are the graph's business."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, ValidationError, model_validator

from vitdsl.content import content
from vitdsl.editing import merge
from vitdsl.errors import did_you_mean
from vitdsl.expressions import Late, parse
from vitdsl.facts import facts
from vitdsl.holes import Hole
from vitdsl.parts.base import NONE, BodyField, Fields, FieldsOr, Items, LateList, NormBody, Part, Reader, Reads, checked
from vitdsl.parts.fields import Natural, Padding, Positive, Rate, Refusal, Repeats, Size, describe, explain, refuse
from vitdsl.parts.initial import InitField
from vitdsl.parts.registry import DEFAULT_TYPES, class_of, find, is_role, roles
from vitdsl.tree import Key, Map, Seq

COMPOSITE = ("body", "parallel", "use")
RESERVED = frozenset({"dim", "height", "width", "index", "index_1"})
Place = str | int


def _names(value: Any, reader: Reader) -> Any:
    """`at`, `from`: a name, an index, or a list of them."""
    if value is None or isinstance(value, (Late, LateList)) or type(value) in (str, int):
        return value
    if isinstance(value, list) and value and all(type(v) in (str, int) or isinstance(v, Late) for v in value):
        return LateList(value) if any(isinstance(v, Late) for v in value) else tuple(value)
    refuse(f"a name, an index or a list of them is needed here, but it is {describe(value)}")


def _shortcut(value: Any, reader: Any) -> Any:
    """`shortcut`: a body, or an inner value of the mixer."""
    return value if value is None or isinstance(value, Body) or value in ("value", "query") else reader.body(value, "item")


class Windows(Fields):
    """Windows in which an operator runs."""

    size: Size
    shift: Padding = (0, 0)
    fit: Literal["exact", "pad"] = "exact"


class Residual(Fields):
    """The residual form of an item: what scales the branch's input and output, the shortcut, and what follows the sum."""

    input: float = 1.0
    output: float = 1.0
    shortcut: Annotated[Any, Reads(_shortcut, {"anyOf": [{"enum": ["value", "query"]}, {"$ref": "#/$defs/body_item"}]})] = None
    after: Annotated[Any, BodyField("activation")] = None


class Drop(Fields):
    """Stochastic depth of an item: off, a fixed rate, a rate for each index, or a place on the schedule."""

    off: bool = False
    rate: Rate | None = None
    rates: list[Rate] | None = None
    at: Rate | None = None


def _windows(value: Any, reader: Reader) -> Any:
    if value is None or isinstance(value, Windows):
        return value
    raw = value if isinstance(value, dict) else {"size": value}
    return Windows.read(raw, reader)


def _residual(value: Any, reader: Reader) -> Any:
    if isinstance(value, (bool, Residual, type(None))):
        return value
    if not isinstance(value, dict):
        refuse(f"`residual` must be true, false or a mapping, but is {describe(value)}")
    return Residual.read(value, reader)


def _drop(value: Any, reader: Reader) -> Any:
    if value is None or isinstance(value, Drop):
        return value
    if value == NONE:
        return Drop(off=True)
    raw = value if isinstance(value, dict) else {"rate": value}
    return Drop.read(raw, reader)


def _layer_scale(value: Any, reader: Reader) -> Any:
    if value is None or value == NONE:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        refuse(f"`layer_scale` must be a number (its initial value) or none, but is {describe(value)}")
    return float(value)


NUMBER_OR_NONE = {"anyOf": [{"type": "number"}, {"const": "none"}]}
PLACE = {"anyOf": [{"type": ["string", "integer"]}, {"type": "array", "items": {"type": ["string", "integer"]}}]}
DROP = {"anyOf": [*NUMBER_OR_NONE["anyOf"], {"type": "object", "properties": {"rates": {"type": "array"}, "at": {}}}]}
PlaceField = Annotated[Any, Reads(_names, PLACE)]
DropField = Annotated[Any, Reads(_drop, DROP)]
WindowsField = Annotated[Any, Reads(_windows, {"anyOf": [{"type": ["integer", "array"]}, {"$ref": "#/$defs/windows"}]})]
ResidualField = Annotated[Any, Reads(_residual, {"anyOf": [{"type": "boolean"}, {"$ref": "#/$defs/residual"}]})]


class Wiring(Fields):
    """What stands around an item's role."""

    at: PlaceField = None
    from_: PlaceField = Field(None, alias="from")
    write: str | None = None
    windows: WindowsField = None
    pre: NormBody = None
    post: NormBody = None
    residual: ResidualField = None
    layer_scale: Annotated[Any, Reads(_layer_scale, NUMBER_OR_NONE)] = None
    drop_path: DropField = None
    repeat: Repeats | None = None
    name: str | None = Field(None, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")
    merge: Literal["add", "concat", "mean", "multiply"] | None = None


WIRING = tuple(info.alias or name for name, info in Wiring.model_fields.items())
DEFAULT_WIRING = ("pre", "post", "residual", "layer_scale", "drop_path")
NESTED = {"windows": ("size", "shift"), "residual": ("input", "output"), "drop_path": ("rate", "rates", "at")}
"""Keys below wiring keys that are values of the item itself; everything else below is a body with late values of its own."""


WRONG_PLACE = {
    "body": lambda name: (f"`{name}` is a stage: it stands among the stages, not in a body", ""),
    "stage": lambda name: (f"`{name}` is a body: it stands in a body, not among the stages", f"`body: {{use: {name}}}`"),
}
"""What to say where a define of the other kind is used, by the kind that is wanted."""

_numbers = itertools.count()


class Item:
    """One item of a body: a role with what fills it, and wiring.

    Attributes:
        role: the role, or empty.
        part: what a role that holds a part holds; Late where it is an argument.
        body: the body of a `body`; Late where it is an argument.
        branches: the bodies of a `parallel`.
        args: the arguments of a `use`, as written.
        use: the name of the define.
        given: the wiring as written.
        wiring: the wiring, with defaults, as far as it is not late.
        lates: late values in it that depend on more than features, seen from outside of its repetition.
        inner: the same seen from inside, in the order of their texts, once they were asked for.
    """

    __slots__ = (
        "args", "body", "branches", "given", "inner", "late_wiring", "lates", "natural", "number", "part", "role", "use",
        "wiring",
    )  # fmt: skip

    def __init__(self, role: str, given: Mapping[str, Any]) -> None:
        self.role, self.given = role, given
        self.number = next(_numbers)
        self.part: Any = None
        self.body: Any = None
        self.branches: tuple[Body, ...] = ()
        self.use, self.args = "", {}
        self.natural = False
        self.late_wiring = _has_late(given)
        self.wiring: Wiring
        self.lates: frozenset[Late] = frozenset()
        self.inner: tuple[Late, ...] | None = None


class Body:
    """A list of items.

    Attributes:
        items: the items.
        home: the family of a bare part in it.
        bare: it is a single bare part, which adds no segment to paths.
        listed: it was written as a list, so that written paths have an index.
        lates: late values in it that depend on more than features.
        key: the same for bodies that hold the same.
        repeated: the body as the item that a stage's `depth` repeats, once it was asked for.
    """

    __slots__ = ("bare", "home", "items", "key", "lates", "listed", "repeated")

    def __init__(self, items: tuple[Any, ...], home: str, bare: bool, listed: bool, key: Any) -> None:
        self.items, self.home, self.bare, self.listed, self.key = items, home, bare, listed, key
        self.repeated: Item | None = None
        self.lates = frozenset().union(*(item.lates if isinstance(item, Item) else frozenset([item]) for item in items))


def _has_late(given: Mapping[str, Any]) -> bool:
    for key, value in given.items():
        if isinstance(value, (Late, LateList)) or (isinstance(value, list) and any(isinstance(v, Late) for v in value)):
            return True
        if key in NESTED and isinstance(value, dict):
            if any(isinstance(value.get(k), Late) or (isinstance(value.get(k), list) and any(isinstance(v, Late) for v in value[k])) for k in NESTED[key]):
                return True
    return False


_memo: dict[Any, Any] = {}
MAX_MEMO = 50_000


def forget() -> None:
    """Empties the memo of what was read."""
    _memo.clear()


class SpecReader:
    """Validates values with the defaults and defines of one file; what was read once is not read again.

    Attributes:
        defaults: the file's defaults, as written.
        defines: the file's defines, as written.
    """

    def __init__(self, defaults: Mapping[str, Any], defines: Mapping[str, Any]) -> None:
        self.defaults, self.defines = defaults, defines
        self.opened: list[str] = []  # names of the defines whose bodies are being read, one inside the other
        self.key = (content(defaults), content(defines))
        self.usual = {key: defaults[key] for key in DEFAULT_WIRING if key in defaults}

    def _once(self, kind: str, more: str, raw: object, make: Any) -> Any:
        key = (kind, more, self.key[0], content(raw), self.key[1] if self.defines and facts(raw).uses else 0)
        found = _memo.get(key)
        if found is None:
            found = make()
            if len(_memo) >= MAX_MEMO:
                _memo.clear()
            _memo[key] = found
        return found

    # ------------------------------------------------------------ parts

    def part(self, family: str, raw: object) -> Any:
        """A part of a family: a mapping, a bare type, or a bare value; nothing for `none`."""
        if raw is None or (not isinstance(raw, (dict, str)) and isinstance(raw, (Part, Late))):
            return raw
        if raw == NONE and family != "pool":
            return None
        if isinstance(raw, Hole):
            return checked(raw, lambda value: self.part(family, value))
        return self._once("part", family, raw, lambda: self._part(family, raw))

    def default_type(self, family: str) -> str | None:
        """The type of a part that does not say it."""
        own = self.defaults.get(family)
        named = own.get("type") if isinstance(own, dict) else own if isinstance(own, str) else None
        return named or DEFAULT_TYPES.get(family)

    def _part(self, family: str, raw: Any) -> Part:
        given, cls = self._typed(family, raw)
        usual = self.defaults.get(family)
        if isinstance(usual, dict):
            kind = usual.get("type")
            own = given.get("type", kind)
            if kind is None or kind == own:
                fields = {info.alias or name for name, info in cls.model_fields.items()}
                given = merge({k: v for k, v in usual.items() if k in fields or kind}, given)
        return cls.read(given, self)

    def _typed(self, family: str, raw: Any) -> tuple[Any, type[Part]]:
        """The mapping with its type, and the class of that type."""
        single = class_of(family, family) if family not in DEFAULT_TYPES else None
        if isinstance(raw, dict):
            kind = raw.get("type", self.default_type(family))
            if single is not None:
                return raw, single
            if isinstance(kind, (Late, Hole)):
                refuse("`type` must be a name, not a late value", "let the whole part be the argument", at=("type",))
            if kind is None:
                refuse(f"`type` is missing: which {family}?", did_you_mean("", list_of(family)))
            if not isinstance(kind, str):
                refuse(f"`type` must be a name, but is {describe(kind)}", at=("type",))
            cls = self._find(family, kind, ("type",))
            return merge({"type": kind}, raw) if "type" not in raw else raw, cls
        if single is not None and single.shorthand and single.shorthand != "type":
            return {single.shorthand: raw}, single
        if isinstance(raw, str):
            return {"type": raw}, single or self._find(family, raw, ())
        refuse(f"a {family} is a name or a mapping, but this is {describe(raw)}")

    @staticmethod
    def _find(family: str, kind: str, at: tuple[str, ...]) -> type[Part]:
        try:
            return find(family, kind)
        except Refusal as error:
            raise Refusal([(at, message, hint) for _, message, hint in error.items]) from None

    # ------------------------------------------------------------ bodies

    def body(self, raw: object, home: str) -> Any:
        """A body: a list of items, one item, or one bare part of the home family."""
        if home == "names":
            return _names(raw, self)
        if raw is None or isinstance(raw, (Body, Late)):
            return raw
        if raw == NONE:
            return None
        if isinstance(raw, Hole):
            return checked(raw, lambda value: self.body(value, home))
        return self._once("body", home, raw, lambda: self._body(raw, home))

    def _body(self, raw: Any, home: str) -> Body:
        key = content(raw)
        if isinstance(raw, (list, tuple)):
            items, faults = [], []
            for index, entry in enumerate(raw):
                try:
                    items.append(self.item(entry, home))
                except Refusal as error:
                    faults += [((index, *loc), message, hint) for loc, message, hint in error.items]
            if faults:
                raise Refusal(faults)
            return Body(tuple(items), home, False, True, (key, home))
        if home != "item" and not (isinstance(raw, str) and class_of(home, raw) is None and is_role(raw)):
            if not isinstance(raw, dict) or "type" in raw:
                item = Item(home, {})
                item.part, item.wiring = self.part(home, raw), Wiring()
                item.lates = dependent(raw)
                return Body((item,), home, True, False, (key, home))
        return Body((self.item(raw, home),), home, False, False, (key, home))

    def item(self, raw: Any, home: str = "item") -> Any:
        """One item."""
        if isinstance(raw, (Late, Item)):
            return raw
        if isinstance(raw, str):
            if is_role(raw):
                return self._once("item", home, raw, lambda: self._item({raw: {}}))
            if home != "item" and class_of(home, raw) is not None:
                return self.body(raw, home).items[0]
            refuse(f"unknown operator `{raw}`", did_you_mean(raw, (*roles(), *COMPOSITE)))
        if not isinstance(raw, dict):
            refuse(f"an item is a mapping or the name of an operator, but this is {describe(raw)}")
        if "type" in raw and home != "item" and self._is_part(raw, home):
            return self.body(raw, home).items[0]
        return self._once("item", home, raw, lambda: self._item(raw))

    @staticmethod
    def _is_part(raw: Mapping[str, Any], home: str) -> bool:
        """Whether a mapping with `type` is a part of the home family; its fields may be called like roles."""
        kind = raw["type"]
        if isinstance(kind, str) and class_of(home, kind) is not None:
            return True
        return not any(is_role(key) or key in COMPOSITE for key in raw)

    def _item(self, raw: Mapping[str, Any]) -> Item:
        found = [key for key in raw if key in COMPOSITE or (key not in WIRING and key != "type" and is_role(key))]
        if "use" in found:
            found = ["use"]
        if len(found) > 1:
            hint = "write two items, one after the other"
            refuse(f"an item has one role, but this has {len(found)}: {', '.join(found)}", hint, at=(Key(found[1]),))
        role = found[0] if found else ""
        given = {key: raw[key] for key in raw if key in WIRING}
        rest = [key for key in raw if key not in WIRING and key != role]
        item = Item(role, given)
        faults: list[tuple[tuple[Place, ...], str, str]] = []
        if role == "use":
            item.use, item.args = raw["use"], {key: raw[key] for key in rest}
            _collect(faults, (), lambda: self._check_use(item))
        else:
            known = (*WIRING, *roles(), *COMPOSITE) if rest else ()
            faults += [((Key(key),), f"unknown key `{key}`", self._unknown(key, known, role)) for key in rest]
        if not role and not rest and not given.keys() & {"from", "write"}:
            refuse("an item needs a role, `from` or `write`", did_you_mean("", ("mixer", "mlp", "conv", "body", "use")))
        if role:
            _collect(faults, (role,), lambda: self._fill(item, raw[role]))
        _collect(faults, (), lambda: self._wire(item))
        if faults:
            raise Refusal(faults)
        item.lates = self._lates(item, raw)
        return item

    @staticmethod
    def _unknown(key: str, known: tuple[str, ...], role: str) -> str:
        cls = class_of(role, role) if role and role not in COMPOSITE else None
        if cls is not None and key in cls.model_fields:
            return f"`{key}` is a field of {role}: write it below `{role}`"
        return did_you_mean(key, known)

    def _fill(self, item: Item, raw: Any) -> None:
        """What the role holds."""
        if item.role == "body":
            item.body = self.body([] if raw is None else raw, "item")
        elif item.role == "parallel":
            if not isinstance(raw, (list, tuple)):
                refuse(f"`parallel` is a list of bodies, but this is {describe(raw)}")
            faults: list[Any] = []
            branches: list[Body] = []
            for index, entry in enumerate(raw):
                _collect(faults, (index,), lambda entry=entry: branches.append(self.body(entry, "item")))
            if faults:
                raise Refusal(faults)
            item.branches = tuple(branches)
        elif item.role != "use":
            item.part = self.part(item.role, raw)
            if item.part is None and item.role not in ("norm", "activation"):
                refuse(f"`{item.role}` cannot be none")
            item.natural = isinstance(item.part, Part) and item.part.residual or item.role in ("mixer", "mlp")

    def _wire(self, item: Item) -> None:
        item.wiring = self.wiring(item.given, item.natural)

    def wiring(self, given: Mapping[str, Any], natural: bool) -> Wiring:
        """The wiring as given, over the defaults where the item is residual by nature."""
        return self._once("wiring", "natural" if natural else "", dict(given), lambda: self._wiring(given, natural))

    def _wiring(self, given: Mapping[str, Any], natural: bool) -> Wiring:
        return Wiring.read(self.full_wiring(given, natural), self)

    def full_wiring(self, given: Mapping[str, Any], natural: bool) -> dict[str, Any]:
        """The wiring as written, with the defaults of what is residual by nature."""
        full = dict(given)
        if natural:
            plain = given.get("residual") is False
            for key, value in self.usual.items():
                if key == "residual" and given.get(key) is True or key not in given:
                    full[key] = value
                elif key == "residual" and isinstance(value, dict) and isinstance(given[key], dict):
                    full[key] = merge(value, given[key])
            full.setdefault("residual", True)
            if plain and "pre" not in given:
                full.pop("pre", None)
            elif not plain and "pre" not in full:
                full["pre"] = self.default_type("norm")
            if plain:
                full["residual"] = False
        return full

    # ------------------------------------------------------------ defines

    def _check_use(self, item: Item, kind: str = "body") -> None:
        name = item.use
        if not isinstance(name, str):
            refuse(f"`use` needs the name of a define, but it is {describe(name)}", at=("use",))
        define = self.define(name)
        if not isinstance(define, dict):
            return  # `declared` says what is wrong with it
        if kind not in define and ("body" in define or "stage" in define):
            refuse(*WRONG_PLACE[kind](name), at=("use",))
        args, optional = define.get("args") or [], define.get("optional") or {}
        if not isinstance(args, list) or not isinstance(optional, dict) or not all(type(arg) is str for arg in args):
            return
        faults: list[Any] = []
        for key in item.args:
            if key not in args and key not in optional:
                hint = did_you_mean(key, (*args, *optional, *WIRING))
                faults.append(((Key(key),), f"`{name}` has no argument `{key}`", hint))
        for key in args:
            if key not in item.args:
                faults.append((("use",), f"`{name}` needs the argument `{key}`", ""))
        if faults:
            raise Refusal(faults)

    def define(self, name: str) -> Mapping[str, Any]:
        """A define of this file, or of the library."""
        if name in self.defines:
            return self.defines[name]
        if name.startswith("library."):
            from vitdsl.library import entry

            return entry(name)
        refuse(f"there is no define `{name}`", did_you_mean(name, tuple(self.defines)), at=("use",))

    def defined_body(self, name: str) -> Body:
        """The body of a define."""
        define = self.define(name)
        if name in self.opened or not isinstance(define, dict) or "body" not in define:
            refuse(f"`{name}` has no body", at=("use",))  # `declared` says what is wrong with it
        self.opened.append(name)
        try:
            return self.body(define["body"], "item")
        finally:
            self.opened.pop()

    def lates_of(self, name: str) -> frozenset[Late]:
        """Late values in the body of a define that depend on more than features."""
        body: Any = self.defined_body(name)
        return frozenset([body]) if isinstance(body, Late) else frozenset() if body is None else body.lates

    def _lates(self, item: Item, raw: Mapping[str, Any]) -> frozenset[Late]:
        """Late values of the item that depend on more than features, seen from outside of its repetition."""
        found = set(dependent(raw))
        if item.use:
            try:
                inner = self.lates_of(item.use)
            except Refusal:
                inner = frozenset()  # a fault inside a define is reported there, not at each use
            found |= {late for late in inner if late.names & {"index", "index_1"}}
        if by_index(item):
            found.add(INDEX)
        if item.wiring.repeat is None:
            return frozenset(found)
        return frozenset(_outward(late) for late in found if late.names - {"index"})


INDEX: Any = parse("$index")


def by_index(item: Item) -> bool:
    """Whether stochastic depth gives the item a rate for each repetition."""
    drop = item.wiring.drop_path
    return isinstance(drop, Drop) and drop.rates is not None


def _outward(late: Late) -> Late:
    """What `index_1` inside a repetition is outside of it."""
    return INDEX if late.names <= {"index", "index_1"} and "index_1" in late.names else late


def dependent(node: Any) -> set[Late]:
    """Late values in a tree that depend on more than features."""
    if not facts(node).names - {"dim", "height", "width"}:
        return set()
    if isinstance(node, Late):
        return {node}
    values = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    return set().union(*(dependent(value) for value in values))


def list_of(family: str) -> tuple[str, ...]:
    """Types of a family, for a message."""
    from vitdsl.parts.registry import family as members

    return tuple(members(family))


def _collect(faults: list[Any], at: tuple[Place, ...], read: Any) -> None:
    """Runs one reading and keeps what it refuses."""
    try:
        read()
    except Refusal as error:
        faults += [((*at, *loc), message, hint) for loc, message, hint in error.items]
    except ValidationError as error:
        faults += [((*at, *loc), message, hint) for loc, message, hint in explain(error)]


# ---------------------------------------------------------------- the file


class Input(Fields):
    """The image: size, channels, and how a photo becomes one."""

    size: Size = (224, 224)
    channels: Positive = 3
    mean: Literal["imagenet", "half"] | list[float] = "imagenet"
    std: Literal["imagenet", "half"] | list[float] = "imagenet"
    crop: float = 0.875
    interpolation: Literal["bicubic", "bilinear", "nearest"] = "bicubic"


class Tokens(Fields):
    """A plain list of learned tokens."""

    count: Positive
    dim: Positive | None = None
    init: InitField = None


def _tokens(value: Any, reader: Reader) -> Any:
    if value is None or isinstance(value, Tokens):
        return value
    if isinstance(value, dict):
        return Tokens.read(value, reader)
    names = (value,) if isinstance(value, str) else tuple(value) if isinstance(value, list) else ()
    if not names:
        refuse(f"`tokens` must be a list of names such as [cls, dist], or {{count: 16}}, but is {describe(value)}")
    faults: list[Any] = []
    for index, name in enumerate(names):
        at = (index,) if isinstance(value, list) else ()
        if not isinstance(name, str) or not name.isidentifier():
            faults.append((at, f"a token must have a name of letters, digits and `_`, but it is {describe(name)}", ""))
        elif name in PLACES:
            faults.append((at, f"a token cannot be called `{name}`, which has a meaning in `at`", ""))
        elif name in names[:index]:
            faults.append((at, f"the token `{name}` is named twice", ""))
    if faults:
        raise Refusal(faults)
    return names


PLACES = ("all", "grid", "tokens", "first", "last")


def _carry(value: Any, reader: Any) -> Any:
    return value if value == NONE else reader.body(value, "item")


class Stage(Fields):
    """A stage: tokenizer, tokens, position, body, norm; each optional."""

    stream: str | None = None
    from_: PlaceField = Field(None, alias="from")
    tokenizer: Annotated[Any, BodyField("tokenizer")] = None
    carry: Annotated[Any, Reads(_carry, {"anyOf": [{"const": "none"}, {"$ref": "#/$defs/body_item"}]})] = None
    tokens: Annotated[Any, Reads(_tokens, {"type": ["array", "object", "string"]})] = None
    position: Annotated[Any, BodyField("position")] = None
    body: Items = None
    depth: Repeats | None = None
    block: Items = None
    norm: NormBody = None
    drop_path: DropField = None
    name: str | None = Field(None, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")


STAGE = tuple(info.alias or name for name, info in Stage.model_fields.items())


class UsedStage:
    """A stage that a define gives: `{use: NAME, argument: value}`."""

    __slots__ = ("args", "use")

    def __init__(self, use: str, args: Mapping[str, Any]) -> None:
        self.use, self.args = use, args


def _pools(value: Any, reader: Any) -> Any:
    if value is None:
        return None
    values = value if isinstance(value, (list, tuple)) else (value,)
    faults: list[Any] = []
    pools: list[Any] = []
    if not values or None in values:
        refuse(f"must be a pool or a list of pools, but is {describe(value)}")
    for index, entry in enumerate(values):
        _collect(faults, (index,), lambda entry=entry: pools.append(reader.part("pool", entry)))
    if not isinstance(value, (list, tuple)):
        faults = [(loc[1:], message, hint) for loc, message, hint in faults]
    if faults:
        raise Refusal(faults)
    return tuple(pools) if isinstance(value, (list, tuple)) else pools[0]


def _outputs(value: Any, reader: Any) -> Any:
    if value is None:
        return None
    if not isinstance(value, dict) or not value:
        refuse(f"`outputs` must be a mapping of names to bodies, but is {describe(value)}")
    faults: list[Any] = []
    made: dict[str, Body] = {}
    for name, raw in value.items():
        _collect(faults, (name,), lambda name=name, raw=raw: made.update({name: reader.body(raw, "item")}))
    if faults:
        raise Refusal(faults)
    return made


class Head(Fields):
    """The head: a norm and a pool, a body, or several outputs."""

    from_: PlaceField = Field(None, alias="from")
    norm: NormBody = None
    pool: Annotated[Any, Reads(_pools, {"anyOf": [{"$ref": "#/$defs/pool"}, {"type": "array", "items": {"$ref": "#/$defs/pool"}}]})] = None
    body: Items = None
    outputs: Annotated[Any, Reads(_outputs, {"type": "object", "additionalProperties": {"$ref": "#/$defs/body_item"}})] = None
    merge: Literal["mean"] | dict[str, float] | None = None
    training: Literal["same"] | list[str] | None = None
    layout: Literal["tokens", "map"] | None = None
    bias: bool = True
    init: InitField = None


def _head(value: Any, reader: Any) -> Any:
    if isinstance(value, (Head, type(None))):
        return value
    return reader._once("head", "", value, lambda: _read_head(value, reader))


def _read_head(value: Any, reader: Any) -> Head:
    raw = value if _is_head(value) else {"body": value}
    try:
        head = Head.read(raw, reader)
    except Refusal as error:
        items = [(loc[1:] if raw is not value else loc, message, hint) for loc, message, hint in error.items]
        raise Refusal(items) from None
    layouts = [name for name in ("body", "outputs") if getattr(head, name) is not None]
    if layouts:
        both = [*layouts, *(name for name in ("norm", "pool", "bias", "init") if name in head.model_fields_set)]
        if len(both) > 1:
            hint = "a body or an output holds its own norm, pool and classifier"
            refuse(f"`{both[0]}` says all of the head, but `{both[1]}` stands beside it", hint, at=(Key(both[1]),))
    return head


def _is_head(value: Any) -> bool:
    """Whether a head is the mapping of a head, not a body."""
    if not isinstance(value, dict):
        return False
    return not any(key in COMPOSITE or key in WIRING or is_role(key) for key in value.keys() - HEAD_KEYS)


HEAD_KEYS = {info.alias or name for name, info in Head.model_fields.items()}


class DropPath(Fields):
    """Stochastic depth of the model."""

    rate: Rate | list[Rate] = 0.0
    schedule: Literal["linear", "constant", "per_stage"] = "linear"
    ends: Literal["closed", "open"] = "closed"

    @model_validator(mode="after")
    def _rates(self) -> DropPath:
        if isinstance(self.rate, list) and self.schedule != "per_stage":
            refuse(f"must be one number where `schedule` is '{self.schedule}', but is {describe(self.rate)}", at=("rate",))
        return self


def _model_drop(value: Any, reader: Reader) -> Any:
    if value is None or isinstance(value, DropPath) or value == NONE:
        return None if value == NONE else value
    return DropPath.read(value if isinstance(value, dict) else {"rate": value}, reader)


def _stages(value: Any, reader: Any) -> Any:
    if not isinstance(value, (list, tuple)) or not value:
        refuse(f"`stages` must be a list of stages, but is {describe(value)}")
    faults: list[Any] = []
    made: list[Any] = []
    for index, raw in enumerate(value):
        _collect(faults, (index,), lambda raw=raw: made.append(reader.stage(raw)))
    if faults:
        raise Refusal(faults)
    return tuple(made)


def _stage(reader: SpecReader, raw: Any) -> Any:
    if isinstance(raw, Hole):
        return checked(raw, reader.stage)
    if not isinstance(raw, dict):
        refuse(f"a stage is a mapping, but this is {describe(raw)}")
    return reader._once("stage", "", raw, lambda: _read_stage(reader, raw))


def _read_stage(reader: SpecReader, raw: Mapping[str, Any]) -> Any:
    if "use" in raw:
        item = Item("use", {})
        item.use, item.args = raw["use"], {key: value for key, value in raw.items() if key != "use"}
        reader._check_use(item, "stage")
        return UsedStage(item.use, item.args)
    stage = Stage.read(raw, reader)
    if stage.block is not None and stage.body is not None:
        refuse("a stage has `body`, or `depth` and `block`, but this has `body` and `block`", at=(Key("block"),))
    if (stage.block is None) != (stage.depth is None):
        there, missing = ("depth", "block") if stage.block is None else ("block", "depth")
        refuse(f"`{there}` needs `{missing}` beside it", "a body that is not repeated is `body`", at=(Key(there),))
    return stage


SpecReader.stage = _stage  # type: ignore[attr-defined]

INIT_FAMILIES = ("linear", "conv", "classifier", "tokens", "position", "bias", "norm")


def _inits(value: Any, reader: Reader) -> Any:
    from vitdsl.parts.initial import _read as read_init

    if value is None:
        return {}
    if not isinstance(value, dict):
        refuse(f"`init` must be a mapping of families to initial values, but is {describe(value)}")
    faults: list[Any] = []
    made: dict[str, Any] = {}
    for key, entry in value.items():
        if key not in INIT_FAMILIES:
            faults.append(((Key(key),), f"unknown key `{key}`", did_you_mean(key, INIT_FAMILIES)))
        elif isinstance(entry, (Late, Hole)):
            faults.append(((key,), f"`{key}` must be written out, but is {describe(entry)}", ""))
        elif entry is not None:
            _collect(faults, (key,), lambda key=key, entry=entry: made.update({key: read_init(entry)}))
    if faults:
        raise Refusal(faults)
    return made


def _raw_mapping(value: Any, reader: Reader) -> Any:
    if value is not None and not isinstance(value, dict):
        refuse(f"a mapping is needed here, but it is {describe(value)}")
    return value or {}


RawField = Annotated[Any, Reads(_raw_mapping, {"type": "object"}, apart=True)]


class Model(Fields):
    """A whole file, merged."""

    name: str | None = None
    paper: RawField = None
    input: Input = Input()
    classes: Natural = 1000
    defaults: RawField = None
    define: RawField = None
    vars: RawField = None
    stages: Annotated[Any, Reads(_stages, {"type": "array", "items": {"$ref": "#/$defs/stage"}}, apart=True)]
    head: Annotated[Any, Reads(_head, {"$ref": "#/$defs/head"})] = None
    drop_path: Annotated[Any, Reads(_model_drop, {"anyOf": [{"type": "number"}, {"$ref": "#/$defs/drop_path"}]})] = None
    init: Annotated[Any, Reads(_inits, {"type": "object"})] = None
    merged: ClassVar[tuple[str, ...]] = ("extends", "set")

    @model_validator(mode="after")
    def _rate_of_each_stage(self) -> Model:
        rate = self.drop_path.rate if isinstance(self.drop_path, DropPath) else None
        if isinstance(rate, list) and isinstance(self.stages, tuple) and len(rate) != len(self.stages):
            message = f"`rate` must have as many entries as there are stages ({len(self.stages)}), but has {len(rate)}"
            refuse(message, at=("drop_path", "rate"))
        return self


MODEL = ("extends", "set", *(info.alias or name for name, info in Model.model_fields.items()))
