"""What every part is: fields, and either a node of the graph (primitive) or an expansion into such nodes (form)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Protocol

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler, GetJsonSchemaHandler, field_validator
from pydantic_core import core_schema

from vitdsl.expressions import Late
from vitdsl.features import Cost, Feature
from vitdsl.holes import Hole

if TYPE_CHECKING:
    from torch import nn

NONE = "none"
"""The word that means nothing: `pre: none`."""


class LateList(list):
    """A list of plain values, some of them late: a late value itself."""

    def evaluate(self, env: Mapping[str, object]) -> list[object]:
        """The list with every late value put in."""
        return [value.evaluate(env) if isinstance(value, Late) else value for value in self]


class Value(Protocol):
    """A value of the graph under construction; `feature` says what it is."""

    @property
    def feature(self) -> Feature: ...


class Reader(Protocol):
    """What validates the values of a file: given to pydantic as its context, so that parts need not know `spec`."""

    def part(self, family: str, raw: object) -> Part | None: ...

    def body(self, raw: object, home: str) -> Any: ...


class Scope(Protocol):
    """What a part writes its nodes into; `path` is relative to the item that the part stands in."""

    def add(self, op: Primitive, inputs: Sequence[Value], path: str) -> Value:
        """Appends a node: checks shapes, counts the cost, and gives the node's output."""
        ...

    def emit(self, part: Part, x: Value, path: str) -> Value:
        """Binds the late values of `part` to what enters it, and lets it write its nodes."""
        ...

    def emit_dropout(self, rate: float, x: Value, path: str) -> Value:
        """Dropout, where the rate is not 0."""
        ...

    def expose(self, name: str, x: Value) -> None:
        """Gives a shortcut an inner value of the mixer to start from: `value` or `query`."""
        ...

    def run(self, body: Any, x: Value, path: str) -> Value:
        """Runs a body on a value of its own and gives what comes out (an absent body gives `x`)."""
        ...

    def take(self, x: Value, part: str | int) -> Value:
        """A part of a feature: `grid`, `tokens`, a token's name, `first`, `last`, an index."""
        ...

    def put(self, x: Value, part: str | int, y: Value) -> Value:
        """The feature `x` with `y` in the place of its part."""
        ...

    def join(self, values: Sequence[Value]) -> Value:
        """All tokens of several features of one width, in order."""
        ...

    def sections(self, x: Value, dims: Sequence[int]) -> list[Value]:
        """The channels of a feature, cut into sections of these widths."""
        ...

    def stream(self, name: str) -> Value:
        """What a stream holds."""
        ...

    def mark(self, name: str, x: Value) -> Value:
        """Gives a value a name that recipes know."""
        ...

    def window_mask(self) -> Value | None:
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

    def _read(self, value: object, info: core_schema.ValidationInfo) -> Part | None:
        if value is None or value == NONE or isinstance(value, Part):
            return None if value == NONE else value  # type: ignore[return-value]
        return info.context.part(self.family, value)


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

    def _read(self, value: object, info: core_schema.ValidationInfo) -> Any:
        if value is None or value == NONE or not isinstance(value, (str, dict, list)):
            return None if value == NONE else value
        return info.context.body(value, self.home)


class Reads:
    """Annotation of a field that a function reads: it gets the value and the reader, and gives the field's value."""

    def __init__(self, read: Callable[[Any, Reader], Any], schema: dict[str, Any], structured: bool = True) -> None:
        self.read, self.schema, self.structured = read, schema, structured

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        """Calls the function."""
        return core_schema.with_info_plain_validator_function(lambda value, info: self.read(value, info.context))

    def __get_pydantic_json_schema__(self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler) -> dict:
        """What was given."""
        return self.schema


class Fields(BaseModel):
    """Base of everything that a mapping of a spec is validated by: strict, frozen, and open to late values."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, populate_by_name=True)
    structured: ClassVar[frozenset[str]] = frozenset()

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        """Notes which fields hold parts or bodies: those read their late values themselves."""
        super().__pydantic_init_subclass__(**kwargs)
        cls.structured = frozenset(
            name for name, field in cls.model_fields.items()
            if any(isinstance(mark, (PartField, BodyField, FieldsOr, Reads)) for mark in field.metadata)
        )  # fmt: skip

    @field_validator("*", mode="wrap")
    @classmethod
    def _late_values_pass(cls, value: Any, handler: Any, info: Any) -> Any:
        if isinstance(value, (Late, Hole)):
            return value if isinstance(value, Late) else value.checked(handler)
        if type(value) is not str and isinstance(value, list) and info.field_name not in cls.structured:
            if any(isinstance(entry, Late) for entry in value):
                return LateList(value)
        return handler(value)

    @property
    def late(self) -> dict[str, Late | LateList]:
        """The fields whose values are not known yet."""
        values = self.__dict__
        return {name: values[name] for name in self.model_fields_set if isinstance(values[name], (Late, LateList))}

    @property
    def written(self) -> dict[str, Any]:
        """The fields that were given, as validated."""
        values = self.__dict__
        return {name: values[name] for name in self.model_fields_set}

    def bind(self, env: Mapping[str, object], reader: Reader) -> Any:
        """The same with its late values put in, validated a second time.

        Raises:
            ValidationError: a late value does not fit its field.
            ExpressionError: a late value cannot be computed.
        """
        late = self.late
        nested = {name: value for name, value in self.written.items() if isinstance(value, Fields) and not isinstance(value, Part) and value.late}
        if not late and not nested:
            return self
        given = self.written
        for name, value in late.items():
            given[name] = value.evaluate(env)
        for name, value in nested.items():
            given[name] = value.bind(env, reader)
        return type(self).model_validate(given, context=reader)


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

    def _read(self, value: object, info: core_schema.ValidationInfo) -> Any:
        if isinstance(value, dict) and value.keys() <= self.names:
            return self.model.model_validate(value, context=info.context)
        if value is None or value == NONE or not isinstance(value, (str, dict, list)):
            return None if value == NONE else value
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
    residual: ClassVar[bool] = False
    """Whether an item with this part is residual and pre-norm by nature."""
    type: str

    def emit(self, scope: Scope, x: Value, path: str) -> Value:
        """Writes the part's nodes for the input `x` and gives its output."""
        raise NotImplementedError


class Primitive(Part):
    """A part that is one node of the graph and one module.

    Attributes:
        on_grid: acts on the grid; extra tokens pass by.
        mixes: an output token depends on other tokens than its own.
        layout: what the module takes: (B, N, C) `tokens`, (B, C, H, W) `map`, or `any` of the two.
        gives: what it returns, `same` as it took or one of the two.
        stateless: the module holds neither parameters nor buffers.
    """

    on_grid: ClassVar[bool] = False
    mixes: ClassVar[bool] = False
    layout: ClassVar[Literal["any", "tokens", "map"]] = "any"
    gives: ClassVar[Literal["same", "tokens", "map"]] = "same"

    def infer(self, *inputs: Feature) -> Feature:
        """The shape rule: the output's feature. Raises ShapeError."""
        raise NotImplementedError

    def cost(self, *inputs: Feature) -> Cost:
        """Exact cost for one image, without activations' memory."""
        return Cost()

    def build(self, *inputs: Feature) -> nn.Module:
        """The module, from `vitdsl.layers`."""
        raise NotImplementedError

    @classmethod
    def examples(cls) -> list[tuple[dict[str, Any], tuple[Feature, ...]]]:
        """Fields and input features that the contract tests try; one has odd sizes."""
        return []

    def emit(self, scope: Scope, x: Value, path: str) -> Value:
        """One node; then the part's own norm and activation, where it has them; extra tokens pass a grid operator by."""
        if self.on_grid and x.feature.tokens and x.feature.grid is not None:
            return scope.put(x, "grid", self.emit(scope, scope.take(x, "grid"), path))
        return self.follow(scope, scope.add(self, (x,), path), path)

    def follow(self, scope: Scope, y: Value, path: str) -> Value:
        """Appends the part's own norm and activation, its children in the module tree."""
        for name in ("norm", "activation"):
            part = getattr(self, name, None)
            if isinstance(part, Part):
                y = scope.emit(part, y, f"{path}.{name}")
        return y


class Form(Part):
    """A part that has a name but no node of its own: it expands into an item, which is validated like the file."""

    def expand(self) -> dict[str, Any]:
        """The item (role and wiring) that this form stands for; what the item itself wires is merged over it."""
        raise NotImplementedError
