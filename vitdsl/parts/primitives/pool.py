"""Pooling: of the grid, of all tokens, of one."""

from __future__ import annotations

from typing import ClassVar, Literal

from vitdsl.errors import ShapeError, did_you_mean
from vitdsl.fields.types import Margin, Size
from vitdsl.parts.base import Part, Scope, Value
from vitdsl.parts.initial import InitField
from vitdsl.parts.primitives.pool_tokens import PoolTokens
from vitdsl.parts.primitives.pool_window import PoolWindow
from vitdsl.parts.primitives.sequence_pool import SequencePool

NAMES = ("mean", "max", "first", "last", "sequence")
"""Types that are no token's name."""


class Pool(Part):
    """One token out of many, or a smaller grid.

    `mean` and `max` pool the grid (`over: all`: all tokens; a list: those tokens), or neighbourhoods where `kernel` is
    given; `sequence` weighs all tokens; `first`, `last` or a token's name takes that token.

    Attributes:
        over: which tokens `mean` and `max` pool: the `grid`, `all`, or a list of names.
        kernel: size of a neighbourhood; without it all are one.
        stride: rows and columns from one neighbourhood to the next; by default `kernel`.
        padding: rows and columns around the grid, or `same`; by default (kernel - 1) / 2 of odd kernels, else 0.
        init: initial values of the weights of `sequence`.
    """

    family: ClassVar[str] = "pool"
    shorthand: ClassVar[str] = "type"
    type: str = "mean"
    over: Literal["grid", "all"] | list[str] = "grid"
    kernel: Size | None = None
    stride: Size | None = None
    padding: Margin = None
    init: InitField = None

    def acts_on_grid(self) -> bool:
        """Where it pools neighbourhoods."""
        return self.type in ("mean", "max") and self.kernel is not None

    def emit(self, scope: Scope, x: Value, path: str) -> Value:
        """One of three primitives, or a part of the feature."""
        self._refuse_idle()
        if self.type == "sequence":
            return scope.add(SequencePool.trusted(init=self.init), (x,), path)
        if self.type not in ("mean", "max"):
            return self._taken(scope, x)
        if self.kernel is not None:
            op = PoolWindow.trusted(reduce=self.type, kernel=self.kernel, stride=self.stride, padding=self.padding)
            return scope.emit(op, x, path)
        if self.stride is not None or self.padding is not None:
            there = "stride" if self.stride is not None else "padding"
            raise ShapeError(f"`pool` with `{there}` needs a `kernel`", "", (there,), "E202")
        return scope.add(PoolTokens.trusted(reduce=self.type), (self._pooled(scope, x),), path)

    def _refuse_idle(self) -> None:
        """Refuses fields that mean nothing for what is pooled."""
        if self.type == "sequence":
            what, read = "`pool: sequence` weighs all tokens", {"init"}
        elif self.type not in ("mean", "max"):
            what, read = f"`pool: {self.type}` takes one token", set[str]()
        elif self.kernel is not None:
            what, read = "`pool` with a `kernel` pools neighbourhoods", {"kernel", "stride", "padding"}
        else:
            what, read = "`pool` without a `kernel` pools tokens", {"over", "stride", "padding"}
        for name in self.fields:
            if name in self.fields_set - read - {"type"} and getattr(self, name) is not None:
                raise ShapeError(f"{what}, so `{name}` would do nothing", f"leave `{name}` out", (name,), "E207")

    def _taken(self, scope: Scope, x: Value) -> Value:
        """One token by its name or place."""
        known = (*x.feature.tokens, *NAMES)
        if self.type not in known:
            message = f"there is no pool and no token `{self.type}`; the feature is {x.feature}"
            raise ShapeError(message, did_you_mean(self.type, known), ("type",), "E307")
        return scope.take(x, self.type)

    def _pooled(self, scope: Scope, x: Value) -> Value:
        if isinstance(self.over, list):
            return scope.join([scope.take(x, name) for name in self.over])
        if self.over == "grid" and x.feature.grid is not None and x.feature.tokens:
            return scope.take(x, "grid")
        return x
