"""Primitives that no spec names: they cut and join features, and open and close windows."""

from __future__ import annotations

from functools import partial
from typing import Any, ClassVar, Literal

from vitdsl.errors import ShapeError
from vitdsl.features import Cost, Feature, weights
from vitdsl.parts.base import Primitive

SIDES = "`residual: {shortcut: …}` brings the shortcut to the branch's size, `residual: false` leaves it out"
"""The hint for a sum whose two sides differ."""


class Structural(Primitive):
    """A primitive without a module of its own: the compiler splices tokens, or writes one expression."""

    family: ClassVar[str] = "internal"
    structural: ClassVar[bool] = True


class LearnedTokens(Structural):
    """Learned tokens, the same for every image. Cost: count·dim parameters."""

    type: Literal["tokens"] = "tokens"
    dim: int
    names: tuple[str, ...] = ()
    count: int = 0
    init: Any = None

    def infer(self, *inputs: Feature) -> Feature:
        """A list of tokens."""
        return Feature(self.dim, None, self.names, self.count)

    def cost(self, *inputs: Feature) -> Cost:
        """As the class says."""
        return weights(self.infer().size)


class Take(Structural):
    """Tokens `start` to `stop` of a feature."""

    type: Literal["take"] = "take"
    view: ClassVar[bool] = True
    start: int
    stop: int
    feature: Feature

    def infer(self, *inputs: Feature) -> Feature:
        """The feature of these tokens."""
        return self.feature


class Put(Structural):
    """The first feature, with its tokens `start` to `stop` replaced by the second."""

    type: Literal["put"] = "put"
    view: ClassVar[bool] = True
    start: int
    stop: int
    feature: Feature

    def infer(self, *inputs: Feature) -> Feature:
        """The whole feature."""
        return self.feature


class Join(Structural):
    """All tokens of several features, in order."""

    type: Literal["join"] = "join"

    def infer(self, *inputs: Feature) -> Feature:
        """One feature; it has a grid if the last one has a grid and all others are extra tokens."""
        dims = sorted({x.dim for x in inputs})
        if len(dims) > 1:
            raise ShapeError(
                f"features of several widths ({', '.join(map(str, dims))}) cannot be one",
                "`carry` brings extra tokens to the new width, or an item at the part that lags behind",
                code="E407",
            )
        *front, last = inputs
        if all(x.grid is None and not x.count for x in front) and last.grid is not None:
            return Feature(last.dim, last.grid, tuple(n for x in inputs for n in x.tokens))
        if all(x.grid is None and not x.count for x in inputs):
            names = tuple(n for x in inputs for n in x.tokens)
            if len(set(names)) == len(names):
                return Feature(last.dim, None, names)
        return Feature(last.dim, count=sum(x.num_tokens for x in inputs))


class Combine(Structural):
    """The sum, mean, product or concatenation (along channels) of features."""

    type: Literal["combine"] = "combine"
    how: Literal["add", "mean", "multiply", "concat"] = "add"

    def infer(self, *inputs: Feature) -> Feature:
        """The common feature: one token is broadcast over all tokens, one channel over all channels."""
        first = inputs[0]
        if self.how == "concat":
            for other in inputs[1:]:
                if not _same_tokens(first, other):
                    message = f"`concat` needs the same tokens on every side, but they are {first} and {other}"
                    raise ShapeError(message, code="E406")
            return first.with_dim(sum(x.dim for x in inputs))
        result = first
        for other in inputs[1:]:
            if _same_tokens(result, other) or other.num_tokens == 1:
                place = result
            elif result.num_tokens == 1:
                place = other
            else:
                raise ShapeError(f"the two sides differ: {result} and {other}", SIDES, code="E406")
            if result.dim != other.dim and 1 not in (result.dim, other.dim):
                raise ShapeError(f"the two sides differ in width: {result} and {other}", SIDES, code="E406")
            result = place.with_dim(max(result.dim, other.dim))
        return result


def _same_tokens(a: Feature, b: Feature) -> bool:
    return a.grid == b.grid and a.num_tokens == b.num_tokens


class Sections(Structural):
    """Channels `start` to `stop` of a feature."""

    type: Literal["sections"] = "sections"
    view: ClassVar[bool] = True
    start: int
    stop: int

    def infer(self, *inputs: Feature) -> Feature:
        """The same tokens with these channels."""
        return inputs[0].with_dim(self.stop - self.start)


class OpenWindows(Structural):
    """Cuts a grid into windows; the operators that follow run in each of them."""

    type: Literal["open_windows"] = "open_windows"
    view: ClassVar[bool] = True
    size: tuple[int, int]
    shift: tuple[int, int] = (0, 0)
    grid: tuple[int, int]

    @property
    def padding(self) -> tuple[int, int]:
        """Rows at the bottom and columns at the right that pad the last windows."""
        return (-self.grid[0] % self.size[0], -self.grid[1] % self.size[1])

    @property
    def counts(self) -> tuple[int, int]:
        """The number of windows along the height and the width."""
        return (-(-self.grid[0] // self.size[0]), -(-self.grid[1] // self.size[1]))

    def infer(self, *inputs: Feature) -> Feature:
        """One window."""
        return Feature(inputs[0].dim, self.size)


class CloseWindows(Structural):
    """Joins windows to a grid again; an operator may have changed the size of the windows."""

    type: Literal["close_windows"] = "close_windows"
    opened: OpenWindows

    def infer(self, *inputs: Feature) -> Feature:
        """The whole grid."""
        (x,) = inputs
        if x.grid is None or x.tokens:
            raise ShapeError(f"what runs in windows must give back a grid, but it gave {x}", code="E415")
        (rows, columns), (pad_h, pad_w), size = self.opened.counts, self.opened.padding, self.opened.size
        if (pad_h or pad_w) and x.grid != size:
            hint = "`fit: exact`, with windows that tile"
            raise ShapeError("windows that are filled up must keep their size", hint, code="E415")
        for shift, before, after, what in zip(self.opened.shift, size, x.grid, ("rows", "columns"), strict=True):
            if shift * after % before:
                raise ShapeError(
                    f"windows that are shifted by {shift} of {before} {what} cannot be shifted back where these become"
                    f" {after}: that would be {shift * after / before:.3g} {what}",
                    "a shift of 0, or an operator that keeps the windows' size",
                    ("windows",),
                    "E415",
                )
        return Feature(x.dim, (rows * x.grid[0] - pad_h, columns * x.grid[1] - pad_w))


class WindowMask(Primitive):
    """The attention mask of shifted or padded windows, over pairs of tokens: (windows, N, N)."""

    family: ClassVar[str] = "internal"
    type: Literal["window_mask"] = "window_mask"
    opened: OpenWindows

    def infer(self, *inputs: Feature) -> Feature:
        """A map for each window."""
        count = self.opened.size[0] * self.opened.size[1]
        return Feature(1, (count, count))

    def layer(self, *inputs: Feature) -> partial[Any]:
        """The layer, which has the mask as a buffer."""
        from vitdsl.layers.windows import WindowMask as Layer

        return partial(Layer, *self.opened.grid, self.opened.size, self.opened.shift)
