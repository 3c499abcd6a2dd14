"""Sentences for what pydantic found."""

from __future__ import annotations

import re
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from vitdsl.errors import Refusal, did_you_mean, near
from vitdsl.syntax.expressions import Late
from vitdsl.syntax.paths import Key


def describe(value: object) -> str:
    """A value as an error message shows it: `'three'`, `[1, 2]`, `a mapping with a, b`."""
    if isinstance(value, dict):
        return f"a mapping with {', '.join(map(str, value)) or 'nothing in it'}"
    text = value.text if isinstance(value, Late) else repr(value).replace("True", "true").replace("False", "false")
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


Location = tuple[str | int, ...]
Fault = tuple[Location, str, str]


def explain(error: ValidationError, model: type[BaseModel] | None = None) -> list[Fault]:
    """What pydantic found, as (location, message, hint).

    Args:
        error: what a validation raised.
        model: what was validated, for the names of its keys.
    """
    found: list[Fault] = []
    unions: dict[Location, list[tuple[Location, Fault, ErrorDetails]]] = {}
    options: dict[Location, Any] = {}
    for entry in error.errors(include_url=False):
        inner = (entry.get("ctx") or {}).get("error")
        if isinstance(inner, Refusal):
            whole = [((*entry["loc"], *loc), message, hint) for loc, message, hint in inner.items]
            found += [(loc, _named(message, loc), hint) for loc, message, hint in whole]
            continue
        cut, kind, owner = _followed(entry["loc"], model)
        keys = keys_of(owner)
        if kind is None:
            found.append(_sentence(entry, entry["loc"], keys))
            continue
        prefix, rest = entry["loc"][:cut], entry["loc"][cut + 1 :]
        options[prefix] = kind
        unions.setdefault(prefix, []).append((rest, _sentence(entry, (*prefix, *rest), keys), entry))
    for prefix, entries in unions.items():
        found += _chosen(prefix, options[prefix], entries)
    return found


def keys_of(model: type[BaseModel] | None) -> tuple[str, ...]:
    """The keys of a mapping, as a file writes them."""
    if model is None:
        return ()
    return (*(info.alias or name for name, info in model.model_fields.items()), *getattr(model, "merged", ()))


def _followed(loc: Location, model: type[BaseModel] | None) -> tuple[int, Any, type[BaseModel] | None]:
    """Where the alternatives of a union begin to show in a location, that union, and what holds the last segment."""
    annotation: Any = None
    for index, segment in enumerate(loc):
        if model is not None and isinstance(segment, str):
            info = next((i for name, i in model.model_fields.items() if segment in (name, i.alias)), None)
            if info is None:
                return 0, None, model
            annotation = _bare(info.annotation)
        elif isinstance(segment, int) and get_origin(annotation) in (list, tuple):
            annotation = _bare(get_args(annotation)[0])
        else:
            return 0, None, None
        if get_origin(annotation) in (Union, UnionType) and index + 1 < len(loc):
            return index + 1, annotation, None
        owner, model = model, annotation if isinstance(annotation, type) and issubclass(annotation, BaseModel) else None
        if index + 1 == len(loc):
            return 0, None, owner
    return 0, None, None


def _bare(annotation: Any) -> Any:
    """An annotation without what is said about it, and without None."""
    while get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    if get_origin(annotation) in (Union, UnionType):
        left = [each for each in get_args(annotation) if each is not NoneType]
        return _bare(left[0]) if len(left) == 1 else Union[tuple(left)]  # noqa: UP007
    return annotation


def _chosen(prefix: Location, kind: Any, entries: list[tuple[Location, Fault, ErrorDetails]]) -> list[Fault]:
    """What to say where none of several kinds of value fits: what is wrong in the kind that was meant."""
    deeper = [fault for rest, fault, _ in entries if rest]
    bounded = [fault for rest, fault, entry in entries if not rest and entry["type"] in _BOUNDS]
    if deeper or bounded:
        return deeper or bounded[:1]
    words = ", or ".join(dict.fromkeys(_words(_bare(each)) for each in get_args(kind)))
    return [(prefix, _named(f"must be {words}, but is {describe(entries[0][2]['input'])}", prefix), "")]


def _words(annotation: Any) -> str:
    """A kind of value in a sentence."""
    if get_origin(annotation) is Literal:
        return ", or ".join(repr(each) for each in get_args(annotation))
    plain = {bool: "true or false", int: "an integer", float: "a number", str: "a text"}
    origin = get_origin(annotation) or annotation
    return plain.get(origin) or ("a list" if origin in (list, tuple) else "a mapping")


def _named(message: str, loc: Location) -> str:
    """A sentence that begins with `must`, with the name of what must."""
    return f"{name_of(loc)} {message}" if message.startswith("must ") else message


def name_of(loc: Location) -> str:
    """The last key of a location, and the indexes below it, as a message names them."""
    keys = [index for index, segment in enumerate(loc) if isinstance(segment, str)]
    if not keys:
        return ""
    return f"`{loc[keys[-1]]}{''.join(f'[{index}]' for index in loc[keys[-1] + 1 :])}`"


def _sentence(entry: ErrorDetails, loc: Location, known: tuple[str, ...]) -> Fault:
    kind, context = entry["type"], entry.get("ctx") or {}
    name, value = name_of(loc), entry["input"]
    found = describe(value)
    if not name and kind in {*_BOUNDS, *_EXPECTED, "literal_error"}:
        loc, message, hint = _sentence(entry, ("",), known)
        return (), message.removeprefix("`` "), hint  # what encloses it puts the name in front
    if kind == "extra_forbidden":
        return (*loc[:-1], Key(loc[-1])), f"unknown key {name}", did_you_mean(str(loc[-1]), known)
    if kind == "missing":
        return loc, f"{name} is missing", ""
    if kind == "literal_error":
        words = re.findall(r"'([^']*)'", context["expected"])
        hint = did_you_mean(value, words) if isinstance(value, str) and near(value, words) else ""
        return loc, f"{name} must be {'' if len(words) == 1 else 'one of '}{context['expected']}, but is {found}", hint
    if kind in _BOUNDS:
        key, words = _BOUNDS[kind]
        return loc, f"{name} must be {words} {context[key]:g}, but is {found}", ""
    if kind == "string_pattern_mismatch":
        return loc, f"{name} must be a name of letters, digits and `_`, but is {found}", ""
    if kind in _EXPECTED:
        return loc, f"{name} {_EXPECTED[kind]}, but is {found}", ""
    return loc, f"{name}: {entry['msg']}", ""
