"""From a validated file to its graph: stages and head, one frame each."""

from __future__ import annotations

from typing import Any

from vitdsl.errors import ShapeError, did_you_mean
from vitdsl.features import Feature
from vitdsl.graph import entry, reads
from vitdsl.graph.binding import drop_of
from vitdsl.graph.builder import Builder, Surroundings
from vitdsl.graph.entry import IMAGE, enter
from vitdsl.graph.faults import UseTrail
from vitdsl.graph.ir import HEAD, Call, Frame, Graph, Value
from vitdsl.graph.items import run_body
from vitdsl.graph.known import Held, Known
from vitdsl.graph.operators import Join
from vitdsl.graph.reads import said
from vitdsl.graph.repeats import arguments, call, repeat_item
from vitdsl.graph.scope import Scope, bind
from vitdsl.graph.targets import target_at
from vitdsl.parts.base import Part
from vitdsl.parts.primitives.classifier import Classifier
from vitdsl.syntax.paths import Key, Repetition
from vitdsl.syntax.tree import Map
from vitdsl.validate import Body, Head, Item, Model, SpecReader, Stage, UsedStage

_stages, _bounds, _heads = Known(), Known(), Known()
NO_FRAME = Frame()
FIRST = "x"
OUTPUT = "@"
"""What stands before the name of an output, where it is a stream."""
NO_HEAD = Head.read({}, None)


def forget() -> None:
    """Empties the memos of analysed stages and heads."""
    _stages.forget()
    _bounds.forget()
    _heads.forget()
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
    around = Surroundings(
        reader, model.classes, size or model.input.size, model.drop_path is not None, model.vars or {}
    )
    builder = Builder(lambda name: None)
    scope = Scope(around, builder, IMAGE, {})
    image = builder.value(Feature(model.input.channels, around.image))
    builder.frame.inputs[IMAGE] = image.index
    builder.streams[IMAGE] = image
    current = ""
    for index, stage in enumerate(model.stages):
        try:
            current = _run_stage(scope, stage, index, current)
        except ShapeError as fault:
            fault.trail += [index, "stages"]
            raise
    scope.current = current
    try:
        return _run_head(scope, model)
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
            repeat_item(scope, item, stage.depth, "block")
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


# ---------------------------------------------------------------- head


def _run_head(root: Scope, model: Model) -> Graph:
    """Runs the head in a frame of its own; its outputs are the model's."""
    head: Head = model.head or NO_HEAD
    builder = root.builder
    key = (Held(head), root.around.key, root.current, root.around.reads(head, {}))
    frame: Frame | None = _heads.get(key, builder.feature)
    if frame is None:
        frame = _head_frame(root, head)
        _heads.keep(key, frame, frame)
    outputs = [name.removeprefix(OUTPUT) for name in frame.outputs if name.startswith(OUTPUT)]
    evaluation = _weights(head, outputs)
    _alike(head, {name: frame.features[frame.outputs[OUTPUT + name]] for name in evaluation})
    call(root, HEAD, [(frame, 1)], False, "\0")
    bound = {name: builder.streams[OUTPUT + name].index for name in outputs}
    training = _training(builder, head, bound)
    return Graph(builder.done(), bound, evaluation, training, head.layout)


def _head_frame(root: Scope, head: Head) -> Frame:
    inner = Builder(root.builder.feature)
    scope = Scope(root.around, inner, root.current, {})
    scope.role, scope.within = "head", True
    start = scope.flow if head.from_ is None else target_at(scope, head.from_, "from").value
    if head.norm is not None:
        normed = scope.child(None, start, "norm")
        _trailed(["norm"], lambda: run_body(normed, head.norm, "norm"))
        start = normed.flow
    inner.frame.start = start.index
    for name, value in _outputs(scope, head, start).items():
        inner.write(OUTPUT + name, value)
    return inner.done()


def _outputs(scope: Scope, head: Head, start: Value) -> dict[str, Value]:
    """Each output's value."""
    if head.outputs is not None:
        found = {}
        for name, body in head.outputs.items():
            inside = scope.child(None, start, f"outputs.{name}")
            _trailed([name, "outputs"], lambda inside=inside, body=body: run_body(inside, body))
            found[name] = inside.flow
        return found
    inside = scope.child(None, start)
    if head.body is not None:
        _trailed([], lambda: run_body(inside, head.body))
        return {"logits": inside.flow}
    if isinstance(head.pool, tuple):
        return {pool.type: _classified(inside, pool, head, f"classifier.{pool.type}") for pool in head.pool}
    return {"logits": _classified(inside, head.pool, head, "classifier")}


def _classified(scope: Scope, pool: Part | None, head: Head, path: str) -> Value:
    value = scope.flow

    def run() -> Value:
        pooled = scope.emit(pool, value, "pool") if pool is not None else value
        return scope.emit(Classifier.trusted(bias=head.bias, init=head.init), pooled, path)

    return _trailed(["pool"], run)


def _trailed(trail: list[Any], run: Any) -> Any:
    try:
        return run()
    except ShapeError as fault:
        fault.trail += trail
        raise


def _weights(head: Head, names: list[str]) -> dict[str, float]:
    """How evaluation merges the outputs."""
    if isinstance(head.merge, dict):
        unknown = [name for name in head.merge if name not in names]
        if unknown:
            raise ShapeError(
                f"there is no output `{unknown[0]}`", did_you_mean(unknown[0], names), ("merge", Key(unknown[0]))
            )
        if not head.merge:
            raise ShapeError("`merge` must name an output, but names none", "", ("merge",))
        return {name: float(weight) for name, weight in head.merge.items()}
    return dict.fromkeys(names, 1.0 / len(names))


def _alike(head: Head, merged: dict[str, Feature]) -> None:
    """Refuses to merge outputs that differ."""
    (first, x), *others = merged.items()
    for name, other in others:
        if (x.dim, x.grid, x.num_tokens) != (other.dim, other.grid, other.num_tokens):
            raise ShapeError(
                f"evaluation merges the outputs, which must be alike for that, but `{first}` is {x}"
                f" and `{name}` is {other}",
                f"`merge: {{{first}: 1}}` returns one of them",
                ("merge",) if head.merge else ("outputs",) if head.outputs else ("pool",),
            )  # fmt: skip


def _training(builder: Builder, head: Head, outputs: dict[str, int]) -> dict[str, int] | None:
    """What training returns: outputs and streams by name, or None where it is as evaluation."""
    if head.training == "same" or (head.training is None and len(outputs) == 1):
        return None
    if head.training is None:
        return outputs
    found = {}
    for index, name in enumerate(head.training):
        if name not in outputs and not builder.has(name):
            hint = did_you_mean(name, [*outputs, *(known for known in builder.streams if not known.startswith("@"))])
            raise ShapeError(f"there is no output or stream `{name}`", hint, ("training", index))
        found[name] = outputs[name] if name in outputs else builder.read(name).index
    return found
