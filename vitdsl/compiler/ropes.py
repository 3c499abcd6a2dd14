"""Features during lowering: ropes of pieces, each a tensor in one layout.

Operators that take, put or join tokens only splice ropes. A `cat` or a reshape is written once, when an operator needs
one tensor.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import torch

from vitdsl.compiler.statements import Forward, Number, Value
from vitdsl.features import Feature
from vitdsl.graph.operators import OpenWindows
from vitdsl.layers.windows import from_windows, map_to_windows, to_windows, windows_to_map

Layout = Literal["tokens", "map"]
Grid = tuple[int, int]


@dataclass(frozen=True)
class Piece:
    """Consecutive tokens of a feature in one tensor.

    Attributes:
        node: the tensor: (B, total, C) as tokens, (B, C, H, W) as a map; a map is whole.
        layout: which of the two.
        start: index in the tensor of the piece's first token.
        count: number of tokens of the piece.
        total: number of tokens of the tensor.
        grid: size of the grid of these tokens, or None.
        windows: the windows that the tensor is cut into, as (B·windows, …), or None.
        inner: size of the grid of each of these windows.
    """

    node: Value
    layout: Layout
    start: int
    count: int
    total: int
    grid: tuple[int, int] | None = None
    windows: OpenWindows | None = None
    inner: tuple[int, int] | None = None

    @property
    def whole(self) -> bool:
        """Whether the tensor has no other tokens."""
        return self.count == self.total

    @property
    def shape(self) -> tuple[Any, ...]:
        """All of a whole piece except its tensor, as a key."""
        return (self.layout, self.count, self.grid, self.windows, self.inner)


@dataclass
class Rope:
    """A feature: its pieces in order. `joined` keeps the piece of all tokens, once it is written."""

    feature: Feature
    pieces: list[Piece]
    joined: Piece | None = field(default=None, compare=False)

    @property
    def single(self) -> Piece | None:
        """The piece if there is only one and it is whole, else None."""
        return self.pieces[0] if len(self.pieces) == 1 and self.pieces[0].whole else None


class Writer:
    """Writes statements into one forward, and brings ropes into the layouts that operators need.

    Attributes:
        forward: gets the statements.
        sizes_as_parameters: whether the size of a grid that no map here has is a parameter, rather than a number.
        maps: the last map of each grid, by the grid's size in the spec.
        sizes: height and width of grids, by the grid's size in the spec, as far as they are written.
        size_parameters: parameters for the sizes of grids, in order.
        window_depth: the number of open windows; inside of them the size of a grid is a number.
    """

    def __init__(self, forward: Forward, sizes_as_parameters: bool) -> None:
        self.forward, self.sizes_as_parameters = forward, sizes_as_parameters
        self.maps: dict[Grid, Value] = {}
        self.sizes: dict[Grid, tuple[Any, Any]] = {}
        self.size_parameters: dict[Grid, tuple[Value, Value]] = {}
        self.window_depth = 0

    # ------------------------------------------------------------ values

    def function(self, target: Any, *args: Any, hint: str = "", **named: Any) -> Value:
        """Writes a call of a function."""
        return self.forward.add("function", target, *args, hint=hint, **named)[0]

    def method(self, name: str, x: Value, *args: Any) -> Value:
        """Writes a call of a tensor's method, which gives a view."""
        return self.forward.view(name, x, *args)

    def module(self, path: str, *args: Any, hint: str = "", **named: Any) -> Value:
        """Writes a call of a module."""
        return self.forward.add("module", path, *args, hint=hint, **named)[0]

    # ------------------------------------------------------------ sizes

    def note_map(self, grid: Grid, value: Value) -> None:
        """Notes a map, so that the size of its grid can be read from it; the size of a window is a number."""
        if not self.window_depth:
            self.maps[grid] = value

    def size(self, grid: Grid) -> tuple[Any, Any]:
        """Height and width of a grid: read from a map, or else a parameter or a number."""
        if self.window_depth:
            return Number(grid[0], "height"), Number(grid[1], "width")
        if grid in self.sizes:
            return self.sizes[grid]
        if grid in self.maps:
            found = self._read_size(self.maps[grid])
        elif self.sizes_as_parameters:
            found = self.size_parameters[grid] = Value("height"), Value("width")
        else:
            found = Number(grid[0], "height"), Number(grid[1], "width")
        self.sizes[grid] = found
        return found

    def _read_size(self, x: Value) -> tuple[Value, Value]:
        height, width = self.forward.add("size", None, x, count=2, after=x)
        height.hint, width.hint = "height", "width"
        return height, width

    # ------------------------------------------------------------ layouts

    def tokens(self, rope: Rope) -> Value:
        """The whole feature as (B, N, C)."""
        return self.token_piece(rope).node

    def token_piece(self, rope: Rope) -> Piece:
        """The whole feature as one piece of tokens."""
        single = rope.single
        if single is not None and single.layout == "tokens" and single.windows is None:
            return single
        if rope.joined is None:
            parts = [self._plain_tokens(piece) for piece in rope.pieces]
            node = parts[0] if len(parts) == 1 else self._cat(parts)
            count = sum(piece.count for piece in rope.pieces)
            rope.joined = Piece(node, "tokens", 0, count, count, rope.feature.grid)
        return rope.joined

    def _cat(self, parts: Sequence[Any]) -> Value:
        return self.function(torch.cat, list(parts), dim=1)

    def _plain_tokens(self, piece: Piece) -> Value:
        """A piece as a tensor with its tokens only."""
        piece = self.closed(piece)
        if piece.layout == "map":
            return self.method("transpose", self.method("flatten", piece.node, 2), 1, 2)
        return self.sliced(piece)

    def sliced(self, piece: Piece) -> Value:
        """The slice of the tensor with the piece's own tokens."""
        if piece.whole:
            return piece.node
        stop = None if piece.start + piece.count == piece.total else piece.start + piece.count
        start = Number(piece.start, "start") if piece.start else None
        return self.forward.slice(piece.node, 1, start, None if stop is None else Number(stop, "stop"))

    def closed(self, piece: Piece) -> Piece:
        """The piece, with its windows joined to a grid."""
        if piece.windows is None:
            return piece
        windows, inner = piece.windows, piece.inner
        assert inner is not None and piece.grid is not None
        if piece.layout == "map" or inner != windows.size:
            node = piece.node
            if piece.layout == "tokens":
                node = self.method("unflatten", self.method("transpose", node, 1, 2), 2, Number(inner, "inner"))
            height, width = self.size(windows.grid)
            node = self.function(windows_to_map, node, height, width, *_windows(windows), **_padding(windows))
            self.note_map(piece.grid, node)
            return Piece(node, "map", 0, piece.count, piece.count, piece.grid)
        height, width = self.size(piece.grid)
        node = self.function(from_windows, piece.node, height, width, *_windows(windows), **_padding(windows))
        return Piece(node, "tokens", 0, piece.count, piece.count, piece.grid)

    def map_piece(self, rope: Rope) -> Piece:
        """The feature, which has no extra tokens, as one map."""
        single = rope.single
        if single is not None and single.layout == "map" and single.windows is None:
            return single
        grid = rope.feature.grid
        if grid is None:
            # a list of tokens becomes a map of one column
            grid = (rope.feature.num_tokens, 1)
            node = self.method("unsqueeze", self.method("transpose", self.tokens(rope), 1, 2), 3)
            return Piece(node, "map", 0, rope.feature.num_tokens, rope.feature.num_tokens, grid)
        if single is not None and single.windows is not None:
            closed = self.closed(single)
            if closed.layout == "map":
                return closed
            rope = Rope(rope.feature, [closed])
        node = self.method("transpose", self.tokens(rope), 1, 2)
        node = self.method("unflatten", node, 2, self.size(grid))
        return Piece(node, "map", 0, rope.feature.num_tokens, rope.feature.num_tokens, grid)

    def windowed(self, rope: Rope, windows: OpenWindows) -> Piece:
        """The feature, which is a grid without extra tokens, cut into windows."""
        single = rope.single
        if (
            single is not None
            and single.windows is not None
            and _alike(single.windows, windows)
            and single.inner == windows.size
        ):
            return single
        count = rope.feature.num_tokens
        height, width = self.size(windows.grid)
        if single is not None and single.layout == "map" and single.windows is None:
            node = self.function(map_to_windows, single.node, height, width, *_windows(windows), **_padding(windows))
            return Piece(node, "map", 0, count, count, windows.grid, windows, windows.size)
        node = self.function(to_windows, self.tokens(rope), height, width, *_windows(windows), **_padding(windows))
        return Piece(node, "tokens", 0, count, count, windows.grid, windows, windows.size)

    def like(self, rope: Rope, shape: Piece) -> Value:
        """The tensor of a rope in the layout and windows of a piece."""
        if shape.windows is not None:
            single = rope.single
            if (
                single is not None
                and single.windows is not None
                and _alike(single.windows, shape.windows)
                and single.inner == shape.inner
            ) and single.layout == shape.layout:
                return single.node
            piece = self.windowed(rope, replace_grid(shape.windows, shape.grid, shape.inner))
            return self.in_layout(piece, shape.layout)
        return self.map_piece(rope).node if shape.layout == "map" else self.tokens(rope)

    def in_layout(self, piece: Piece, layout: Layout) -> Value:
        """The tensor of a windowed piece in a layout."""
        if piece.layout == layout:
            return piece.node
        if layout == "tokens":
            return self.method("transpose", self.method("flatten", piece.node, 2), 1, 2)
        return self.method("unflatten", self.method("transpose", piece.node, 1, 2), 2, Number(piece.inner, "inner"))


def _alike(a: OpenWindows, b: OpenWindows) -> bool:
    """Whether grids cut into these windows give the same windows in the same order."""
    return a.shift == b.shift and a.counts == b.counts and a.padding == b.padding == (0, 0)


def _windows(windows: OpenWindows) -> list[Number]:
    """The size of windows, and their shift unless it is 0, as arguments."""
    return [Number(windows.size, "window"), *([Number(windows.shift, "shift")] if any(windows.shift) else [])]


def _padding(windows: OpenWindows) -> dict[str, Any]:
    return {"pad": True} if windows.padding != (0, 0) else {}


def replace_grid(windows: OpenWindows, grid: tuple[int, int] | None, inner: tuple[int, int] | None) -> OpenWindows:
    """The same windows over a grid of another size."""
    assert grid is not None and inner is not None
    return OpenWindows(size=inner, shift=windows.shift, grid=grid)


def cut(rope: Rope, start: int, stop: int) -> list[Piece]:
    """The pieces of tokens `start` to `stop`; `cuttable` must have prepared the rope."""
    found, at = [], 0
    for piece in rope.pieces:
        first, last = max(start, at), min(stop, at + piece.count)
        if first < last:
            whole = (first, last) == (at, at + piece.count)
            found.append(
                piece if whole else replace(piece, start=piece.start + first - at, count=last - first, grid=None)
            )
        at += piece.count
    return found


def cuttable(writer: Writer, rope: Rope, *places: int) -> Rope:
    """The rope, prepared to be cut at these indexes: a piece that one of them cuts gets the layout `tokens`."""
    made, at = [], 0
    for piece in rope.pieces:
        inside = any(at < place < at + piece.count for place in places)
        if inside and (piece.layout == "map" or piece.windows is not None):
            one = Rope(Feature(rope.feature.dim, piece.grid), [piece])
            piece = writer.token_piece(one)
        made.append(piece)
        at += piece.count
    return Rope(rope.feature, made, rope.joined)


def with_tensor(piece: Piece, node: Value) -> Piece:
    """A whole piece with another tensor, but the same layout."""
    return Piece(node, piece.layout, 0, piece.count, piece.count, piece.grid, piece.windows, piece.inner)


def raw(writer: Writer, rope: Rope) -> Value:
    """The tensor of attention maps, a bias or a mask, which are never in the layout `tokens`."""
    single = rope.single
    return single.node if single is not None else writer.map_piece(rope).node
