"""Runs items: a role, with the wiring around it."""

from __future__ import annotations

from typing import Any

from vitdsl.elaborate.binding import (
    bind_arguments,
    bind_body,
    bind_key,
    bind_part,
    bind_wiring,
    bind_written,
    drop_of,
    expand_form,
    invalid_product,
    locate_at_form,
    locate_at_part,
    note_idle,
    read_body,
    read_item,
)
from vitdsl.elaborate.blocks import Sums
from vitdsl.elaborate.builder import Watcher
from vitdsl.elaborate.repeats import repeat_item
from vitdsl.elaborate.scope import Scope
from vitdsl.elaborate.targets import Target, check_writable, run_without_role, target_at, write_stream
from vitdsl.elaborate.wiring import branch
from vitdsl.errors import Refusal, ShapeError
from vitdsl.graph.faults import UseTrail
from vitdsl.graph.ir import Value
from vitdsl.parts.base import Form, Part
from vitdsl.syntax.expressions import Late
from vitdsl.validate import Body, Item, Wiring


def run_body(scope: Scope, body: Any, home: str = "item") -> None:
    """Runs the items of a body in order; each reads and replaces the current value of the scope."""
    body, watcher = bind_body(scope, body, home), scope.context.watcher
    if watcher is not None:
        watcher.enter(scope, body)
    if body.bare:
        _run_bare(scope, body)
    else:
        _run_items(scope, body, watcher)
    if watcher is not None:
        watcher.leave()


def _run_items(scope: Scope, body: Body, watcher: Watcher | None) -> None:
    """Runs the items of a bound body that is no bare part."""
    scope.block, builder, frame = None, scope.builder, scope.builder.frame
    alone = len(body.items) == 1
    followed = [] if scope.in_block else [Sums(scope, builder.chain, _adds)]
    followed += [] if scope.in_branch else [Sums(scope, builder.maps, _makes_block)]
    for index, item in enumerate(body.items):
        block, blocks = scope.block, frame.blocks
        for sums in followed:
            sums.begin()
        if watcher is not None:
            watcher.item(index)
        try:
            segment = run_item(scope, item, "" if alone and _is_whole(item) else str(index))
        except ShapeError as fault:
            if body.listed:
                fault.trail.append(index)
            raise
        if scope.block == block and frame.blocks > blocks:  # the item holds blocks, so the next sum begins a new one
            scope.block = None
        for sums in followed:
            sums.done(item, segment)
    for sums in followed:
        sums.finish()


def _is_whole(item: Any) -> bool:
    """Whether an item is a `use` without wiring: alone in a body, it adds no segment to paths."""
    return isinstance(item, Item) and item.role == "use" and not item.own_wiring


def _run_bare(scope: Scope, body: Body) -> None:
    """Runs a body that is one bare part, which adds no segment to paths."""
    part = body.items[0].part
    if part is None:
        return
    if isinstance(part, Late):
        run_body(scope, bind_body(scope, part, body.home))
        return
    bound = scope.bound(part, scope.flow.feature)
    if bound.expands:
        expansion = expand_form(bound, {})
        raw = expansion["body"] if expansion.keys() == {"body"} else [expansion]
        try:
            run_body(scope, read_body(scope, raw))
        except ShapeError as fault:
            locate_at_form(bound, "", fault)
            raise
        return
    try:
        scope.flow = bound.emit(scope, scope.flow, "")
    except ShapeError as fault:
        locate_at_part(bound, "", fault)
        raise
    except Refusal as error:
        raise invalid_product("", error) from None


def _adds(scope: Scope, item: Any) -> bool:
    """Whether an item is residual and makes a block; a positional convolution is residual, but makes none."""
    if not isinstance(item, Item) or (isinstance(item.part, Part) and item.part.positional):
        return False
    return bool(bind_key(scope, item, "residual"))


def _makes_block(scope: Scope, item: Any) -> bool:
    """Whether an item makes a block that ends with a map: also a mixer or an mlp without a shortcut."""
    return isinstance(item, Item) and (item.role in ("mixer", "mlp") or _adds(scope, item))


def run_item(scope: Scope, item: Any, index: str) -> str:
    """Runs one item with its repetitions; returns its segment of paths, which is its name, or else `index`."""
    scope.context.count()
    if isinstance(item, Late):
        inside = scope.child(scope.current, scope.here, index)
        run_body(inside, item)
        scope.here = inside.here
        return index
    repeat = bind_key(scope, item, "repeat")
    segment = bind_key(scope, item, "name") or index
    if repeat is None:
        perform(scope, item, segment)
    else:
        repeat_item(scope, item, int(repeat), segment, perform)
    return segment


def perform(scope: Scope, item: Item, path: str) -> None:
    """Runs one item once."""
    at, from_ = bind_key(scope, item, "at"), bind_key(scope, item, "from")
    if not item.role:
        run_without_role(scope, item, from_)
        return
    role = item.role
    part = item.part
    target = target_at(scope, at, "at")
    read = target if from_ is None else target_at(scope, from_, "from")
    if isinstance(part, Late):
        part = bind_part(scope, role, part, read.feature)
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
        _perform_form(scope, item, part, bind_written(item.own_wiring, scope.names.at(read.feature)) | given, path)
        return
    wiring = bind_wiring(scope, item, scope.names.at(read.feature)) if item.late_wiring else item.wiring
    before = len(scope.builder.frame.steps)
    if role in ("body", "use") and target.whole and from_ is None and not _own_value(wiring):
        _in_place(scope, item, wiring, target, path)
    else:

        def operate(inside: Scope, x: Value, bank: Value | None) -> Value:
            return _operate(inside, item, part, x, bank, wiring)

        there, source = operand_targets(part, wiring, target, read)
        there.put(branch(scope, item, part, wiring, there, source.value, path, operate))
    if "drop_path" in item.own_wiring:
        note_idle(scope, wiring.drop_path, before, path)
    if wiring.write:
        write_stream(scope, wiring.write, target.value_now())


def _perform_form(scope: Scope, item: Item, form: Part, given: dict[str, Any], path: str) -> None:
    """Runs the item that a form expands into; the wiring `given` is merged over that of the expansion."""
    try:
        perform(scope, read_item(scope, expand_form(form, given)), path)
    except ShapeError as fault:
        own = fault.trail[-1] if fault.trail else None
        if own not in item.own_wiring or own in form.fields_set:
            locate_at_form(form, item.role, fault)
        raise


def operand_targets(part: Part | None, wiring: Wiring, target: Target, read: Target) -> tuple[Target, Target]:
    """The targets that an item writes and reads.

    An operator of the grid leaves extra tokens as they are. The sum of a residual item is then over the grid alone.
    """
    if part is None or not wiring.residual or not part.acts_on_grid() or not target.feature.tokens:
        return target, read
    return target.grid_alone(), read.grid_alone()


def _own_value(wiring: Wiring) -> bool:
    """Whether the wiring needs a value beside the stream: the item cannot work in place."""
    return bool(wiring.residual or wiring.pre or wiring.post or wiring.layer_scale is not None or wiring.windows)


def _in_place(scope: Scope, item: Item, wiring: Wiring, target: Target, path: str) -> None:
    """Runs a body that works on its target in place."""
    inside = scope.child(scope.current if target.stream is None else target.stream, scope.here, path)
    inside.drop = drop_of(scope, wiring.drop_path)
    if target.stream is not None:
        check_writable(scope, target.stream)
    fill(inside, item)
    if target.stream is None:
        scope.here = inside.here


def fill(inside: Scope, item: Item) -> None:
    """Runs the body of a `body` or a `use`."""
    if item.role == "body":
        try:
            run_body(inside, item.body)
        except ShapeError as fault:
            fault.trail.append("body")
            raise
        return
    run_use(inside, item)


def run_part(scope: Scope, part: Part, x: Value, path: str) -> Value:
    """Writes the nodes of a bound part; a form is expanded first."""
    if not part.expands:
        return part.emit(scope, x, path)
    inside = scope.child(None, x, path)
    try:
        run_body(inside, read_body(inside, [expand_form(part, {})]))
    except ShapeError as fault:
        locate_at_form(part, "", fault)
        raise
    return inside.flow


def run_use(scope: Scope, item: Item) -> None:
    """Runs the body of a define with its arguments."""
    reader = scope.context.reader
    define = reader.define(item.use)
    body = reader.defined_body(item.use)
    inside = scope
    inside.names = bind_arguments(scope, item, define)
    try:
        run_body(inside, body)
    except ShapeError as fault:
        fault.trail += ["body", UseTrail((item.use,))]
        raise


def _operate(inside: Scope, item: Item, part: Any, x: Value, bank: Value | None, wiring: Wiring) -> Value:
    """Runs the role of an item on `x`; the wiring is outside."""
    role = item.role
    if part is not None:
        try:
            if bank is not None:
                return part.emit(inside, x, role, bank)  # type: ignore[call-arg]
            return part.emit(inside, x, role)
        except ShapeError as fault:
            locate_at_part(part, role, fault)
            raise
        except Refusal as error:
            raise invalid_product(role, error) from None
    if role == "parallel":
        return _parallel(inside, item, x, bool(wiring.residual), wiring.merge or "add")
    if part is None and role not in ("body", "use"):
        return x
    body = inside.child(None, x)
    fill(body, item)
    return body.flow


def _parallel(inside: Scope, item: Item, x: Value, residual: bool, how: str) -> Value:
    """Runs the branches of a `parallel` on `x`, and merges them."""
    frame, held = inside.builder.frame, inside.builder.maps.count
    start, most, found = frame.blocks, frame.blocks, []
    for index, entry in enumerate(item.branches):
        try:
            body = bind_body(inside, entry)
            if residual and how == "add" and _gives_sum(inside, body):
                raise ShapeError(
                    "x would count twice: this `parallel` is residual, and this branch adds x as well",
                    "`residual: false` on the branch's items, or on the `parallel`",
                    code="E413",
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
        raise ShapeError("`parallel` needs at least one branch, but has none", "", ("parallel",), "E217")
    try:
        merged = inside.combine(how, found)
    except ShapeError as fault:
        fault.hint = f"all branches must give the same tokens and width for `{how}`"
        fault.trail.append("parallel")
        raise
    if inside.builder.maps.count > held:
        inside.builder.maps.note(merged, inside.path)  # branches with blocks end a block together
    return merged


def _gives_sum(inside: Scope, body: Any) -> bool:
    """Whether a body is a residual sum: its result is its input with something added."""
    return isinstance(body, Body) and all(_item_gives_sum(inside, item) for item in body.items)


def _item_gives_sum(inside: Scope, item: Any) -> bool:
    if not isinstance(item, Item):
        return False
    residual = item.wiring.residual
    if residual is None and isinstance(item.part, Form) and not item.part.open:
        residual = item.part.expand().get("residual")
    if residual or item.role not in ("body", "use") or item.own_wiring:
        return bool(residual)
    return _gives_sum(inside, item.body if item.role == "body" else inside.context.reader.defined_body(item.use))
