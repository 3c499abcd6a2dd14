"""The beginning of a stage: its input, tokenizer, tokens and position."""

from __future__ import annotations

from typing import Any

from vitdsl.elaborate.binding import bind_body, value_of
from vitdsl.elaborate.builder import Builder
from vitdsl.elaborate.items import run_body
from vitdsl.elaborate.memo import Trace, TraceTable
from vitdsl.elaborate.names import NameScope
from vitdsl.elaborate.scope import Scope
from vitdsl.elaborate.targets import target_at
from vitdsl.errors import ShapeError
from vitdsl.graph.ir import Value
from vitdsl.graph.operators import LearnedTokens
from vitdsl.parts.base import NONE
from vitdsl.syntax.expressions import Late
from vitdsl.syntax.paths import Key
from vitdsl.validate import Stage, Tokens

IMAGE = "image"
_entries = TraceTable()


def enter(scope: Scope, stage: Stage, stream: str, current: str) -> None:
    """Writes the beginning of a stage, or copies it from the memo."""
    builder = scope.builder
    parts = (stage.from_, stage.tokenizer, stage.carry, stage.tokens, stage.position)
    key = (parts, scope.context.key, stream, current, scope.drop)
    outer, names = builder.outer, scope.names
    trace = Trace(names, outer)

    def make() -> Builder:
        builder.outer, scope.names = trace.stream, NameScope.inside(trace)
        _enter(scope, stage, stream, current)
        builder.outer, scope.names = outer, names
        return builder.copy()

    builder.resume(scope.context.remember(_entries, key, trace, make))


def _enter(scope: Scope, stage: Stage, stream: str, current: str) -> None:
    value = _source(scope, stage, stream, current)
    if stage.tokenizer is not None:
        if value is None:
            message = "a `tokenizer` needs something to tokenize, but `from: none` has nothing"
            raise ShapeError(message, "", ("tokenizer",), "E410")
        value = _tokenized(scope, stage, value)
    if stage.tokens is not None:
        value = _with_tokens(scope, stage.tokens, value)
    if value is None:
        message = "`from: none` needs `tokens`: nothing else comes in"
        raise ShapeError(message, "`tokens: {count: …, dim: …}`", ("from",), "E410")
    if stage.position is not None:
        value = _positioned(scope, stage.position, value)
    scope.builder.write(stream, value)


def _source(scope: Scope, stage: Stage, stream: str, current: str) -> Value | None:
    """The input of the stage; None for `from: none`."""
    if stage.from_ == NONE:
        return None
    if stage.from_ is not None:
        inside = scope.child(current or IMAGE)
        return target_at(inside, stage.from_, "from").value
    return scope.builder.read(stream if scope.builder.has(stream) else IMAGE)


def _tokenized(scope: Scope, stage: Stage, value: Value) -> Value:
    tokens = value.feature.tokens
    if tokens and stage.carry is None:
        names = ", ".join(tokens)
        raise ShapeError(
            f"extra tokens ({names}) come into this stage, and its tokenizer makes new tokens:"
            " `carry` must say what becomes of them",
            "`carry: [{linear: {dim: …}}]` brings them along, `carry: []` keeps them, `carry: none` drops them",
            (Key("tokenizer"),),
            "E409",
        )
    grid = scope.take(value, "grid") if tokens else value
    made = _run_on(scope, stage.tokenizer, grid, "tokenizer")
    if not tokens or stage.carry == NONE:
        return made
    carried = _run_on(scope, stage.carry, scope.take(value, "tokens"), "carry", "item")
    try:
        return scope.join([carried, made])
    except ShapeError as fault:
        fault.hint = f"`carry: [{{linear: {{dim: {made.feature.dim}}}}}]` brings the extra tokens to the new width"
        fault.trail.append("carry")
        raise


def _run_on(scope: Scope, body: Any, value: Value, key: str, home: str = "") -> Value:
    """Runs a body of the stage on a value of its own."""
    inside = scope.child(None, value, key)
    inside.role, inside.in_block, inside.in_branch = "embed", True, True
    try:
        run_body(inside, body, home or key)
    except ShapeError as fault:
        fault.trail.append(key)
        raise
    return inside.flow


def _with_tokens(scope: Scope, tokens: Any, value: Value | None) -> Value:
    for name in tokens if isinstance(tokens, tuple) else ():
        if scope.builder.has(name):
            hint = "a stream and a token of one name could not be told apart"
            raise ShapeError(f"`{name}` is a stream here, and cannot be a token too", hint, ("tokens",), "E311")
    if isinstance(tokens, Tokens):
        dim = tokens.dim or (value.feature.dim if value is not None else 0)
        if not dim:
            raise ShapeError("`tokens` need their `dim`, since nothing comes in", "", ("tokens",), "E410")
        learned = LearnedTokens.trusted(dim=dim, count=tokens.count, init=tokens.init)
    else:
        if value is None:
            message = "named tokens stand in front of a feature, but nothing comes in"
            raise ShapeError(message, "`tokens: {count: …, dim: …}`", ("tokens",), "E410")
        twice = [index for index, name in enumerate(tokens) if name in value.feature.tokens]
        if twice:
            message = f"there is a token `{tokens[twice[0]]}` already: the feature is {value.feature}"
            raise ShapeError(message, "", ("tokens", twice[0]), "E311")
        learned = LearnedTokens.trusted(dim=value.feature.dim, names=tuple(tokens))
    made = scope.add(learned, (), "tokens")
    return made if value is None else scope.join([made, value])


def _positioned(scope: Scope, position: Any, value: Value) -> Value:
    """Positions over all tokens, or over the grid alone."""
    body = bind_body(scope, position, "position")
    over = getattr(body.items[0].part, "over", "all") if body.bare else "all"
    if isinstance(over, Late):
        over = value_of(over, scope.names)
    if over == "grid" and value.feature.tokens:
        placed = _run_on(scope, body, scope.take(value, "grid"), "position")
        return scope.put(value, "grid", placed)
    return _run_on(scope, body, value, "position")
