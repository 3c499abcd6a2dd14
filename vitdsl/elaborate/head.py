"""The head of a model: its frame, its outputs, and the results of evaluation and training."""

from __future__ import annotations

from typing import Any

from vitdsl.elaborate.builder import Builder
from vitdsl.elaborate.items import run_body
from vitdsl.elaborate.memo import Trace, TraceTable
from vitdsl.elaborate.names import NameScope
from vitdsl.elaborate.repeats import call
from vitdsl.elaborate.scope import Scope
from vitdsl.elaborate.targets import target_at
from vitdsl.errors import ShapeError, did_you_mean
from vitdsl.features import Feature
from vitdsl.graph.graph import Graph
from vitdsl.graph.ir import CONCATENATED, HEAD, Frame, Value
from vitdsl.memo import Identity
from vitdsl.parts.base import Part
from vitdsl.parts.primitives.classifier import Classifier
from vitdsl.syntax.paths import Key
from vitdsl.validate import Head, Model

_heads = TraceTable()
NO_HEAD = Head.read({}, None)
OUTPUT = "@"
"""The prefix of the stream that holds an output."""


def run_head(root: Scope, model: Model) -> Graph:
    """Runs the head in a frame of its own; the outputs of the head are those of the model."""
    head: Head = model.head or NO_HEAD
    builder, watcher = root.builder, root.context.watcher
    if watcher is not None:
        watcher.begin(head, ("head",))
    key, trace = (Identity(head), root.context.key, root.current), Trace(root.names, builder.feature)
    frame = root.context.remember(_heads, key, trace, lambda: _head_frame(root, head, trace))
    outputs = [name.removeprefix(OUTPUT) for name in frame.outputs if name.startswith(OUTPUT)]
    evaluation = {CONCATENATED: 1.0} if CONCATENATED in outputs else _weights(head, outputs)
    _alike(head, {name: frame.features[frame.outputs[OUTPUT + name]] for name in evaluation})
    call(root, HEAD, [(frame, 1)], False, "\0")
    bound = {name: builder.streams[OUTPUT + name].index for name in outputs}
    training = _training(builder, head, bound)
    return Graph(builder.finish(), bound, evaluation, training, head.layout, model.drop_path)


def _head_frame(root: Scope, head: Head, trace: Trace) -> Frame:
    inner = Builder(trace.stream)
    scope = Scope(root.context, inner, root.current, NameScope.inside(trace))
    scope.role, scope.in_block, scope.in_branch = "head", True, True
    start = scope.flow if head.from_ is None else target_at(scope, head.from_, "from").value
    if head.norm is not None:
        normed = scope.child(None, start, "norm")
        _trailed(["norm"], lambda: run_body(normed, head.norm, "norm"))
        start = normed.flow
    inner.frame.start = start.index
    outputs = _outputs(scope, head, start)
    if _are_features(scope, head, outputs):
        outputs[CONCATENATED] = scope.combine("concat", [outputs[name] for name in _weights(head, [*outputs])])
    for name, value in outputs.items():
        inner.write(OUTPUT + name, value)
    return inner.finish()


def _are_features(scope: Scope, head: Head, outputs: dict[str, Value]) -> bool:
    """Whether evaluation concatenates outputs: they are features of several widths, and the model has no classes."""
    merged = [outputs[name].feature for name in _weights(head, [*outputs])]
    return not scope.classes and len({x.dim for x in merged}) > 1 and len({x.with_dim(1) for x in merged}) == 1


def _outputs(scope: Scope, head: Head, start: Value) -> dict[str, Value]:
    """The outputs by name."""
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
    """The weight of each output in evaluation."""
    if isinstance(head.merge, dict):
        unknown = [name for name in head.merge if name not in names]
        if unknown:
            hint = did_you_mean(unknown[0], names)
            raise ShapeError(f"there is no output `{unknown[0]}`", hint, ("merge", Key(unknown[0])), "E308")
        if not head.merge:
            raise ShapeError("`merge` must name an output, but names none", "", ("merge",), "E308")
        return {name: float(weight) for name, weight in head.merge.items()}
    return dict.fromkeys(names, 1.0 / len(names))


def _alike(head: Head, merged: dict[str, Feature]) -> None:
    """Refuses to merge outputs that differ."""
    (first, x), *others = merged.items()
    for name, other in others:
        if (x.dim, x.grid, x.num_tokens) != (other.dim, other.grid, other.num_tokens):
            raise ShapeError(
                f"evaluation merges the outputs, so they must be alike, but `{first}` is {x}"
                f" and `{name}` is {other}",
                f"`merge: {{{first}: 1}}` returns one of them",
                ("merge",) if head.merge else ("outputs",) if head.outputs else ("pool",),
                "E411",
            )  # fmt: skip


def _training(builder: Builder, head: Head, outputs: dict[str, int]) -> dict[str, int] | None:
    """The values that training returns, by name; None if training returns the same as evaluation."""
    if head.training == "same" or (head.training is None and (len(outputs) == 1 or CONCATENATED in outputs)):
        return None
    if head.training is None:
        return outputs
    found = {}
    for index, name in enumerate(head.training):
        if name not in outputs and not builder.has(name):
            hint = did_you_mean(name, [*outputs, *(known for known in builder.streams if not known.startswith("@"))])
            raise ShapeError(f"there is no output or stream `{name}`", hint, ("training", index), "E308")
        found[name] = outputs[name] if name in outputs else builder.read(name).index
    return found
