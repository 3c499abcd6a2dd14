"""What an item means: its role, and the wiring around it."""

from __future__ import annotations

from typing import Any

from vitdsl.elaborate.binding import (
    arguments,
    bound_given,
    bound_key,
    bound_wiring,
    drop_of,
    expansion_of,
    known_body,
    late_part,
    made_wrong,
    note_idle,
    of_form,
    of_part,
    read_body,
    read_item,
)
from vitdsl.elaborate.repeats import repeat_item
from vitdsl.elaborate.scope import Scope
from vitdsl.elaborate.targets import Target, guard, keep, target_at, write_stream
from vitdsl.elaborate.wiring import branch
from vitdsl.errors import Refusal, ShapeError
from vitdsl.graph.faults import UseTrail
from vitdsl.graph.ir import Value
from vitdsl.parts.base import Form, Part
from vitdsl.syntax.expressions import Late
from vitdsl.validate import Body, Item, Wiring


def run_body(scope: Scope, body: Any, home: str = "item") -> None:
    """Runs the items of a body one after another on what flows in the scope."""
    body = known_body(scope, body, home)
    if body.bare:
        _run_bare(scope, body)
        return
    scope.block, builder, frame = None, scope.builder, scope.builder.frame
    alone, summed = len(body.items) == 1, False
    for index, item in enumerate(body.items):
        block, blocks, ends = scope.block, frame.blocks, builder.ends
        flow = None if scope.within else scope.flow
        try:
            run_item(scope, item, "" if alone and _is_whole(item) else str(index))
        except ShapeError as fault:
            if body.listed:
                fault.trail.append(index)
            raise
        if scope.block == block and frame.blocks > blocks:  # it holds blocks: what adds behind it is another one
            scope.block = None
        if flow is None:
            continue
        if builder.ends == ends:
            summed |= _adds(scope, item)
        elif summed:
            builder.end(flow)
            summed = False
    if summed:
        builder.end(scope.flow)


def _is_whole(item: Any) -> bool:
    """Whether an item that stands alone is its body: a `use` that works in place, which adds no segment to paths."""
    return isinstance(item, Item) and item.role == "use" and not item.given


def _run_bare(scope: Scope, body: Body) -> None:
    """A single part in a body's place adds no segment to the path."""
    part = body.items[0].part
    if part is None:
        return
    if isinstance(part, Late):
        run_body(scope, known_body(scope, part, body.home))
        return
    bound = scope.bound(part, scope.flow.feature)
    if bound.expands:
        expansion = expansion_of(bound, {})
        raw = expansion["body"] if expansion.keys() == {"body"} else [expansion]
        try:
            run_body(scope, read_body(scope, raw))
        except ShapeError as fault:
            of_form(bound, "", fault)
            raise
        return
    try:
        scope.flow = bound.emit(scope, scope.flow, "")
    except ShapeError as fault:
        of_part(bound, "", fault)
        raise
    except Refusal as error:
        raise made_wrong("", error) from None


def _adds(scope: Scope, item: Any) -> bool:
    """Whether an item is residual; positional convolutions are, but make no block."""
    if not isinstance(item, Item) or (isinstance(item.part, Part) and item.part.positional):
        return False
    return bool(bound_key(scope, item, "residual"))


def run_item(scope: Scope, item: Any, index: str) -> None:
    """Runs one item, as often as it says; `index` is its segment, unless it has a name."""
    scope.around.count()
    if isinstance(item, Late):
        inside = scope.child(scope.current, scope.here, index)
        run_body(inside, item)
        scope.here = inside.here
        return
    repeat = bound_key(scope, item, "repeat")
    segment = bound_key(scope, item, "name") or index
    if repeat is None:
        perform(scope, item, segment)
        return
    repeat_item(scope, item, int(repeat), segment, perform)


def perform(scope: Scope, item: Item, path: str) -> None:
    """Runs one item once."""
    at, from_ = bound_key(scope, item, "at"), bound_key(scope, item, "from")
    if not item.role:
        keep(scope, item, from_)
        return
    role = item.role
    part = item.part
    target = target_at(scope, at, "at")
    read = target if from_ is None else target_at(scope, from_, "from")
    if isinstance(part, Late):
        part = late_part(scope, role, part, read.feature)
    try:
        if part is not None:
            part = scope.bound(part, read.feature)
    except ShapeError as fault:
        fault.trail.append(role)
        raise
    if part is not None and part.expands:
        places = {"at": at, "from": from_}
        given = {key: list(place) if isinstance(place, tuple) else place for key, place in places.items()}
        given = {key: place for key, place in given.items() if place is not None}
        _perform_form(scope, item, part, bound_given(item.given, scope.names.at(read.feature)) | given, path)
        return
    wiring = bound_wiring(scope, item, scope.names.at(read.feature)) if item.late_wiring else item.wiring
    before = len(scope.builder.frame.steps)
    if role in ("body", "use") and target.whole and from_ is None and not _own_value(wiring):
        _in_place(scope, item, wiring, target, path)
    else:

        def operate(inside: Scope, x: Value, bank: Value | None) -> Value:
            return _operate(inside, item, part, x, bank, wiring)

        there, source = worked_on(part, wiring, target, read)
        there.put(branch(scope, item, part, wiring, there, source.value, path, operate))
    if "drop_path" in item.given:
        note_idle(scope, wiring.drop_path, before, path)
    if wiring.write:
        write_stream(scope, wiring.write, target.value_now())


def _perform_form(scope: Scope, item: Item, form: Part, given: dict[str, Any], path: str) -> None:
    """Runs the item that a form expands into, with the wiring that was given over it."""
    try:
        perform(scope, read_item(scope, expansion_of(form, given)), path)
    except ShapeError as fault:
        own = fault.trail[-1] if fault.trail else None
        if own not in item.given or own in form.fields_set:
            of_form(form, item.role, fault)
        raise


def worked_on(part: Part | None, wiring: Wiring, target: Target, read: Target) -> tuple[Target, Target]:
    """What an item works on and reads: extra tokens, which pass an operator of the grid by, are no side of its sum."""
    if part is None or not wiring.residual or not part.acts_on_grid() or not target.feature.tokens:
        return target, read
    return target.grid_alone(), read.grid_alone()


def _own_value(wiring: Wiring) -> bool:
    """Whether wiring makes an item work on a value of its own."""
    return bool(wiring.residual or wiring.pre or wiring.post or wiring.layer_scale is not None or wiring.windows)


def _in_place(scope: Scope, item: Item, wiring: Wiring, target: Target, path: str) -> None:
    """A body that works on the stream that it is at."""
    inside = scope.child(scope.current if target.stream is None else target.stream, scope.here, path)
    inside.drop = drop_of(scope, wiring.drop_path)
    if target.stream is not None:
        guard(scope, target.stream)
    fill(inside, item)
    if target.stream is None:
        scope.here = inside.here


def fill(inside: Scope, item: Item) -> None:
    """Runs what a `body` or a `use` holds."""
    if item.role == "body":
        try:
            run_body(inside, item.body)
        except ShapeError as fault:
            fault.trail.append("body")
            raise
        return
    run_use(inside, item)


def run_part(scope: Scope, part: Part, x: Value, path: str) -> Value:
    """Lets a bound part write its nodes; a form is expanded first."""
    if not part.expands:
        return part.emit(scope, x, path)
    inside = scope.child(None, x, path)
    try:
        run_body(inside, read_body(inside, [expansion_of(part, {})]))
    except ShapeError as fault:
        of_form(part, "", fault)
        raise
    return inside.flow


def run_use(scope: Scope, item: Item) -> None:
    """Runs the body of a define with its arguments."""
    reader = scope.around.reader
    define = reader.define(item.use)
    body = reader.defined_body(item.use)
    inside = scope
    inside.names = arguments(scope, item, define)
    try:
        run_body(inside, body)
    except ShapeError as fault:
        fault.trail += ["body", UseTrail((item.use,))]
        raise


def _operate(inside: Scope, item: Item, part: Any, x: Value, bank: Value | None, wiring: Wiring) -> Value:
    """What the role of an item does to `x`, inside of its wiring."""
    role = item.role
    if part is not None:
        try:
            if bank is not None:
                return part.emit(inside, x, role, bank)  # type: ignore[call-arg]
            return part.emit(inside, x, role)
        except ShapeError as fault:
            of_part(part, role, fault)
            raise
        except Refusal as error:
            raise made_wrong(role, error) from None
    if role == "parallel":
        return _parallel(inside, item, x, bool(wiring.residual), wiring.merge or "add")
    if part is None and role not in ("body", "use"):
        return x
    body = inside.child(None, x)
    fill(body, item)
    return body.flow


def _parallel(inside: Scope, item: Item, x: Value, residual: bool, how: str) -> Value:
    """Runs the branches of a `parallel` on `x`, and merges them."""
    frame = inside.builder.frame
    start, most, found = frame.blocks, frame.blocks, []
    for index, entry in enumerate(item.branches):
        try:
            body = known_body(inside, entry)
            if residual and how == "add" and _gives_sum(inside, body):
                raise ShapeError(
                    "x would count twice: this `parallel` is residual, and this branch adds x as well",
                    "`residual: false` on the branch's items, or on the `parallel`",
                )
            scope = inside.child(None, x, str(index))
            frame.blocks = start
            run_body(scope, body)
            most = max(most, frame.blocks)
            found.append(scope.flow)
        except ShapeError as fault:
            fault.trail += [index, "parallel"]
            raise
    frame.blocks = most
    if not found:
        raise ShapeError("`parallel` needs at least one branch, but has none", "", ("parallel",))
    try:
        return inside.combine(how, found)
    except ShapeError as fault:
        fault.hint = f"all branches must give the same tokens and width for `{how}`"
        fault.trail.append("parallel")
        raise


def _gives_sum(inside: Scope, body: Any) -> bool:
    """Whether a body gives what enters it, with something added."""
    return isinstance(body, Body) and all(_item_gives_sum(inside, item) for item in body.items)


def _item_gives_sum(inside: Scope, item: Any) -> bool:
    if not isinstance(item, Item):
        return False
    residual = item.wiring.residual
    if residual is None and isinstance(item.part, Form) and not item.part.open:
        residual = item.part.expand().get("residual")
    if residual or item.role not in ("body", "use") or item.given:
        return bool(residual)
    return _gives_sum(inside, item.body if item.role == "body" else inside.around.reader.defined_body(item.use))
