"""What all mixers share: linear maps to queries, keys and values, and what follows the mixing."""

from __future__ import annotations

from typing import Annotated, Any

from vitdsl.errors import ShapeError
from vitdsl.features import Feature
from vitdsl.parts.base import Activation, Fields, Items, Nested, Norm, Scope, Value
from vitdsl.parts.fields import Rate, Size, describe, refuse
from vitdsl.parts.initial import InitField
from vitdsl.parts.primitives.conv import Conv
from vitdsl.parts.primitives.linear import Linear
from vitdsl.parts.primitives.subsample import Subsample


class Strides(Fields):
    """Strides of the convolutions before the three projections."""

    q: Size = (1, 1)
    k: Size = (1, 1)
    v: Size = (1, 1)


class ProjectionConv(Fields):
    """A depthwise convolution without bias before each projection, and its norm."""

    kernel: Size
    stride: Annotated[Strides, Nested(Strides)] = Strides()
    norm: Norm = None


class Projection(Fields):
    """What stands around the linear maps to queries, keys and values."""

    conv: Annotated[ProjectionConv | None, Nested(ProjectionConv)] = None
    norm: Norm = None
    q: Items = None
    k: Items = None
    v: Items = None


class Query(Fields):
    """How queries are taken: every `stride`-th position asks."""

    stride: Size = (1, 1)


def read_query(value: Any, reader: Any) -> Any:
    """`query`: none, or how queries are taken."""
    if value == "none" or isinstance(value, Query):
        return value
    if not isinstance(value, dict):
        refuse(f"`query` must be none or a mapping with `stride`, but is {describe(value)}")
    return Query.read(value, reader)


class Out(Fields):
    """What follows the mixing: activation, linear, norm, dropout."""

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
    query = mixer.query
    asker = x
    if "q" in wanted and query != "none" and query.stride != (1, 1):
        asker = scope.emit(Subsample(stride=query.stride), x, f"{path}.query")
    widths = {"q": heads * head_dim, "k": heads * head_dim, "v": heads * value_dim}
    raw = {"q": query == "none", "k": mixer.key == "none", "v": mixer.value == "none"}
    made: dict[str, Value] = {}
    groups: dict[tuple[int, bool], list[str]] = {}
    sources: dict[str, Value] = {}
    for name in wanted:
        feature = _prepared(scope, mixer, name, asker if name == "q" else source, path)
        sources[name] = feature
        if raw[name]:
            made[name] = feature
        else:
            groups.setdefault((id(feature), _biased(mixer, name)), []).append(name)
    for (_, biased), names in groups.items():
        label = "".join(names)
        linear = Linear(dim=sum(widths[n] for n in names), bias=biased, norm=mixer.projection.norm, init=mixer.init)
        y = scope.emit(linear, sources[names[0]], f"{path}.{label}")
        made.update(zip(names, scope.sections(y, [widths[n] for n in names]), strict=True))
    if {"k", "v"} <= made.keys():
        _paired(made["k"].feature, made["v"].feature)
    return made


def _paired(k: Feature, v: Feature) -> None:
    """Refuses keys without values."""
    if k.num_tokens != v.num_tokens:
        message = f"every key needs a value, but there are {k.num_tokens} keys and {v.num_tokens} values"
        raise ShapeError(message, "what stands before keys and values must leave as many of both", ("projection",))


def _biased(mixer: Any, name: str) -> bool:
    return name in mixer.qkv_bias if isinstance(mixer.qkv_bias, list) else mixer.qkv_bias


def _prepared(scope: Scope, mixer: Any, name: str, x: Value, path: str) -> Value:
    """What a projection reads: its own body or depthwise convolution stands before it."""
    before = getattr(mixer.projection, name)
    if before is not None:
        return scope.run(before, x, f"{path}.projection.{name}")
    conv = mixer.projection.conv
    if conv is None:
        return x
    stride = getattr(conv.stride, name)
    op = Conv(kernel=conv.kernel, stride=stride, groups=x.feature.dim, bias=False, norm=conv.norm)
    return scope.emit(op, x, f"{path}.projection.{name}")


def finish(scope: Scope, out: Any, dim: int, x: Value, path: str) -> Value:
    """What follows the mixing: nothing, a body, or activation, linear, norm and dropout."""
    if out is None:
        return x
    if not isinstance(out, Out):
        return scope.run(out, x, f"{path}.out")
    if out.activation is not None:
        x = scope.emit(out.activation, x, f"{path}.activation")
    x = scope.emit(Linear(dim=dim, bias=out.bias, norm=out.norm, init=out.init), x, f"{path}.out")
    return scope.emit_dropout(out.dropout, x, f"{path}.out.dropout")
