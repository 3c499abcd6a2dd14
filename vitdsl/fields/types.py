"""Types of fields: numbers with bounds, sizes, margins, names; and the base of what a function of ours reads."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Annotated, Any

from pydantic import Field
from pydantic_core import CoreSchema, core_schema

from vitdsl.errors import Fault, Refusal, refuse
from vitdsl.fields.messages import describe
from vitdsl.syntax.names import module_fault, name_fault, title_fault

LARGEST = 10**9
"""No width, size or count of a model is larger."""
LARGEST_REAL = 3.4e38
"""No factor is larger: float32 holds it."""

Natural = Annotated[int, Field(ge=0, le=LARGEST)]
Positive = Annotated[int, Field(ge=1, le=LARGEST)]
Repeats = Annotated[int, Field(ge=0, le=4096)]
Real = Annotated[float, Field(ge=-LARGEST_REAL, le=LARGEST_REAL)]
NotNegative = Annotated[float, Field(ge=0, le=LARGEST_REAL)]
PositiveReal = Annotated[float, Field(gt=0, le=LARGEST_REAL)]
Rate = Annotated[float, Field(ge=0, le=1)]
Pair = tuple[int, int]


class FieldType:
    """Annotation of a field that a function of ours reads, given the value and the reader of the file."""

    structured = False
    """Whether it reads late values in a list or mapping itself."""
    words = ""
    """What it reads, as a sentence says it after `must be`."""
    model: Any = None
    """The class of the mapping that may stand there, where it is one of its own kind."""
    family = ""
    """The family of the part that may stand there."""
    home = ""
    """The family of a bare part in the body that may stand there; `item` where a body has none."""

    short = ""
    """The key that a bare value fills, where it is short for a mapping of its own kind."""

    def long(self, value: Any) -> Any:
        """The mapping that a short form stands for, where the mapping is of its own kind; else the value."""
        return {self.short: value} if self.short and not isinstance(value, dict) else value

    def read(self, value: Any, reader: Any) -> Any:
        """The field's value; raises Refusal."""
        raise NotImplementedError

    def json_schema(self, of: Callable[[Any], dict[str, Any]]) -> dict[str, Any]:
        """The JSON schema of what it reads; `of` gives that of a class of fields."""
        raise NotImplementedError

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> CoreSchema:
        """Inside of other types, as in `Size | None`, pydantic hands the value to `read`."""
        return core_schema.with_info_plain_validator_function(lambda value, info: self.read(value, info.context))


def read_each(entries: Iterable[tuple[Any, Any]], read: Callable[[Any, Any], Any]) -> list[Any]:
    """What is made of each of several values, for the functions of fields.

    Args:
        entries: each value with its location: an index or a key.
        read: makes something of a location and its value.

    Raises:
        Refusal: with all that is wrong, each at its location.
    """
    made: list[Any] = []
    faults: list[Fault] = []
    for at, value in entries:
        try:
            made.append(read(at, value))
        except Refusal as error:
            faults += [fault.below(at) for fault in error.items]
    if faults:
        raise Refusal(faults)
    return made


class PairField(FieldType):
    """An integer for both sides, or `[height, width]`; gives the pair."""

    words = "an integer or [height, width]"

    def __init__(self, least: int = 1) -> None:
        self.least = least

    def json_schema(self, of: Callable[[Any], dict[str, Any]]) -> dict[str, Any]:
        """An integer or a list of two."""
        one = {"type": "integer", "minimum": self.least}
        return {"anyOf": [one, {"type": "array", "items": one, "minItems": 2, "maxItems": 2}]}

    def read(self, value: Any, reader: Any) -> Any:
        """The pair."""
        if value.__class__ is int and self.least <= value <= LARGEST:
            return (value, value)
        if value.__class__ is tuple and len(value) == 2:
            height, width = value
            if height.__class__ is width.__class__ is int and self.least <= height <= LARGEST >= width >= self.least:
                return value
        sides: list[Any] = list(value) if isinstance(value, (list, tuple)) else [value, value]
        if len(sides) != 2 or any(type(side) is not int for side in sides):
            refuse(f"must be {self.words}, but is {describe(value)}", code="E203")
        if any(side < self.least or side > LARGEST for side in sides):
            words = f"at most {LARGEST:,}" if max(sides) > LARGEST else f"at least {self.least}"
            refuse(f"must be {words}, but is {describe(value)}", code="E204")
        return (sides[0], sides[1])


Size = Annotated[Pair, PairField()]
"""A positive integer, or [height, width]."""
Padding = Annotated[Pair, PairField(0)]
"""A natural number, or [height, width]."""


def pair(value: int | Pair) -> Pair:
    """Both sides of a size that may be one number."""
    return (value, value) if isinstance(value, int) else value


class PaddingField(PairField):
    """Padding of a window: a natural number, `[height, width]`, or `same` (TensorFlow's)."""

    def __init__(self) -> None:
        super().__init__(0)

    def json_schema(self, of: Callable[[Any], dict[str, Any]]) -> dict[str, Any]:
        """As a pair, or the word `same`."""
        return {"anyOf": [{"const": "same"}, *super().json_schema(of)["anyOf"]]}

    def read(self, value: Any, reader: Any) -> Any:
        """The pair, or the word."""
        return value if value is None or value == "same" else super().read(value, reader)


Margin = Annotated[Any, PaddingField()]
"""Padding of a window operator."""


IDENTIFIER = r"^[A-Za-z_][A-Za-z0-9_]*$"
"""What editors know of a name."""


class NameField(FieldType):
    """A name that the file gives to something.

    Args:
        fault: says what is wrong with a text as a name.
        what: is named, where the name is a segment of module paths.
    """

    def __init__(self, fault: Callable[[str], str] = name_fault, what: str = "") -> None:
        self.fault, self.what = fault, what

    def json_schema(self, of: Callable[[Any], dict[str, Any]]) -> dict[str, Any]:
        """A text; of an identifier its pattern, too."""
        return {"type": "string", **({"pattern": IDENTIFIER} if self.fault is name_fault else {})}

    def read(self, value: Any, reader: Any) -> Any:
        """The name."""
        if not isinstance(value, str):
            refuse(f"must be a string, but is {describe(value)}", code="E203")
        if fault := self.fault(value):
            refuse(fault, code="E208")
        if self.what and (fault := module_fault(value)):
            refuse(f"{self.what} {fault}", code="E208")
        return value


PLACES = ("all", "grid", "tokens", "first", "last")
"""Words that mean a part of a feature, at `at` and `from`."""
MEANINGS = frozenset({*PLACES, "image", "none", "self"})
"""Words that mean something where a stream or a token may be named."""


def meaning_fault(name: str) -> str:
    """Why a stream or a token cannot have a name, as the end of a sentence; empty where it can."""
    where = "`at`" if name in PLACES else "`from` and `keys`"
    return f"cannot be called `{name}`, which has a meaning in {where}" if name in MEANINGS else ""


def token_fault(name: str) -> str:
    """Why a token cannot have a name, as the end of a sentence; empty where it can."""
    return meaning_fault(name) or ("cannot be called `x`, which is the stream that flows" if name == "x" else "")


def _stream_fault(name: str) -> str:
    return name_fault(name) or meaning_fault(name)


def _written_fault(name: str) -> str:
    name = name.removesuffix("[]")
    return _stream_fault(name) or ("cannot be `x`, which is what flows" if name == "x" else "")


Name = Annotated[str, NameField()]
"""An identifier."""
ItemName = Annotated[str, NameField(what="an item")]
"""An identifier that is a segment of module paths."""
StageName = Annotated[str, NameField(what="a stage")]
"""Likewise, of a stage."""
StreamName = Annotated[str, NameField(_stream_fault)]
"""An identifier that means nothing else where streams are named."""
WrittenName = Annotated[str, NameField(_written_fault)]
"""Likewise, perhaps with `[]`, which appends."""
Title = Annotated[str, NameField(title_fault)]
"""The name of a spec or a search, of which names of files are made."""
