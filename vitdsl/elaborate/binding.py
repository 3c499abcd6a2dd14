"""Evaluates the late values of items, parts and wiring when the item runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from vitdsl.errors import ExpressionError, Fault, Refusal, ShapeError
from vitdsl.features import Feature
from vitdsl.graph.faults import FormTrail, path_inside
from vitdsl.graph.ir import DropPoint, Node, joined
from vitdsl.parts.base import LateList, Part, Primitive, settled
from vitdsl.parts.registry import COMPOSITE, is_role
from vitdsl.syntax.expressions import Late, Names
from vitdsl.syntax.limits import VALUES, size_of
from vitdsl.syntax.tree import kept
from vitdsl.validate import BODIES, Body, Drop, Item, SpecReader, UsedStage, Wiring
from vitdsl.validate.defaults import wiring_over_expansion

if TYPE_CHECKING:
    from vitdsl.elaborate.names import NameScope
    from vitdsl.elaborate.scope import Scope


def bind_body(scope: Scope, body: Any, home: str = "item") -> Body:
    """A body. If it is a late value, the argument or variable that it names gives the body."""
    if not isinstance(body, Late):
        return body
    raw = value_of(body, scope.names)
    if raw is body or isinstance(raw, Late):
        raise ShapeError(f"{raw.text}: this name stands for itself here", code="E213")
    try:
        return scope.context.reader.body(raw, home) or Body((), home, False, True, ())
    except Refusal as error:
        raise as_shape_error(error.items) from None


def value_of(late: Late | LateList, env: Names, at: tuple[str | int, ...] = ()) -> Any:
    """Evaluates a late value; an error gets the location `at`, relative to the item or part that holds the value."""
    try:
        return settled(late, env)
    except ExpressionError as error:
        raise ShapeError(error.message, error.hint, at, error.code) from None


def read_item(scope: Scope, raw: Any) -> Item:
    """Validates an item that a form expands into."""
    try:
        return scope.context.reader.item(kept(raw))
    except Refusal as error:
        raise as_shape_error(error.items) from None


def locate_at_form(form: Part, role: str, fault: ShapeError) -> None:
    """Moves the location of a fault inside an expansion to what the file has: the form's field, or the form."""
    inside, trail = path_inside(fault.trail), fault.trail
    if inside is not None:
        trail = [segment for segment in trail if not isinstance(segment, FormTrail)]
    given = form.fields_set - {"type"}
    while (
        trail
        and trail[-1] not in given
        and (isinstance(trail[-1], int) or trail[-1] in COMPOSITE or is_role(trail[-1]))
    ):
        trail.pop()
    trail = [*(trail if trail and trail[-1] in given else []), *([role] if role else [])]
    if inside is not None and inside != tuple(reversed(trail)):
        trail.append(FormTrail(form.type, inside))
    fault.trail = trail


def invalid_product(role: str, error: Refusal) -> ShapeError:
    """The fault of a part whose own fields are valid, but the operators that it makes are not: a width too large."""
    fault = error.items[0]
    message = f"what this is made of does not fit: {fault.message}"
    return ShapeError(message, fault.hint, (role,) if role else (), fault.code)


def locate_at_part(part: Part, role: str, fault: ShapeError) -> None:
    """Moves the location of a fault inside a part to what the file has: the part's field, or the part."""
    known = isinstance(part, Primitive) or (fault.trail and fault.trail[-1] in part.fields_set)
    fault.trail = [*(fault.trail if known else []), *([role] if role else [])]


def read_body(scope: Scope, raw: Any) -> Body:
    """Validates a body that a form expands into."""
    try:
        return scope.context.reader.body(kept(raw), "item")
    except Refusal as error:
        raise as_shape_error(error.items) from None


def expand_form(form: Any, given: Any) -> dict[str, Any]:
    """Expands a form into an item, and merges the wiring of the form's own item over it."""
    try:
        return wiring_over_expansion(form.expand(), given)
    except Refusal as error:
        raise as_shape_error(error.items) from None


def bind_part(scope: Scope, role: str, late: Late, x: Feature) -> Part | None:
    """The part that an argument or a variable gives; its late values may name the feature `x`, which enters it."""
    raw = value_of(late, scope.names.at(x), (role,))
    try:
        part = scope.context.reader.part(role, raw)
    except Refusal as error:
        raise as_shape_error([fault.below(role) for fault in error.items]) from None
    if part is None and role not in ("norm", "activation"):
        raise ShapeError(f"`{role}` cannot be none", "", (role,), "E203")
    return part


def bind_key(scope: Scope, item: Item, key: str) -> Any:
    """One key of an item's wiring, evaluated; its late values may name the current feature."""
    value = getattr(item.wiring, "from_" if key == "from" else key)
    if not isinstance(value, (Late, LateList)):
        return value
    raw = _put(value, scope.names.at(scope.flow.feature), (key,))
    try:
        return getattr(scope.context.reader.wiring({key: raw}, False), "from_" if key == "from" else key)
    except Refusal as error:
        raise as_shape_error(error.items) from None


def bind_written(wiring: Mapping[str, Any], env: Names) -> dict[str, Any]:
    """The wiring as written, with its late values evaluated. `at` and `from` are left out: they are evaluated first."""
    return {key: _put(value, env, (key,)) for key, value in wiring.items() if key not in ("at", "from")}


def _put(value: Any, env: Names, at: tuple[str, ...]) -> Any:
    """A value of the wiring with its late values evaluated; bodies stay as they are."""
    if isinstance(value, (Late, LateList)):
        made = value_of(value, env, at)
        if isinstance(made, Late):
            raise ShapeError(f"{made.text}: this name stands for itself here", "", at, "E213")
        return _put(made, env, at)
    if at[-1] in BODIES:
        return value
    if isinstance(value, Mapping):
        return {key: _put(entry, env, (*at, key)) for key, entry in value.items()}
    return [_put(entry, env, at) for entry in value] if isinstance(value, list) else value


def bind_wiring(scope: Scope, item: Item, env: Names) -> Wiring:
    """The item's wiring, with its late values evaluated."""
    if not item.late_wiring:
        return item.wiring
    reader = scope.context.reader
    try:
        full = reader.full_wiring(bind_written(item.own_wiring, env), item.is_residual)
        return reader.wiring(bind_written(full, env), False)
    except Refusal as error:
        raise as_shape_error(error.items) from None


def drop_of(scope: Scope, drop: Drop | str | None) -> str | DropPoint:
    """How stochastic depth applies inside an item, as `drop` of a scope."""
    if drop is None:
        return scope.drop
    if isinstance(drop, str):
        return drop
    if drop.rates is not None:
        index = scope.names.name("index", 0)
        if not isinstance(index, int) or index >= len(drop.rates):
            message = f"`rates` has {len(drop.rates)} entries, but this is repetition {index}, counted from 0"
            raise ShapeError(message, "", ("drop_path", "rates"), "E217")
        return DropPoint(rate=drop.rates[index])
    return DropPoint(rate=drop.rate, at=drop.at)


def note_idle(scope: Scope, drop: Drop | str | None, before: int, path: str) -> None:
    """Notes a rate of stochastic depth that has no effect: no step after the first `before` steps drops.

    Args:
        scope: of the item or stage with the rate.
        drop: its `drop_path`.
        before: the number of steps before it.
        path: its segment of module paths.
    """
    if not isinstance(drop, Drop) or not (drop.rate or drop.rates or drop.at):
        return
    frame = scope.builder.frame
    for step in frame.steps[before:]:
        if step.drop_point is not None if isinstance(step, Node) else any(inner.drops for inner in step.frames):
            return
    frame.idle.append(joined(scope.path, path))


def bind(part: Any, env: Names, reader: SpecReader) -> Any:
    """A part or a stage with its late values evaluated. A value that does not fit is a ShapeError at its field."""
    try:
        return part.bind(env, reader)
    except Refusal as error:
        raise as_shape_error(error.items) from None


def as_shape_error(found: list[Fault]) -> ShapeError:
    """The first of these faults, as an error of the graph."""
    first = found[0]
    return ShapeError(first.message, first.hint, first.at, first.code)


def bind_arguments(scope: Scope, user: Item | UsedStage, define: Mapping[str, Any]) -> NameScope:
    """The names that late values see in the body of a define, for one use of the define."""
    here, x = scope.names, scope.flow.feature
    given = {name: _argument(here, x, name, raw) for name, raw in user.args.items()}
    names = here.used(given)
    for name, raw in (define.get("optional") or {}).items():
        if name not in given:
            names.add(name, _argument(names, x, name, raw))
    for name in (*given, *define.get("optional", ())) if scope.context.observed is not None else ():
        scope.context.observe(user, name, names.local.get(name))
    return names


def _argument(names: NameScope, x: Feature, name: str, raw: Any) -> Any:
    """The value of an argument. All names but those of features are evaluated at the `use`, not in the define."""
    value = value_of(raw, names.at(x), (name,)) if isinstance(raw, Late) else names.argument(raw)
    if isinstance(value, (dict, list)) and VALUES.exceeds(found := size_of(value)):
        raise ShapeError(*VALUES.fault(found), (name,), "E504")
    return value
