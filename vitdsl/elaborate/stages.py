"""From a validated file to its graph: stages and head, one frame each."""

from __future__ import annotations

from typing import Any

from vitdsl.elaborate import entry, head, reads
from vitdsl.elaborate.binding import arguments, bind, drop_of
from vitdsl.elaborate.builder import Builder, Surroundings
from vitdsl.elaborate.entry import IMAGE, enter
from vitdsl.elaborate.head import run_head
from vitdsl.elaborate.items import perform, run_body, run_part
from vitdsl.elaborate.known import Held, Known
from vitdsl.elaborate.reads import said
from vitdsl.elaborate.repeats import call, repeat_item
from vitdsl.elaborate.scope import Scope
from vitdsl.errors import ShapeError
from vitdsl.features import Feature
from vitdsl.graph.faults import UseTrail
from vitdsl.graph.graph import Graph
from vitdsl.graph.ir import Call, Frame, Value
from vitdsl.graph.operators import Join
from vitdsl.syntax.paths import Repetition
from vitdsl.syntax.tree import Map
from vitdsl.validate import Body, Item, Model, SpecReader, Stage, UsedStage

_stages, _bounds = Known(), Known()
NO_FRAME = Frame()
FIRST = "x"


def forget() -> None:
    """Empties the memos of analysed stages and heads."""
    _stages.forget()
    _bounds.forget()
    head.forget()
    entry.forget()
    reads.forget()


def elaborate(model: Model, reader: SpecReader, size: tuple[int, int] | None = None) -> Graph:
    """The graph of a model.

    Args:
        model: the validated file.
        reader: what validated it.
        size: the image's (height, width) in place of the file's.

    Raises:
        ShapeError: with the written path in its trail.
    """
    image, drops = size or model.input.size, model.drop_path is not None
    around = Surroundings(reader, model.classes, image, drops, model.vars or {}, run_body, run_part)
    builder = Builder(lambda name: None)
    scope = Scope(around, builder, IMAGE, {})
    value = builder.value(Feature(model.input.channels, image))
    builder.frame.inputs[IMAGE] = value.index
    builder.streams[IMAGE] = value
    current = ""
    for index, stage in enumerate(model.stages):
        try:
            current = _run_stage(scope, stage, index, current)
        except ShapeError as fault:
            fault.trail += [index, "stages"]
            raise
    scope.current = current
    try:
        return run_head(scope, model)
    except ShapeError as fault:
        fault.trail.append("head")
        raise


# ---------------------------------------------------------------- stages


def _run_stage(scope: Scope, stage: Any, index: int, current: str) -> str:
    """Runs a stage in a frame of its own and gives the stream that it made."""
    env: dict[str, Any] = {}
    use = None
    if isinstance(stage, UsedStage):
        use = stage.use
        scope.current = current or IMAGE
        define = scope.around.reader.define(stage.use)
        env = arguments(scope, stage.args, define)
        stage = scope.around.reader.stage(define["stage"])
    try:
        bound: Stage = _bound(scope.around, stage, env) if stage.open else stage
        stream = bound.stream or current or FIRST
        frame = _stage_frame(scope, bound, env, stream, current)
        path = f"stages.{bound.name or index}"
        scope.current = stream
        call(scope, path, [(frame, 1)], False, "\0")
        _settle(scope)
    except ShapeError as fault:
        if use is not None:
            fault.trail += ["stage", UseTrail((use,))]
        raise
    return stream


def _bound(around: Surroundings, stage: Stage, env: dict[str, Any]) -> Stage:
    """A stage with its late values put in; one object for equal ones, so that its frame is found again."""
    key = (Held(stage), around.reader.key, said(env), around.reads(stage, env))
    kept: Stage | None = _bounds.get(key, lambda name: None)
    if kept is not None:
        return kept
    bound: Stage = bind(stage, {**around.env, **env}, around.reader)
    _bounds.keep(key, NO_FRAME, bound)
    return bound


def _settle(scope: Scope) -> None:
    """At the model's level appended tokens become a stream at once."""
    builder = scope.builder
    for name, numbers in list(builder.frame.appends.items()):
        values = [Value(number, builder.frame.features[number]) for number in numbers]
        if name in builder.streams:
            values.insert(0, builder.streams[name])
        builder.write(name, values[0] if len(values) == 1 else scope.add(Join(), values, None))
        del builder.frame.appends[name]


def _stage_frame(scope: Scope, stage: Stage, env: dict[str, Any], stream: str, current: str) -> Frame:
    outer = scope.builder.feature
    around = scope.around
    key = (Held(stage), around.key, stream, current, said(env), around.reads(stage, env))
    frame: Frame | None = _stages.get(key, outer)
    if frame is None:
        inner = Builder(outer)
        inside = Scope(around, inner, stream, env)
        inside.drop = drop_of(inside, stage.drop_path)
        _fill_stage(inside, stage, stream, current)
        frame = inner.done()
        _stages.keep(key, frame, frame)
    return frame


def _fill_stage(scope: Scope, stage: Stage, stream: str, current: str) -> None:
    """How it begins, then body and norm; a body without blocks is one."""
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
        if not frame.ends and not any(isinstance(step, Call) and step.flows is not None for step in frame.steps):
            frame.ends.append(scope.flow.index)
    if stage.norm is not None:
        _under(scope, "norm", lambda inside: run_body(inside, stage.norm, "norm"))


def _block_item(scope: Scope, block: Any) -> Item:
    """`depth` and `block` are a repeated body."""
    reader = scope.around.reader
    if not isinstance(block, Body):
        return reader.item(Map(body=block))
    if block.repeated is None:
        item = block.repeated = Item("body", {})
        item.body, item.inner, item.wiring = block, block.lates, reader.wiring({}, False)
    return block.repeated


def _renamed(trail: list[Any]) -> list[Any]:
    """The written path of a stage's block is `block`, not `body`."""
    last = trail.pop() if trail and isinstance(trail[-1], Repetition) else None
    if trail and trail[-1] == "body":
        trail = trail[:-1]
    return [*trail, "block"] if last is None else [*trail, last, "block"]


def _under(scope: Scope, key: str, run: Any) -> None:
    """Runs something below a key of the stage, in place."""
    inside = scope.child(scope.current, scope.here, key)
    try:
        run(inside)
    except ShapeError as fault:
        fault.trail.append(key)
        raise
