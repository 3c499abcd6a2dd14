"""Types of the fields of parts: what a spec may write there, and the sentence that refuses everything else."""

from __future__ import annotations

from typing import Annotated, Any, NoReturn

from pydantic import Field, GetCoreSchemaHandler, GetJsonSchemaHandler, ValidationError
from pydantic_core import ErrorDetails, core_schema

from vitdsl.errors import did_you_mean
from vitdsl.expressions import Late

LARGEST = 10**9
"""No width, size or count of a model is larger."""

Natural = Annotated[int, Field(ge=0, le=LARGEST)]
Positive = Annotated[int, Field(ge=1, le=LARGEST)]
Repeats = Annotated[int, Field(ge=0, le=4096)]
Rate = Annotated[float, Field(ge=0, le=1)]
Pair = tuple[int, int]


class Refusal(ValueError):
    """Several refusals at once; each is (location below this value, message, hint)."""

    def __init__(self, items: list[tuple[tuple[str | int, ...], str, str]]) -> None:
        super().__init__("; ".join(message for _, message, _ in items))
        self.items = items


def refuse(message: str, hint: str = "", at: tuple[str | int, ...] = ()) -> NoReturn:
    """Refuses a value while it is being validated."""
    raise Refusal([(at, message, hint)])


def describe(value: object) -> str:
    """A value as an error message shows it: `'three'`, `[1, 2]`, `a mapping with a, b`."""
    if isinstance(value, dict):
        return f"a mapping with {', '.join(map(str, value)) or 'nothing in it'}"
    text = str(value) if isinstance(value, Late) else repr(value).replace("True", "true").replace("False", "false")
    text = "nothing" if value is None else text
    return text if len(text) <= 60 else text[:57] + "..."


_EXPECTED = {
    "int_type": "must be an integer",
    "int_from_float": "must be an integer",
    "float_type": "must be a number",
    "bool_type": "must be true or false",
    "string_type": "must be a string",
    "list_type": "must be a list",
    "tuple_type": "must be a list",
    "dict_type": "must be a mapping",
    "model_type": "must be a mapping",
}
_BOUNDS = {
    "greater_than_equal": ("ge", "at least"),
    "less_than_equal": ("le", "at most"),
    "greater_than": ("gt", "more than"),
    "less_than": ("lt", "less than"),
}


def explain(error: ValidationError, known: tuple[str, ...] = ()) -> list[tuple[tuple[str | int, ...], str, str]]:
    """What pydantic found, as (location, message, hint); `known` are the keys that the mapping may have."""
    found = []
    for entry in error.errors(include_url=False):
        context = entry.get("ctx") or {}
        inner = context.get("error")
        if isinstance(inner, Refusal):
            found += [((*entry["loc"], *loc), message, hint) for loc, message, hint in inner.items]
        else:
            found.append((entry["loc"], *_sentence(entry, context, known)))
    return found


def _sentence(entry: ErrorDetails, context: dict[str, Any], known: tuple[str, ...]) -> tuple[str, str]:
    kind = entry["type"]
    name = f"`{entry['loc'][-1]}`" if entry["loc"] else "this"
    found = describe(entry["input"])
    if kind == "extra_forbidden":
        return f"unknown key {name}", did_you_mean(str(entry["loc"][-1]), known)
    if kind == "missing":
        return f"{name} is missing", ""
    if kind == "literal_error":
        return f"{name} must be one of {context['expected']}, but is {found}", ""
    if kind in _BOUNDS:
        key, words = _BOUNDS[kind]
        return f"{name} must be {words} {context[key]}, but is {found}", ""
    if kind in _EXPECTED:
        return f"{name} {_EXPECTED[kind]}, but is {found}", ""
    return f"{name}: {entry['msg']}", ""


class PairField:
    """An integer for both sides, or `[height, width]`; gives the pair."""

    def __init__(self, least: int = 1) -> None:
        self.least = least

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        """The pair is judged by one function, so that a union's alternatives do not show in an error."""
        return core_schema.no_info_plain_validator_function(self._pair)

    def __get_pydantic_json_schema__(self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler) -> dict:
        """An integer or a list of two."""
        one = {"type": "integer", "minimum": self.least}
        return {"anyOf": [one, {"type": "array", "items": one, "minItems": 2, "maxItems": 2}]}

    def _pair(self, value: object) -> Pair:
        sides = list(value) if isinstance(value, (list, tuple)) else [value, value]
        if len(sides) != 2 or any(type(side) is not int for side in sides):
            refuse(f"an integer or [height, width] is needed here, but it is {describe(value)}")
        if any(side < self.least or side > LARGEST for side in sides):
            refuse(f"each side must be at least {self.least}, but it is {describe(value)}")
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

    def __get_pydantic_json_schema__(self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler) -> dict:
        """As a pair, or the word `same`."""
        return {"anyOf": [{"const": "same"}, *super().__get_pydantic_json_schema__(schema, handler)["anyOf"]]}

    def _pair(self, value: object) -> Any:
        return "same" if value == "same" else super()._pair(value)


Margin = Annotated[Any, PaddingField()]
"""Padding of a window operator."""
