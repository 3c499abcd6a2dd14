"""What all mixers share: linear maps to queries, keys and values, and what follows the mixing."""

from __future__ import annotations

from typing import Annotated, Any

from vitdsl.errors import ShapeError, refuse
from vitdsl.features import Feature
from vitdsl.fields.messages import describe
from vitdsl.fields.types import Rate, Size
from vitdsl.parts.base import NONE, Activation, Fields, Items, Nested, Norm, Scope, Value
from vitdsl.parts.initial import InitField
from vitdsl.parts.primitives.conv import Conv
from vitdsl.parts.primitives.linear import Linear
from vitdsl.parts.primitives.subsample import Subsample

WORDS = {"q": "query", "k": "key", "v": "value"}
"""The fields that leave a projection out."""


class Strides(Fields):
    """Strides of the convolutions before the three projections.

    Attributes:
        q: of that before queries.
        k: of that before keys.
        v: of that before values.
    """

    q: Size = (1, 1)
    k: Size = (1, 1)
    v: Size = (1, 1)


class ProjectionConv(Fields):
    """A depthwise convolution without bias before each projection, and its norm.

    Attributes:
        kernel: its size: of both sides, or `[height, width]`.
        stride: strides of the three convolutions.
        norm: after each of them.
    """

    kernel: Size
    stride: Annotated[Strides, Nested(Strides)] = Strides()
    norm: Norm = None


class Projection(Fields):
    """What stands around the linear maps to queries, keys and values.

    Attributes:
        conv: a depthwise convolution before each of the three maps.
        norm: after each of the three maps.
        q: a body before the map to queries.
        k: a body before the map to keys.
        v: a body before the map to values.
    """

    conv: Annotated[ProjectionConv | None, Nested(ProjectionConv)] = None
    norm: Norm = None
    q: Items = None
    k: Items = None
    v: Items = None


class Query(Fields):
    """How queries are taken: every `stride`-th position asks.

    Attributes:
        stride: every so many rows and columns a position asks.
    """

    stride: Size = (1, 1)


def read_query(value: Any, reader: Any) -> Any:
    """`query`: none, or how queries are taken."""
    if value == NONE or isinstance(value, Query):
        return value
    if not isinstance(value, dict):
        refuse(f"`query` must be none or a mapping with `stride`, but is {describe(value)}", code="E203")
    return Query.read(value, reader)


class Out(Fields):
    """What follows the mixing: activation, linear, norm, dropout.

    Attributes:
        activation: before the linear map.
        bias: whether the linear map has one.
        norm: after the linear map.
        dropout: probability of a zero behind it, while training.
        init: initial values of the linear map.
    """

    activation: Activation = None
    bias: bool = True
    norm: Norm = None
    dropout: Rate = 0.0
    init: InitField = None


def project(
    scope: Scope, mixer: Any, sizes: tuple[int, int, int], x: Value, bank: Value | None, path: str, wanted: str
) -> dict[str, Value]:
    """Queries, keys and values, as many of them as `wanted` names.

    What reads the same feature is one linear map, its sections in the order q, k, v; a projection that a body or a
    convolution precedes is a linear map of its own.
    """
    heads, head_dim, value_dim = sizes
    source = x if bank is None else bank
    if mixer.bank is not None:
        source = scope.run(mixer.bank, source, f"{path}.bank")
    query, projection, bias = mixer.query, mixer.projection, mixer.qkv_bias
    asks = isinstance(query, Query)
    asker = x
    if asks and "q" in wanted and query.stride != (1, 1):
        asker = scope.emit(Subsample.trusted(stride=query.stride), x, f"{path}.query")
    widths = {"q": heads * head_dim, "k": heads * head_dim, "v": heads * value_dim}
    mapped = {"q": asks, "k": mixer.key != NONE, "v": mixer.value != NONE}
    made: dict[str, Value] = {}
    groups: dict[tuple[int, bool], tuple[Value, list[str]]] = {}
    for name in wanted:
        y = _prepared(scope, projection, name, asker if name == "q" else source, path)
        if mapped[name]:
            biased = name in bias if isinstance(bias, list) else bias
            groups.setdefault((y.index, biased), (y, []))[1].append(name)
        else:
            made[name] = _as_it_is(y, heads, WORDS[name])
    for (_, biased), (y, names) in groups.items():
        sections = [widths[name] for name in names]
        linear = Linear.trusted(dim=sum(sections), bias=biased, norm=projection.norm, init=mixer.init)
        y = scope.emit(linear, y, f"{path}.{''.join(names)}")
        for name, section in zip(names, scope.sections(y, sections), strict=True):
            made[name] = section
    if "k" in made and "v" in made:
        _paired(made["k"].feature, made["v"].feature)
    return made


def _as_it_is(x: Value, heads: int, word: str) -> Value:
    """What is not projected, which the heads share all the same."""
    if x.feature.dim % heads:
        message = f"`heads` ({heads}) must divide the width of what is taken as it is ({x.feature.dim})"
        raise ShapeError(message, f"`{word}: none` leaves the linear map out that would change it", (word,), "E401")
    return x


def _paired(k: Feature, v: Feature) -> None:
    """Refuses keys without values."""
    if k.num_tokens != v.num_tokens:
        message = f"every key needs a value, but there are {k.num_tokens} keys and {v.num_tokens} values"
        hint = "what stands before keys and values must leave as many of both"
        raise ShapeError(message, hint, ("projection",), "E412")


def _prepared(scope: Scope, projection: Projection, name: str, x: Value, path: str) -> Value:
    """What a projection reads: its own body or depthwise convolution stands before it."""
    before = getattr(projection, name)
    if before is not None:
        return scope.run(before, x, f"{path}.projection.{name}")
    conv = projection.conv
    if conv is None:
        return x
    stride = getattr(conv.stride, name)
    op = Conv.trusted(kernel=conv.kernel, stride=stride, groups=x.feature.dim, bias=False, norm=conv.norm)
    return scope.emit(op, x, f"{path}.projection.{name}")


def finish(scope: Scope, out: Any, dim: int, x: Value, path: str) -> Value:
    """What follows the mixing: nothing, a body, or activation, linear, norm and dropout."""
    if out is None:
        return x
    if not isinstance(out, Out):
        return scope.run(out, x, f"{path}.out")
    if out.activation is not None:
        x = scope.emit(out.activation, x, f"{path}.activation")
    x = scope.emit(Linear.trusted(dim=dim, bias=out.bias, norm=out.norm, init=out.init), x, f"{path}.out")
    return scope.emit_dropout(out.dropout, x, f"{path}.out.dropout")
