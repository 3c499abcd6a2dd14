"""What every mapping of a spec is validated by, and what every part is: a frozen class with typed fields."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, NoReturn, Self, dataclass_transform

from pydantic import Field
from pydantic_core import CoreSchema, core_schema

from vitdsl.errors import ExpressionError, Fault, Refusal, did_you_mean, refuse
from vitdsl.fields.declaration import Declaration, declarations
from vitdsl.fields.messages import describe, with_name
from vitdsl.fields.nothing import NONE, remedy_for_nothing, says_none
from vitdsl.syntax.expressions import Late, LateList, settled
from vitdsl.syntax.paths import Key

_new, _set = object.__new__, object.__setattr__
_NOT_WRITTEN: frozenset[str] = frozenset()
_AS_IF_NOT_WRITTEN: Any = object()
_PLAIN = frozenset({int, float, bool, str, tuple, type(None)})
"""Types of values that are never late."""


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(Field,))
class Fields:
    """Base of everything that a mapping of a spec is validated by: strict, frozen, and open to late values.

    A subclass declares its fields by annotations with or without defaults. Where a key cannot be the name of an
    attribute, `Field(alias=…)` of pydantic gives it. The values are the instance's `__dict__`, in order.

    Attributes:
        fields_set: names of the fields that were given, not taken from defaults.
        open: names of the fields whose value is not known yet, as it is late or a late value is in it.
    """

    __slots__ = ("fields_set", "open")
    fields_set: frozenset[str]
    open: tuple[str, ...]

    fields: ClassVar[dict[str, Declaration]] = {}
    """The fields by name, those of the bases first."""
    fields_by_key: ClassVar[dict[str, Declaration]] = {}
    """The fields by what a file writes for them."""
    structured: ClassVar[frozenset[str]] = frozenset()
    """Names of fields that read late values in lists and mappings themselves."""
    followers: ClassVar[tuple[str, ...]] = ()
    """Fields whose part follows a primitive, in order."""
    repeated: ClassVar[frozenset[str]] = frozenset()
    """Names of fields that each repetition puts in for itself, where they read its `index`."""
    absent: ClassVar[frozenset[str]] = frozenset()
    """Keys where `none` says that nothing is there; elsewhere the field's type says what `none` is."""
    merged: ClassVar[tuple[str, ...]] = ()
    """Further keys that a file may write, which are gone when it is validated."""
    _own: ClassVar[dict[str, Declaration]] = {}
    _usual: ClassVar[dict[str, Any]] = {}
    _required: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Reads the annotations of the class."""
        super().__init_subclass__(**kwargs)
        inherited: dict[str, Declaration] = {}
        for base in reversed(cls.__mro__[1:]):
            inherited |= vars(base).get("_own", {})
        cls._own = declarations(cls)
        _refuse_confusing(cls, inherited)
        cls.fields = inherited | cls._own
        cls.fields_by_key = {field.key: field for field in cls.fields.values()}
        cls.structured = frozenset(name for name, field in cls.fields.items() if field.structured)
        cls.followers = tuple(name for name in ("norm", "activation") if name in cls.structured)
        cls._usual = {name: field.default for name, field in cls.fields.items()}
        cls._required = tuple(name for name, field in cls.fields.items() if field.required)
        for name in cls._own.keys() & vars(cls).keys():
            delattr(cls, name)  # a default; instances have values of their own

    def __init__(self, /, **given: Any) -> None:
        """Takes fields by name.

        Raises:
            Refusal: a value does not fit.
        """
        _fill(self, *_validated(type(self), self.fields, given, None))
        self.agree()

    @classmethod
    def trusted(cls, **values: Any) -> Self:
        """An object with these values, which are known to be right: fields of what was validated, widths of features.

        Nothing is validated, and no field counts as written; what a graph is made of is built many times a model.
        """
        return _fill(_new(cls), {**cls._usual, **values}, _NOT_WRITTEN, ())

    @classmethod
    def read(cls, raw: Any, reader: Any) -> Self:
        """Validates a mapping, some of whose values may be late.

        Args:
            raw: the mapping; `null` takes a value away that would be inherited.
            reader: of the file; it reads parts and bodies.

        Raises:
            Refusal: it does not fit.
        """
        if isinstance(raw, cls):
            return raw
        if not isinstance(raw, dict):
            refuse(f"must be a mapping, but is {describe(raw)}", code="E203")
        if None in raw.values() or (cls.absent and NONE in raw.values()):
            raw = {key: value for key, value in raw.items() if not cls._is_nothing(key, value)}
        made = _fill(_new(cls), *_validated(cls, cls.fields_by_key, raw, reader))
        made.agree()
        return made

    @classmethod
    def _is_nothing(cls, key: str, value: Any) -> bool:
        """Whether a key is there as if it were not."""
        return key in cls.fields_by_key if value is None else key in cls.absent and says_none(value)

    def agree(self) -> None:
        """Refuses values that are right each, but not together."""

    @property
    def written(self) -> dict[str, Any]:
        """The fields that were given, by key, in the order of the class; where there is no part and no body, `none`."""
        given, parts, fields = self.fields_set, self.structured, self.fields
        return {
            fields[name].key: NONE if value is None and name in parts else value
            for name, value in self.__dict__.items() if name in given
        }  # fmt: skip

    def replace(self, **values: Any) -> Self:
        """The same with other values in some fields, which are known to be right."""
        return _fill(_new(type(self)), {**self.__dict__, **values}, self.fields_set.union(values), self.open)

    def bind(self, env: Mapping[str, object], reader: Any) -> Self:
        """The same with its late values put in, which are validated now.

        Args:
            env: values by name.
            reader: of the file.

        Raises:
            Refusal: a late value cannot be computed, or does not fit its field.
        """
        values, fields_set, still_open = self.__dict__.copy(), self.fields_set, []
        for name in self.open:
            field, value = self.fields[name], values[name]
            if name in self.repeated and isinstance(value, Late) and "index" in value.names:
                still_open.append(name)
                continue
            made = _bound(field, value, env, reader, field.key in self.absent)
            if made is _AS_IF_NOT_WRITTEN:
                if field.required:
                    raise Refusal([_missing(field)])
                made, fields_set = field.default, fields_set - {name}
            values[name] = made
            if _is_open(made):
                still_open.append(name)
        bound = _fill(_new(type(self)), values, fields_set, tuple(still_open))
        bound.agree()
        return bound

    def __setattr__(self, name: str, value: Any) -> NoReturn:
        """Refuses: nothing of what was validated changes."""
        raise AttributeError(f"{type(self).__name__} is frozen: `{name}` cannot be set")

    def __delattr__(self, name: str) -> NoReturn:
        """Refuses, too."""
        raise AttributeError(f"{type(self).__name__} is frozen: `{name}` cannot be deleted")

    def __eq__(self, other: object) -> bool:
        """Whether the other is of the same class and has the same values."""
        return type(self) is type(other) and self.__dict__ == other.__dict__

    def __hash__(self) -> int:
        """Of the values; a list among them has no hash."""
        return hash((type(self), *self.__dict__.values()))

    def __repr__(self) -> str:
        """As its constructor is called."""
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in self.__dict__.items())})"

    def __reduce__(self) -> tuple[Any, ...]:
        """Copies and pickles are made of the values, without validation."""
        return _restored, (type(self), dict(self.__dict__), self.fields_set, self.open)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> CoreSchema:
        """Inside of other types, as in `list[…]`, pydantic hands the value to `read`."""
        return core_schema.with_info_plain_validator_function(lambda value, info: cls.read(value, info.context))


def _refuse_confusing(cls: type[Fields], inherited: Mapping[str, Declaration]) -> None:
    """Refuses a class whose attributes would not do what they seem to.

    Raises:
        TypeError: with the name of the attribute.
    """
    for name in cls._own:
        if name not in inherited and any(name in vars(base) for base in cls.__mro__[1:]):
            raise TypeError(
                f"{cls.__name__}: the field `{name}` would hide what a base class calls so; give it an alias"
            )
    for name, value in vars(cls).items():
        if name in inherited and name not in cls._own:
            raise TypeError(f"{cls.__name__}: `{name}` is a field of a base class; write its type here, too")
        if type(value).__name__ == "PydanticDescriptorProxy":
            raise TypeError(
                f"{cls.__name__}: pydantic's decorators have no effect here; `{name}` can be called by `agree`"
            )


def _validated(
    cls: type[Fields], known: Mapping[str, Declaration], given: Mapping[str, Any], reader: Any
) -> tuple[dict[str, Any], frozenset[str], tuple[str, ...]]:
    """The values of all fields, and the names of those that were given, and of those that are open."""
    values, names, still_open = cls._usual.copy(), [], []
    faults: list[Fault] = []
    for key, value in given.items():
        field = known.get(key)
        if field is None:
            hint = did_you_mean(str(key), (*known, *cls.merged))
            faults.append(Fault((Key(key),), f"unknown key `{key}`", hint, "E201"))
            continue
        names.append(field.name)
        try:
            made = values[field.name] = field.read(value, reader)
        except Refusal as error:
            faults += _below(field, error, value, key in cls.absent, reader)
            continue
        if made.__class__ not in _PLAIN and _is_open(made):
            still_open.append(field.name)
    if cls._required:
        faults += [_missing(cls.fields[name]) for name in cls._required if name not in names]
    if faults:
        raise Refusal(faults)
    return values, frozenset(names), tuple(still_open)


def _bound(field: Declaration, value: Any, env: Mapping[str, object], reader: Any, absent: bool) -> Any:
    """The value of a field with its late values put in; a part or body that is `none` is there, and is nothing."""
    made = value
    try:
        if isinstance(value, Fields):
            return value.bind(env, reader)
        made = settled(value, env)
        nothing = made is None or (absent and says_none(made))
        return _AS_IF_NOT_WRITTEN if nothing else field.read(made, reader)
    except ExpressionError as error:
        raise Refusal([Fault((field.key,), error.message, error.hint, error.code)]) from None
    except Refusal as error:
        raise Refusal(_below(field, error, made, absent, reader)) from None


def _below(field: Declaration, error: Refusal, value: Any, absent: bool, reader: Any) -> list[Fault]:
    """What is wrong in a field, with locations below the mapping that holds it."""
    nothing = remedy_for_nothing(field, value, absent, reader)
    return [with_name(fault.below(field.key)._replace(hint=nothing or fault.hint)) for fault in error.items]


def _missing(field: Declaration) -> Fault:
    """The fault of a field that has no default and is not given."""
    return Fault((field.key,), f"`{field.key}` is missing", code="E202")


def _is_open(value: Any) -> bool:
    """Whether a value is late, or a mapping that holds a late value; what a part holds is bound on its own."""
    kind = value.__class__
    return (
        kind is Late
        or kind is LateList
        or (isinstance(value, Fields) and not isinstance(value, Part) and bool(value.open))
    )


def _fill(made: Any, values: dict[str, Any], fields_set: frozenset[str], still_open: tuple[str, ...]) -> Any:
    """Gives a new object its values, which nothing changes later."""
    _set(made, "__dict__", values)
    _set(made, "fields_set", fields_set)
    _set(made, "open", still_open)
    return made


def _restored(cls: type[Fields], *state: Any) -> Fields:
    """An object from a pickle or a copy."""
    return _fill(_new(cls), *state)


class Part(Fields):
    """Something that a spec can name: `{type: NAME, field: value}`."""

    family: ClassVar[str]
    shorthand: ClassVar[str] = ""
    """The field that a bare value fills: `dropout: 0.1` is `{dropout: {rate: 0.1}}`."""
    banked: ClassVar[bool] = False
    """Whether it is a mixer, with `keys` that may fill its bank."""
    expands: ClassVar[bool] = False
    """Whether it is a form."""
    positional: ClassVar[bool] = False
    """Whether what it adds is positions, so that an item with it is no block, though it is residual."""
    residual: ClassVar[bool] = False
    """Whether an item with this part is residual and pre-norm by nature."""
    type: str

    def acts_on_grid(self) -> bool:
        """Whether it acts on the grid alone, so that extra tokens pass it by."""
        return False

    def emit(self, scope: Any, x: Any, path: str) -> Any:
        """Writes the part's nodes for the input `x` and gives its output."""
        raise NotImplementedError
