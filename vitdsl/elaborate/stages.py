"""Elaborates a validated file into a graph: stages and head, one frame each."""

from __future__ import annotations

from typing import Any

from vitdsl.elaborate.binding import bind, bind_arguments, drop_of, note_idle
from vitdsl.elaborate.builder import Builder, Context, Observed, Watcher
from vitdsl.elaborate.entry import IMAGE, enter
from vitdsl.elaborate.head import run_head
from vitdsl.elaborate.items import perform, run_body, run_part
from vitdsl.elaborate.memo import Trace, TraceTable
from vitdsl.elaborate.names import NameScope
from vitdsl.elaborate.repeats import call, repeat_item
from vitdsl.elaborate.scope import Scope
from vitdsl.errors import ShapeError
from vitdsl.features import Feature
from vitdsl.graph.costs import too_many_modules
from vitdsl.graph.faults import UseTrail
from vitdsl.graph.graph import Graph
from vitdsl.graph.ir import Frame, Value
from vitdsl.graph.operators import Join
from vitdsl.memo import Identity
from vitdsl.syntax.limits import MODULES
from vitdsl.syntax.paths import Repetition
from vitdsl.syntax.tree import Map
from vitdsl.validate import Body, Item, Model, SpecReader, Stage, UsedStage, read_stage

_stages = TraceTable()
FIRST = "x"


def elaborate(
    model: Model,
    reader: SpecReader,
    size: tuple[int, int] | None = None,
    observed: Observed | None = None,
    watcher: Watcher | None = None,
) -> Graph:
    """Elaborates a model.

    Args:
        model: the validated file.
        reader: the reader that validated it.
        size: (height, width) of the image, instead of the file's.
        observed: collects values of late arguments and bound forms, except in frames that come from a memo.
        watcher: is told what runs.

    Raises:
        ShapeError: with the written path in its trail.
    """
    image, drops = size or model.input.size, model.drop_path is not None
    context = Context(reader, model.classes, image, drops, run_body, run_part)
    context.observed, context.watcher = observed, watcher
    builder = Builder(lambda name: None)
    variables = dict(model.vars or {})
    scope = Scope(context, builder, IMAGE, NameScope(variables, variables))
    value = builder.value(Feature(model.input.channels, image))
    builder.frame.inputs[IMAGE] = value.index
    builder.streams[IMAGE] = value
    current = ""
    for index, stage in enumerate(model.stages):
        try:
            current = _run_stage(scope, stage, index, current)
        except ShapeError as fault:
            fault.trail += [index, "stages"]
            fault.work = context.work
            raise
    scope.current = current
    try:
        graph = run_head(scope, model)
    except ShapeError as fault:
        fault.trail.append("head")
        fault.work = context.work
        raise
    if MODULES.exceeds(graph.frame.modules) and (fault := too_many_modules(graph, MODULES.allowed)):
        raise ShapeError(fault[0], MODULES.hint, fault[1], "E501")
    return graph


# ---------------------------------------------------------------- stages


def _run_stage(scope: Scope, stage: Any, index: int, current: str) -> str:
    """Runs a stage in a frame of its own; returns the name of the stream that it writes."""
    names, use = scope.names, None
    if isinstance(stage, UsedStage):
        use = stage.use
        scope.current = current or IMAGE
        define = scope.context.reader.define(stage.use)
        names = bind_arguments(scope, stage, define)
        stage = read_stage(scope.context.reader, define["stage"])
    if scope.context.watcher is not None:
        scope.context.watcher.begin(stage, ("stages", index) if use is None else ("define", use, "stage"))
    try:
        bound, stream, frame = _stage_frame(scope, stage, Trace(names, scope.builder.feature), current)
        path = f"stages.{bound.name or index}"
        scope.current = stream
        call(scope, path, [(frame, 1)], False, "\0")
        _flush_appends(scope)
    except ShapeError as fault:
        if use is not None:
            fault.trail += ["stage", UseTrail((use,))]
        raise
    return stream


def _flush_appends(scope: Scope) -> None:
    """Writes the tokens that a stage appended into their streams: the model's frame has no caller that does it."""
    builder = scope.builder
    for name, numbers in list(builder.frame.appends.items()):
        values = [Value(number, builder.frame.features[number]) for number in numbers]
        if name in builder.streams:
            values.insert(0, builder.streams[name])
        builder.write(name, values[0] if len(values) == 1 else scope.add(Join(), values, None))
        del builder.frame.appends[name]


def _stage_frame(scope: Scope, stage: Stage, trace: Trace, current: str) -> tuple[Stage, str, Frame]:
    """The bound stage, the name of the stream that it writes, and its frame."""
    context = scope.context

    def make() -> tuple[Stage, str, Frame]:
        names, inner = NameScope.inside(trace), Builder(trace.stream)
        bound: Stage = bind(stage, names, context.reader) if stage.open else stage
        stream = bound.stream or current or FIRST
        inside = Scope(context, inner, stream, names)
        inside.drop = drop_of(inside, bound.drop_path)
        _fill_stage(inside, bound, stream, current)
        note_idle(inside, bound.drop_path, 0, "")
        return bound, stream, inner.finish()

    return context.remember(_stages, (Identity(stage), context.key, current), trace, make)


def _fill_stage(scope: Scope, stage: Stage, stream: str, current: str) -> None:
    """Writes the beginning, the body and the norm of a stage; a body without blocks counts as one block."""
    enter(scope, stage, stream, current)
    frame = scope.builder.frame
    frame.start = scope.flow.index
    if stage.block is not None:
        assert stage.depth is not None
        item = _block_item(scope, stage.block)
        try:
            repeat_item(scope, item, stage.depth, "block", perform)
        except ShapeError as fault:
            fault.trail[:] = _renamed(fault.trail)
            raise
    elif stage.body is not None:
        _under(scope, "body", lambda inside: run_body(inside, stage.body))
        for ends in (scope.builder.chain, scope.builder.maps):
            if not ends.count:
                ends.note(scope.flow, "body")
    if stage.norm is not None:
        _under(scope, "norm", lambda inside: run_body(inside, stage.norm, "norm"))


def _block_item(scope: Scope, block: Any) -> Item:
    """The block of a stage as an item, which `depth` repeats."""
    reader = scope.context.reader
    if not isinstance(block, Body):
        return reader.item(Map(body=block))
    if block.repeated is None:
        item = block.repeated = Item("body", {})
        item.body, item.wiring = block, reader.wiring({}, False)
    return block.repeated


def _renamed(trail: list[Any]) -> list[Any]:
    """A trail with `block` for `body`: the block of a stage runs as a body, but the file calls it `block`."""
    last = trail.pop() if trail and isinstance(trail[-1], Repetition) else None
    if trail and trail[-1] == "body":
        trail = trail[:-1]
    return [*trail, "block"] if last is None else [*trail, last, "block"]


def _under(scope: Scope, key: str, run: Any) -> None:
    """Runs a function on the current value, with paths and errors below a key of the stage."""
    inside = scope.child(scope.current, scope.here, key)
    try:
        run(inside)
    except ShapeError as fault:
        fault.trail.append(key)
        raise
