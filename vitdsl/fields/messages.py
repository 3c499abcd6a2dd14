"""Sentences for what pydantic found."""

from __future__ import annotations

import re
import reprlib
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from vitdsl.errors import Fault, Refusal, did_you_mean, near
from vitdsl.syntax.expressions import Late

_SHORT = reprlib.Repr()
_SHORT.maxlevel, _SHORT.maxlist, _SHORT.maxtuple, _SHORT.maxdict = 8, 30, 30, 30
_SHORT.maxstring = _SHORT.maxother = _SHORT.maxlong = 10_000
_short = _SHORT.repr
"""A value as text; of a long or deep one the beginning, since what variables build may be endless."""


def describe(value: object) -> str:
    """A value as an error message shows it: `'three'`, `[1, 2]`, `a mapping with a, b`."""
    if isinstance(value, dict):
        return f"a mapping with {', '.join(map(str, value)) or 'nothing in it'}"
    text = value.text if isinstance(value, Late) else _short(value).replace("True", "true").replace("False", "false")
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
}
_CODES = {
    "literal_error": "E205",
    "string_pattern_mismatch": "E204",
    "greater_than_equal": "E204",
    "less_than_equal": "E204",
    "greater_than": "E204",
    "less_than": "E204",
    "too_short": "E217",
}
"""Codes of what pydantic finds; that of all others is `E203`."""
_BOUNDS = {
    "greater_than_equal": ("ge", "at least"),
    "less_than_equal": ("le", "at most"),
    "greater_than": ("gt", "more than"),
    "less_than": ("lt", "less than"),
}


Location = tuple[str | int, ...]


def explain(error: ValidationError, annotation: Any) -> list[Fault]:
    """What pydantic found wrong with a value.

    Args:
        error: what a validation raised.
        annotation: the type that the value was to have.
    """
    found: list[Fault] = []
    unions: dict[Location, tuple[Any, list[_Entry]]] = {}
    for entry in error.errors(include_url=False):
        prefix, union, rest = _located(entry["loc"], annotation)
        for fault in _sentences(entry):
            placed = fault.below(*prefix, *rest)
            if union is None:
                found.append(placed)
            else:
                unions.setdefault(prefix, (union, []))[1].append(_Entry(placed, bool(rest or fault.at), entry))
    for prefix, (union, entries) in unions.items():
        found += _chosen(prefix, union, entries)
    return [*map(with_name, found)]


class _Entry(NamedTuple):
    """One thing that is wrong with a value as one of the types of a union."""

    fault: Fault
    deeper: bool
    error: ErrorDetails


def _located(loc: Location, annotation: Any) -> tuple[Location, Any, Location]:
    """A location of pydantic: what leads to a union, the union (or None), and what follows behind its alternative."""
    annotation = _bare(annotation)
    for index, segment in enumerate(loc):
        origin, inner = get_origin(annotation), get_args(annotation)
        if origin in (Union, UnionType):
            return loc[:index], annotation, loc[index + 1 :]
        if origin not in (list, tuple, dict) or not inner:
            break
        entry = segment if origin is tuple and inner[-1] is not Ellipsis and isinstance(segment, int) else 0
        annotation = _bare(inner[-1] if origin is dict else inner[entry])
    return loc, None, ()


def without_none(annotation: Any) -> Any:
    """The type that is meant by `X | None`; any other as it is."""
    if get_origin(annotation) not in (Union, UnionType):
        return annotation
    left = tuple(each for each in get_args(annotation) if each is not NoneType)
    return left[0] if len(left) == 1 else Union[left]  # noqa: UP007


def _bare(annotation: Any) -> Any:
    """An annotation without its marks, and without None."""
    while get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    meant = without_none(annotation)
    return _bare(meant) if get_origin(meant) is Annotated else meant


def _chosen(prefix: Location, union: Any, entries: list[_Entry]) -> list[Fault]:
    """What to say where none of several types fits: what is wrong in the type that was meant."""
    value = entries[0].error["input"]
    deeper = [entry.fault for entry in entries if entry.deeper]
    bounded = [entry.fault for entry in entries if entry.error["type"] in _BOUNDS]
    refused = [entry.fault for entry in entries if entry.error["type"] == "value_error" and not isinstance(value, str)]
    if deeper or bounded or refused:
        return deeper or bounded[:1] or refused[:1]
    words = ", or ".join(dict.fromkeys(_words(each) for each in get_args(union)))
    return [Fault(prefix, f"must be {words}, but is {describe(value)}", code="E203")]


def _words(annotation: Any) -> str:
    """A type in a sentence."""
    for each in get_args(annotation)[1:] if get_origin(annotation) is Annotated else ():
        if getattr(each, "words", ""):
            return each.words
    annotation = _bare(annotation)
    if get_origin(annotation) is Literal:
        return ", or ".join(repr(each) for each in get_args(annotation))
    plain = {bool: "true or false", int: "an integer", float: "a number", str: "a text"}
    origin = get_origin(annotation) or annotation
    return plain.get(origin) or ("a list" if origin in (list, tuple) else "a mapping")


def with_name(fault: Fault) -> Fault:
    """A fault whose sentence begins with `must` or `cannot`, with the name of what must or cannot, if it has one."""
    name = name_of(fault.at)
    if not name or not fault.message.startswith(("must ", "cannot ")):
        return fault
    return fault._replace(message=f"{name} {fault.message}")


def of_short_form(error: Refusal, key: str) -> Refusal:
    """What is wrong with a value that is written short for one key: the key, which is not written, is not named."""
    return Refusal(
        fault._replace(at=fault.at[1:], message=fault.message.removeprefix(f"`{key}` "))
        if fault.at[:1] == (key,)
        else fault
        for fault in error.items
    )


def name_of(loc: Location) -> str:
    """The last key of a location, and the indexes below it, as a message names them."""
    keys = [index for index, segment in enumerate(loc) if isinstance(segment, str)]
    if not keys:
        return ""
    return f"`{loc[keys[-1]]}{''.join(f'[{index}]' for index in loc[keys[-1] + 1 :])}`"


def _sentences(entry: ErrorDetails) -> list[Fault]:
    """What one entry of pydantic's says, without the name of what is wrong."""
    error = entry.get("ctx", {}).get("error")
    if isinstance(error, Refusal):
        return error.items
    message, hint = _sentence(entry)
    return [Fault((), message, hint, _CODES.get(entry["type"], "E203"))]


def _sentence(entry: ErrorDetails) -> tuple[str, str]:
    """The message and the hint for one entry of pydantic's."""
    kind, context, value = entry["type"], entry.get("ctx") or {}, entry["input"]
    found = describe(value)
    if kind == "literal_error":
        words = re.findall(r"'([^']*)'", context["expected"])
        hint = did_you_mean(value, words) if isinstance(value, str) and near(value, words) else ""
        return f"must be {'' if len(words) == 1 else 'one of '}{context['expected']}, but is {found}", hint
    if kind in _BOUNDS:
        key, words = _BOUNDS[kind]
        return f"must be {words} {context[key]:g}, but is {found}", ""
    if kind == "string_pattern_mismatch":
        return f"must match `{context['pattern']}`, but is {found}", ""
    if kind in _EXPECTED:
        return f"{_EXPECTED[kind]}, but is {found}", ""
    if kind == "too_short":
        return f"must have at least {context['min_length']} entries, but has {context['actual_length']}", ""
    return f"must be valid, but is {found}: {entry['msg']}", ""
