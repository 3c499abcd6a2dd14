"""Attention by random features."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from vitdsl.errors import ShapeError
from vitdsl.fields.types import Positive, Rate
from vitdsl.parts.base import FieldsOr, Items, Nested, Part, Reads, Scope, Value
from vitdsl.parts.forms.attention import Out, Projection, Query, finish, project, read_query
from vitdsl.parts.forms.global_ import head_sizes
from vitdsl.parts.forms.mixer import Keys, needs_heads
from vitdsl.parts.initial import InitField
from vitdsl.parts.primitives.performer_attend import PerformerAttend


class Performer(Part):
    """A mixer of linear cost: a product of positive random features stands for softmax. Logits are not scaled.

    Paper: Performers, arXiv 2009.14794, as T2T-ViT uses it. Symbols: heads = h, features = m.
    Shape: (B, N, C) and a bank (B, M, C') -> (B, N, dim).
    Cost: the projections', h·m·((N + M)·(d + e) + N), and out's.

    Attributes:
        heads: number of heads.
        head_dim: channels of a head's queries and keys; by default the width divided by `heads`.
        value_dim: channels of a head's values; by default `head_dim`.
        dim: width that comes out, in channels; by default that which enters.
        features: number of random features.
        keys: whose tokens fill the bank: a stream, a list of features one after another, or `all`.
        bank: a body that keys and values go through.
        query: `none` leaves the map to queries out; `{stride}` says which positions ask.
        key: `none` leaves the map to keys out.
        value: `none` leaves the map to values out.
        qkv_bias: whether the maps to queries, keys and values have biases, or which of them.
        projection: what stands around the maps to queries, keys and values.
        out: what follows the mixing: fields of a linear map, or a body in its place.
        dropout: probability of a zero at the end, while training.
        init: initial values of the linear maps.
    """

    family: ClassVar[str] = "mixer"
    residual: ClassVar[bool] = True
    banked: ClassVar[bool] = True
    type: Literal["performer"] = "performer"
    heads: Positive | None = None
    head_dim: Positive | None = None
    value_dim: Positive | None = None
    dim: Positive | None = None
    features: Positive = 32
    keys: Annotated[Any, FieldsOr(Keys, home="names")] = None
    bank: Items = None
    query: Annotated[Any, Reads(read_query, {"anyOf": [{"const": "none"}, {"type": "object"}]}, model=Query)] = Query()
    key: Literal["none"] | None = None
    value: Literal["none"] | None = None
    qkv_bias: bool | list[Literal["q", "k", "v"]] = True
    projection: Annotated[Projection, Nested(Projection)] = Projection()
    out: Annotated[Any, FieldsOr(Out, home="item")] = Out()
    dropout: Rate = 0.0
    init: InitField = None

    def agree(self) -> None:
        """It says its heads."""
        needs_heads(self)

    def emit(self, scope: Scope, x: Value, path: str, bank: Value | None = None) -> Value:
        """Projections, the mixing, what follows, and dropout at the end."""
        sizes = head_sizes(self, x.feature.dim)
        if scope.window_mask() is not None:
            message = "a performer cannot leave pairs out, as windows that are shifted or filled up need it to"
            raise ShapeError(message, code="E412")
        made = project(scope, self, sizes, x, bank, path, "qkv")
        op = PerformerAttend.trusted(heads=sizes[0], features=self.features)
        mixed = scope.add(op, (made["q"], made["k"], made["v"]), f"{path}.features")
        scope.expose("query", made["q"])
        scope.expose("value", made["v"])
        y = finish(scope, self.out, self.dim or x.feature.dim, mixed, path)
        return scope.emit_dropout(self.dropout, y, f"{path}.dropout")
