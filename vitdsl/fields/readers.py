"""Readers of fields, made of their annotations: they take what is plainly right, and leave all else to pydantic.

A reader gives the value that pydantic would give, or `UNSURE`. What pydantic refuses, it refuses itself: no reader
writes an error of its own, but the marks of `marks.py`, which pydantic calls too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin, get_type_hints

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.fields import FieldInfo
from pydantic_core import core_schema

UNSURE: Any = object()
"""What a reader gives where pydantic has to judge."""
NAME = r"^[A-Za-z_][A-Za-z0-9_]*$"
"""The pattern of a field that holds a name."""
LARGEST_EXACT = 2**53
"""Up to here every integer is a float."""
Read = Callable[[Any, Any], Any]
"""A value and the reader of the file, to the field's value."""


class Done:
    """What a mark made of a value, or the error that it raised: pydantic is given it, so that nothing is read twice."""

    __slots__ = ("error", "value")

    def __init__(self, value: Any, error: Exception | None = None) -> None:
        self.value, self.error = value, error


class FieldType:
    """Annotation of a field that a function of ours reads, given the value and the reader of the file."""

    structured = False
    """Whether it reads late values in a list or mapping itself."""
    apart = False
    """Whether late values below it are the business of what is read."""
    model: Any = None
    """The class of the mapping that may stand there, where it is one of its own kind."""
    family = ""
    """The family of the part that may stand there."""
    home = ""
    """The family of a bare part in the body that may stand there; `item` where a body has none."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        """The value is judged by one function, so that a union's alternatives do not show in an error."""
        return core_schema.with_info_plain_validator_function(self._judged)

    def __get_pydantic_json_schema__(self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler) -> dict:
        """What a file may hold there."""
        return self.json_schema()

    def _judged(self, value: Any, info: core_schema.ValidationInfo[Any]) -> Any:
        if value.__class__ is not Done:
            return self.read(value, info.context)
        if value.error is not None:
            raise value.error
        return value.value

    def long(self, value: Any) -> Any:
        """The mapping that a short form stands for, where the mapping is of its own kind; else the value."""
        return value

    def read(self, value: Any, reader: Any) -> Any:
        """The field's value; raises Refusal."""
        raise NotImplementedError

    def json_schema(self) -> dict[str, Any]:
        """The JSON schema of what it reads."""
        raise NotImplementedError


class Entry(NamedTuple):
    """One field of a plan.

    Attributes:
        name: of the field; files may write its alias.
        read: its reader.
        marked: whether the reader is a mark's.
        structured: as the mark says.
    """

    name: str
    read: Read
    marked: bool
    structured: bool

    def done(self, value: Any, reader: Any) -> Done:
        """What the mark makes of a value, also an error."""
        try:
            return Done(self.read(value, reader))
        except (ValueError, AssertionError) as error:
            return Done(UNSURE, error)


class Plan(NamedTuple):
    """How mappings of a class are read.

    Attributes:
        entries: fields by name, and by alias.
        usual: values of the fields that have a default.
        required: those that have none.
        readers: by name.
    """

    entries: dict[str, Entry]
    usual: dict[str, Any]
    required: frozenset[str]
    readers: dict[str, Read]


PLAIN_DEFAULTS = (NoneType, bool, int, float, str)


def planned(cls: Any, config: Mapping[str, Any], kept: tuple[type, ...]) -> Plan | None:
    """The plan of a model's class, or None where pydantic does more for it than to read its fields.

    Args:
        cls: the class.
        config: the configuration that the readers follow.
        kept: classes of frozen values, which may be shared defaults.
    """
    decorators = cls.__pydantic_decorators__
    hooks = ("validators", "field_validators", "root_validators", "model_validators", "computed_fields")
    if cls.model_config != config or cls.__private_attributes__ or any(getattr(decorators, name) for name in hooks):
        return None
    entries: dict[str, Entry] = {}
    usual: dict[str, Any] = {}
    required = set()
    for name, info in cls.model_fields.items():
        if info.is_required():
            required.add(name)
            usual[name] = UNSURE  # keeps the order of the fields
        elif info.default_factory is None and _frozen(info.default, kept):
            usual[name] = info.default
        else:
            return None
        mark = next((mark for mark in info.metadata if isinstance(mark, FieldType)), None)
        read = mark.read if mark is not None else reader_of(info.annotation, tuple(info.metadata))
        entries[name] = Entry(name, read, mark is not None, mark is not None and mark.structured)
        if info.alias:
            entries[info.alias] = entries[name]
    return Plan(entries, usual, frozenset(required), {entry.name: entry.read for entry in entries.values()})


def _frozen(value: Any, kept: tuple[type, ...]) -> bool:
    if isinstance(value, tuple):
        return all(_frozen(entry, kept) for entry in value)
    return isinstance(value, (*PLAIN_DEFAULTS, *kept))


def reader_of(annotation: Any, metadata: tuple[Any, ...] = ()) -> Read:
    """The reader of a type.

    Args:
        annotation: the type.
        metadata: what is said about it.
    """
    origin = get_origin(annotation)
    if origin is Annotated:
        inner, *more = get_args(annotation)
        return reader_of(inner, (*_flat(more), *metadata))
    marks = [each for each in metadata if isinstance(each, FieldType)]
    if marks:
        return marks[0].read
    if origin in (Union, UnionType):
        return _either(get_args(annotation), metadata)
    if annotation in (int, float):
        return _number(annotation, metadata)
    if annotation is str:
        return _text(metadata)
    return _unsure if metadata else _of_type(annotation, origin)


def _of_type(annotation: Any, origin: Any) -> Read:
    """The reader of a type of which nothing more is said."""
    if annotation is Any:
        return lambda value, reader: value
    if annotation is bool:
        return lambda value, reader: value if value is True or value is False else UNSURE
    if origin is Literal:
        return _word(get_args(annotation))
    if origin is list:
        return _list(reader_of(get_args(annotation)[0]))
    if origin is dict and get_args(annotation)[0] is str:
        return _mapping(reader_of(get_args(annotation)[1]))
    if origin is tuple:
        return _tuple(get_args(annotation), tuple)
    if isinstance(annotation, type) and issubclass(annotation, tuple) and hasattr(annotation, "_fields"):
        return _tuple(tuple(get_type_hints(annotation, include_extras=True).values()), annotation)
    return _model(annotation) if hasattr(annotation, "plainly") else _unsure


def _flat(metadata: list[Any]) -> list[Any]:
    """What is said about a type, with what pydantic's `Field` says in it."""
    return [inner for each in metadata for inner in (each.metadata if isinstance(each, FieldInfo) else [each])]


def _unsure(value: Any, reader: Any) -> Any:
    return UNSURE


def _either(kinds: tuple[Any, ...], metadata: tuple[Any, ...]) -> Read:
    """Of a union: what one kind alone takes."""
    readers = [reader_of(kind, metadata) for kind in kinds if kind is not NoneType]
    if len(readers) == 1 and NoneType in kinds:
        (only,) = readers
        return lambda value, reader: None if value is None else only(value, reader)
    if _unsure in readers:
        return _unsure
    nothing = None if NoneType in kinds else UNSURE

    def read(value: Any, reader: Any) -> Any:
        if value is None:
            return nothing
        found = [made for made in [_tried(each, value, reader) for each in readers] if made is not UNSURE]
        return found[0] if len(found) == 1 else UNSURE

    return read


def _tried(read: Read, value: Any, reader: Any) -> Any:
    """What a reader makes of a value, which a mark may refuse."""
    try:
        return read(value, reader)
    except (ValueError, AssertionError):
        return UNSURE


def _number(kind: type, metadata: tuple[Any, ...]) -> Read:
    """Of integers and floats between bounds; an integer is a float too."""
    bounds = [_bounded(each) for each in metadata]
    if None in bounds:
        return _unsure
    low = max([-LARGEST_EXACT, *[low for low, _ in bounds if low is not None]])  # type: ignore[misc]
    high = min([LARGEST_EXACT, *[high for _, high in bounds if high is not None]])  # type: ignore[misc]
    strict = [each for each in metadata if hasattr(each, "gt") or hasattr(each, "lt")]

    def whole(value: Any, reader: Any) -> Any:
        return value if value.__class__ is int and low <= value <= high else UNSURE

    def real(value: Any, reader: Any) -> Any:
        if (value.__class__ is not float and value.__class__ is not int) or not low <= value <= high:
            return UNSURE
        if strict and value in (low, high):
            return UNSURE
        return value if value.__class__ is float else float(value)

    return real if kind is float else _unsure if strict else whole


def _bounded(constraint: Any) -> tuple[Any, Any] | None:
    """The lowest and highest value that a constraint allows, or None where it says something else."""
    low = getattr(constraint, "ge", getattr(constraint, "gt", None))
    high = getattr(constraint, "le", getattr(constraint, "lt", None))
    return None if low is None and high is None else (low, high)


def _text(metadata: tuple[Any, ...]) -> Read:
    """Of texts, and of names."""
    patterns = [getattr(each, "pattern", UNSURE) for each in metadata]
    if patterns == [NAME]:
        return lambda value, reader: (
            value if value.__class__ is str and value.isascii() and value.isidentifier() else UNSURE
        )
    return _unsure if patterns else lambda value, reader: value if value.__class__ is str else UNSURE


def _word(words: tuple[Any, ...]) -> Read:
    """Of one of several words."""
    known = frozenset(words)
    if not all(type(word) is str for word in known):
        return _unsure
    return lambda value, reader: value if value.__class__ is str and value in known else UNSURE


def _list(entry: Read) -> Read:
    def read(value: Any, reader: Any) -> Any:
        if not isinstance(value, list):
            return UNSURE
        made = [entry(each, reader) for each in value]
        return UNSURE if any(each is UNSURE for each in made) else made

    return read


def _mapping(entry: Read) -> Read:
    def read(value: Any, reader: Any) -> Any:
        if not isinstance(value, dict) or any(key.__class__ is not str for key in value):
            return UNSURE
        made = {key: entry(each, reader) for key, each in value.items()}
        return UNSURE if any(each is UNSURE for each in made.values()) else made

    return read


def _tuple(kinds: tuple[Any, ...], cls: type) -> Read:
    """Of tuples, also named ones, which are taken as they are."""
    endless = len(kinds) == 2 and kinds[1] is Ellipsis
    readers = [reader_of(kind) for kind in kinds if kind is not Ellipsis]

    def read(value: Any, reader: Any) -> Any:
        if value.__class__ is not cls or not (endless or len(value) == len(readers)):
            return UNSURE
        for read, entry in zip(readers * len(value) if endless else readers, value, strict=True):
            if read(entry, reader) is not entry:
                return UNSURE
        return value

    return read


def _model(cls: Any) -> Read:
    """Of a mapping that another class reads, or what it read."""

    def read(value: Any, reader: Any) -> Any:
        if value.__class__ is cls:
            return value
        return cls.plainly(value, reader) if isinstance(value, dict) else UNSURE

    return read
