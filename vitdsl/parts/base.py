"""What every part is: fields, and either a node of the graph (primitive) or an expansion into such nodes (form)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Protocol

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler, GetJsonSchemaHandler, ValidationError, field_validator
from pydantic_core import core_schema

from vitdsl.errors import ExpressionError, ShapeError
from vitdsl.expressions import Late
from vitdsl.facts import facts
from vitdsl.features import Cost, Feature
from vitdsl.holes import Hole
from vitdsl.parts.fields import Refusal, describe, explain, keys_of, refuse

if TYPE_CHECKING:
    from torch import nn

NONE = "none"
"""The word that means nothing: `pre: none`."""


def settled(value: Late | LateList, env: Mapping[str, object]) -> Any:
    """A late value put in; a variable that is late itself is computed where it is used.

    Raises:
        ExpressionError: it cannot be computed here.
    """
    made: Any = value.evaluate(env)
    return settled(made, env) if isinstance(made, Late) and made != value else made


class LateList(list):
    """A list of plain values, some of them late: a late value itself."""

    def evaluate(self, env: Mapping[str, object]) -> list[object]:
        """The list with every late value put in."""
        return [settled(value, env) if isinstance(value, Late) else value for value in self]


class Value(Protocol):
    """A value of the graph under construction; `feature` says what it is."""

    @property
    def feature(self) -> Feature:
        """Its width and tokens."""
        ...


class Reader(Protocol):
    """What validates the values of a file: given to pydantic as its context, so that parts need not know `spec`."""

    def part(self, family: str, raw: object) -> Part | None:
        """A part of a family, or nothing."""
        ...

    def body(self, raw: object, home: str) -> Any:
        """A body, or nothing."""
        ...


class Scope(Protocol):
    """What a part writes its nodes into; `path` is relative to the item that the part stands in."""

    def add(self, op: Primitive, inputs: Sequence[Any], path: str) -> Any:
        """Appends a node: checks shapes, counts the cost, and gives the node's output."""
        ...

    def emit(self, part: Part, x: Any, path: str) -> Any:
        """Binds the late values of `part` to what enters it, and lets it write its nodes."""
        ...

    def emit_dropout(self, rate: float, x: Any, path: str) -> Any:
        """Dropout, where the rate is not 0."""
        ...

    def expose(self, name: str, x: Any) -> None:
        """Gives a shortcut an inner value of the mixer to start from: `value` or `query`."""
        ...

    def run(self, body: Any, x: Any, path: str) -> Any:
        """Runs a body on a value of its own and gives what comes out (an absent body gives `x`)."""
        ...

    def take(self, x: Any, part: str | int) -> Any:
        """A part of a feature: `grid`, `tokens`, a token's name, `first`, `last`, an index."""
        ...

    def put(self, x: Any, part: str | int, y: Any) -> Any:
        """The feature `x` with `y` in the place of its part."""
        ...

    def join(self, values: Sequence[Any]) -> Any:
        """All tokens of several features of one width, in order."""
        ...

    def sections(self, x: Any, dims: Sequence[int]) -> list[Any]:
        """The channels of a feature, cut into sections of these widths."""
        ...

    def stream(self, name: str) -> Any:
        """What a stream holds."""
        ...

    def mark(self, name: str, x: Any) -> Any:
        """Gives a value a name that recipes know."""
        ...

    def window_mask(self) -> Any | None:
        """The mask of the window that encloses what is written now, or nothing where all of it may be seen."""
        ...

    @property
    def classes(self) -> int:
        """Number of classes of the spec."""
        ...


class PartField:
    """Annotation of a field that holds a part of one family, or nothing."""

    def __init__(self, family: str) -> None:
        self.family = family

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        """Dispatches by name among the installed parts of the family; locations of errors stay those of the file."""
        return core_schema.with_info_plain_validator_function(self._read)

    def __get_pydantic_json_schema__(self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler) -> dict:
        """Refers to the family's definition, which `vitdsl.schema` writes."""
        return {"$ref": f"#/$defs/{self.family}"}

    def _read(self, value: object, info: core_schema.ValidationInfo[Any]) -> Part | None:
        if value is None or (isinstance(value, str) and value == NONE):
            return None
        if not isinstance(value, (str, dict)) and isinstance(value, Part):
            return value
        return info.context.part(self.family, value)


def no_scalar(value: Any, wanted: str) -> Any:
    """The value, unless it is a number or a truth."""
    if isinstance(value, (bool, int, float)):
        refuse(f"must be {wanted}, but is {describe(value)}")
    return value


class BodyField:
    """Annotation of a field that holds a body; `home` is the family of a bare part in it."""

    def __init__(self, home: str = "item") -> None:
        self.home = home

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        """Hands the value to the reader that stands in the validation context."""
        return core_schema.with_info_plain_validator_function(self._read)

    def __get_pydantic_json_schema__(self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler) -> dict:
        """Refers to the definition of a body with this home, which `vitdsl.schema` writes."""
        return {"$ref": f"#/$defs/body_{self.home}"}

    def _read(self, value: object, info: core_schema.ValidationInfo[Any]) -> Any:
        if value is None or value == NONE or not isinstance(value, (str, dict, list)):
            return None if value == NONE else no_scalar(value, "a body")
        return info.context.body(value, self.home)


class Reads:
    """Annotation of a field that a function reads: it gets the value and the reader, and gives the field's value.

    Late values below an `apart` field are the business of what is read.
    """

    def __init__(self, read: Callable[[Any, Reader], Any], schema: dict[str, Any], apart: bool = False) -> None:
        self.read, self.schema, self.apart = read, schema, apart

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        """Calls the function."""
        return core_schema.with_info_plain_validator_function(lambda value, info: self.read(value, info.context))

    def __get_pydantic_json_schema__(self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler) -> dict:
        """What was given."""
        return self.schema


def _late_values_pass(cls: type[Fields], value: Any, handler: Any, info: Any) -> Any:
    """Lets a late value stand in the place of any field's value."""
    if isinstance(value, (Late, Hole)):
        return value if isinstance(value, Late) else checked(value, handler)
    plain = type(value) is not str and isinstance(value, list) and info.field_name not in cls.structured
    if plain and any(isinstance(entry, Late) for entry in value):
        return LateList(value)
    return handler(value)


def checked(hole: Hole, handler: Callable[[Any], Any]) -> Hole:
    """The hole, after what may be put in was validated as the value that it may become.

    Raises:
        Refusal: with the location of each alternative that does not fit.
    """
    faults = [(at, f"a hole {message}", "") for at, message in hole.malformed()]
    for at, value in [] if faults else hole.alternatives():
        try:
            handler(value)
        except (Refusal, ValidationError) as error:
            items = error.items if isinstance(error, Refusal) else explain(error)
            faults += [((*at, *loc), message, hint) for loc, message, hint in items]
    if faults:
        raise Refusal(faults)
    return hole


KNOWN = frozenset({int, float, bool, str, tuple, type(None)})
"""Types of values that are never late."""


class Fields(BaseModel):
    """Base of everything that a mapping of a spec is validated by: strict, frozen, and open to late values.

    Values that are not late are validated by pydantic alone; a mapping with late values by a twin of the class, whose
    fields let them pass.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, populate_by_name=True)
    structured: ClassVar[frozenset[str]] = frozenset()
    apart: ClassVar[frozenset[str]] = frozenset()
    """Keys whose value may have late values below it that are not this mapping's: they are bound on their own."""
    followers: ClassVar[tuple[str, ...]] = ()
    """Fields whose part follows a primitive, in order."""
    twin: ClassVar[Any] = None
    """The class that reads mappings with late values, once it was needed."""
    final: ClassVar[Any] = None
    """The class itself, also of a twin."""
    open: ClassVar[bool] = False
    """Whether a value is not known yet; only a twin's can be."""

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        """Notes which fields hold parts or bodies: those read their late values themselves."""
        super().__pydantic_init_subclass__(**kwargs)
        cls.structured = frozenset(
            name for name, field in cls.model_fields.items()
            if any(isinstance(mark, (PartField, BodyField, FieldsOr, Nested, Reads)) for mark in field.metadata)
        )  # fmt: skip
        cls.apart = frozenset(
            field.alias or name for name, field in cls.model_fields.items()
            if any(isinstance(mark, (PartField, BodyField)) or getattr(mark, "apart", False) for mark in field.metadata)
        )  # fmt: skip
        cls.followers = tuple(name for name in ("norm", "activation") if name in cls.structured)
        if "_late_values_pass" not in cls.__dict__:
            cls.twin, cls.final = None, cls

    @classmethod
    def read(cls, raw: Any, reader: Reader) -> Any:
        """Validates a mapping, some of whose values may be late.

        Raises:
            Refusal: it does not fit.
        """
        try:
            return cls._validated(raw, reader)
        except ValidationError as error:
            raise Refusal(explain(error, cls)) from None

    @classmethod
    def _validated(cls, raw: Any, reader: Reader) -> Any:
        if isinstance(raw, dict) and None in raw.values():  # `null` takes away what would be inherited
            raw = {key: value for key, value in raw.items() if value is not None or key not in keys_of(cls)}
        if not facts(raw).late or not cls._concerned(raw):
            return cls.final.model_validate(raw, context=reader)
        if cls.final.twin is None:
            hook = field_validator("*", mode="wrap")(classmethod(_late_values_pass))  # type: ignore[arg-type]
            members = {
                "_late_values_pass": hook,
                "open": property(_is_open),
                "__module__": cls.__module__,
                "__doc__": cls.__doc__,
            }
            twin = type(cls.__name__, (cls.final,), members)
            twin.final = cls.final  # type: ignore[attr-defined]
            cls.final.twin = twin
        return cls.final.twin.model_validate(raw, context=reader)

    @classmethod
    def _concerned(cls, raw: Any) -> bool:
        """Whether a value that is late, or a hole, is this mapping's own."""
        if not isinstance(raw, dict):
            return True
        apart = cls.apart
        return any(isinstance(v, (Late, Hole)) or (key not in apart and facts(v).late) for key, v in raw.items())

    @property
    def written(self) -> dict[str, Any]:
        """The fields that were given, as validated, in the order of the class; no part and no body is `none`."""
        given, parts = self.model_fields_set, self.structured
        return {n: NONE if v is None and n in parts else v for n, v in self.__dict__.items() if n in given}

    def bind(self, env: Mapping[str, object], reader: Reader) -> Any:
        """The same with its late values put in, validated a second time.

        Raises:
            Refusal: a late value cannot be computed, or does not fit its field.
        """
        if not self.open:
            return self
        given = self.written
        for name, value in given.items():
            try:
                if isinstance(value, (Late, LateList)):
                    given[name] = settled(value, env)
                elif isinstance(value, Fields) and not isinstance(value, Part):
                    given[name] = value.bind(env, reader)
            except (ExpressionError, Refusal) as error:
                items = error.items if isinstance(error, Refusal) else [((), error.message, error.hint)]
                key = type(self).model_fields[name].alias or name
                raise Refusal([((key, *loc), message, hint) for loc, message, hint in items]) from None
        return self.final.read(given, reader)


def _is_open(fields: Fields) -> bool:
    """Whether a value of a twin, or of a mapping in it, is not known yet."""
    for value in fields.__dict__.values():
        kind = value.__class__
        if kind in KNOWN:
            continue
        if (
            kind is Late
            or kind is LateList
            or (isinstance(value, Fields) and not isinstance(value, Part) and value.open)
        ):
            return True
    return False


class Nested:
    """Annotation of a field that holds a mapping of its own kind, in which values may be late."""

    def __init__(self, model: type[Fields]) -> None:
        self.model = model

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        """Reads the mapping."""
        return core_schema.with_info_plain_validator_function(self._read)

    def __get_pydantic_json_schema__(self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler) -> dict:
        """The mapping's own."""
        return self.model.model_json_schema()

    def _read(self, value: object, info: core_schema.ValidationInfo[Any]) -> Any:
        if value is None or isinstance(value, self.model):
            return value
        return self.model.read(value, info.context)


class FieldsOr:
    """Annotation of a field that holds either a mapping of its own kind, or a part of a family, or a body."""

    def __init__(self, model: type[Fields], family: str = "", home: str = "") -> None:
        self.model, self.family, self.home = model, family, home
        self.names = {info.alias or name for name, info in model.model_fields.items()}

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        """A mapping with keys of the model alone is the model; everything else the part or body."""
        return core_schema.with_info_plain_validator_function(self._read)

    def __get_pydantic_json_schema__(self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler) -> dict:
        """Either of the two."""
        other = {"$ref": f"#/$defs/{self.family or 'body_' + self.home}"}
        return {"anyOf": [self.model.model_json_schema(), other]}

    def _read(self, value: object, info: core_schema.ValidationInfo[Any]) -> Any:
        if isinstance(value, dict) and value.keys() <= self.names:
            return self.model.read(value, info.context)
        if value is None or value == NONE or not isinstance(value, (str, dict, list)):
            return None if value == NONE else no_scalar(value, f"a {self.family}" if self.family else "a body")
        return info.context.part(self.family, value) if self.family else info.context.body(value, self.home)


Norm = Annotated[Any, PartField("norm")]
Activation = Annotated[Any, PartField("activation")]
Items = Annotated[Any, BodyField()]
NormBody = Annotated[Any, BodyField("norm")]


class Part(Fields):
    """Something that a spec can name: `{type: NAME, field: value}`."""

    family: ClassVar[str]
    shorthand: ClassVar[str] = ""
    """The field that a bare value fills: `dropout: 0.1` is `{dropout: {rate: 0.1}}`."""
    banked: ClassVar[bool] = False
    """Whether it is a mixer, with `keys` that may fill its bank."""
    expands: ClassVar[bool] = False
    """Whether it is a form."""
    residual: ClassVar[bool] = False
    """Whether an item with this part is residual and pre-norm by nature."""
    type: str

    def emit(self, scope: Any, x: Any, path: str) -> Any:
        """Writes the part's nodes for the input `x` and gives its output."""
        raise NotImplementedError


class Primitive(Part):
    """A part that is one node of the graph and one module.

    Attributes:
        on_grid: acts on the grid; extra tokens pass by.
        mixes: an output token depends on other tokens than its own.
        by_place: what becomes of a token depends on where it stands.
        layout: what the module takes: (B, N, C) `tokens`, (B, C, H, W) `map`, or `any` of the two.
        gives: what it returns, `same` as it took or one of the two.
        structural: there is no module; the compiler splices tokens, or writes one expression.
        view: the output is no new memory.
    """

    structural: ClassVar[bool] = False
    view: ClassVar[bool] = False
    on_grid: ClassVar[bool] = False
    mixes: ClassVar[bool] = False
    by_place: ClassVar[bool] = False
    layout: ClassVar[Literal["any", "tokens", "map"]] = "any"
    gives: ClassVar[Literal["same", "tokens", "map"]] = "same"

    def infer(self, *inputs: Feature) -> Feature:
        """The shape rule: the output's feature. Raises ShapeError."""
        raise NotImplementedError

    def cost(self, *inputs: Feature) -> Cost:
        """Exact cost for one image, without activations' memory."""
        return Cost()

    def mixes_channels(self, *inputs: Feature) -> bool:
        """Whether an output channel depends on other channels than its own; asked of what has weights."""
        return True

    def build(self, *inputs: Feature) -> nn.Module:
        """The module, from `vitdsl.layers`."""
        raise NotImplementedError

    @classmethod
    def examples(cls) -> list[tuple[dict[str, Any], tuple[Feature, ...]]]:
        """Fields and input features that the contract tests try; one has odd sizes."""
        return []

    def emit(self, scope: Scope, x: Value, path: str) -> Value:
        """One node, then the part's own norm and activation; extra tokens pass a grid operator by."""
        if self.on_grid and x.feature.tokens and x.feature.grid is not None:
            return scope.put(x, "grid", self.emit(scope, scope.take(x, "grid"), path))
        return self.follow(scope, scope.add(self, (x,), path), path)

    def follow(self, scope: Scope, y: Value, path: str) -> Value:
        """Appends the part's own norm and activation, its children in the module tree."""
        for name in self.followers:
            part = self.__dict__[name]
            if part is not None:
                try:
                    y = scope.emit(part, y, f"{path}.{name}")
                except ShapeError as fault:
                    fault.trail.append(name)
                    raise
        return y


class Form(Part):
    """A part that has a name but no node of its own: it expands into an item, which is validated like the file."""

    expands: ClassVar[bool] = True

    def expand(self) -> dict[str, Any]:
        """The item (role and wiring) that this form stands for; what the item itself wires is merged over it."""
        raise NotImplementedError
