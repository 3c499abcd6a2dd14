"""What flows through a model: features (tokens on a grid), and what they cost."""

from __future__ import annotations

from typing import NamedTuple

from vitdsl.errors import ShapeError

_new = tuple.__new__  # a NamedTuple of known values, made without the detour through its signature
BYTES_PER_VALUE = 4
"""Activations are counted as float32."""
LARGEST_SIZE = 10**12
"""No feature of one image has more values."""


class Feature(NamedTuple):
    """`dim` channels on a grid, with named extra tokens in front, or on a plain list of `count` tokens.

    Shape: (B, N, dim) with N = len(tokens) + count + height·width; a feature has a grid or a count, never both.
    Attention maps are a feature too: `dim` = heads, `grid` = (queries, keys).
    """

    dim: int
    grid: tuple[int, int] | None = None
    tokens: tuple[str, ...] = ()
    count: int = 0

    @property
    def num_tokens(self) -> int:
        """Number of all tokens: extra ones, listed ones and those of the grid."""
        _, grid, tokens, count = self
        return len(tokens) + count + (grid[0] * grid[1] if grid else 0)

    @property
    def size(self) -> int:
        """Number of values of one image."""
        dim, grid, tokens, count = self
        return (len(tokens) + count + (grid[0] * grid[1] if grid else 0)) * dim

    def __str__(self) -> str:
        names = "".join(f"{name}+" for name in self.tokens)
        place = f"{self.grid[0]}x{self.grid[1]}" if self.grid else (str(self.count) if self.count else "")
        return f"{names}{place}".rstrip("+") + f"·{self.dim}"

    def with_dim(self, dim: int) -> Feature:
        """The same tokens with another width."""
        _, grid, tokens, count = self
        return _new(Feature, (dim, grid, tokens, count))

    def with_grid(self, grid: tuple[int, int], dim: int | None = None) -> Feature:
        """A grid of this size, as wide or of another width, without extra tokens."""
        return _new(Feature, (dim or self.dim, grid, (), 0))

    @property
    def grid_only(self) -> Feature:
        """The grid's part; a ShapeError where there is none."""
        if self.grid is None:
            message = f"a grid is needed here, but the feature is {self}, a list of tokens"
            raise ShapeError(message, code="E408")
        return self.with_grid(self.grid)


class Cost(NamedTuple):
    """Exact cost for one image: parameters, those that train, multiply-adds, bytes of activations (float32)."""

    params: int = 0
    trainable_params: int = 0
    macs: int = 0
    activation_bytes: int = 0

    def __add__(self, other: Cost) -> Cost:  # type: ignore[override]
        return Cost(
            self.params + other.params,
            self.trainable_params + other.trainable_params,
            self.macs + other.macs,
            self.activation_bytes + other.activation_bytes,
        )

    def times(self, count: int) -> Cost:
        """The cost of `count` such things, each with parameters of its own."""
        return self if count == 1 else Cost(*(value * count for value in self))


def weights(params: int, macs: int = 0, *, frozen: int = 0) -> Cost:
    """Cost of an operator with `params` trainable values, `frozen` fixed ones, and `macs` multiply-adds."""
    return _new(Cost, (params + frozen, params, macs, 0))
