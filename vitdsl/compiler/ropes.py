"""Features while they are lowered: ropes of pieces, each a tensor in one layout.

Taking, putting back and joining tokens splice a rope; a `cat` or a reshape is written when an operator needs one
tensor, and once.
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

Form = Literal["tokens", "map"]
Grid = tuple[int, int]


@dataclass(frozen=True)
class Piece:
    """Consecutive tokens of a feature in one tensor.

    Attributes:
        node: the tensor: (B, total, C) as tokens, (B, C, H, W) as a map; a map is whole.
        form: which of the two.
        start: first token of the tensor that belongs here.
        count: how many do.
        total: how many the tensor has.
        grid: size of the grid that these tokens are, or None.
        opened: the windows in which the tensor still is: (B·windows, …), or None.
        inner: the tensor's own grid in each of those windows.
    """

    node: Value
    form: Form
    start: int
    count: int
    total: int
    grid: tuple[int, int] | None = None
    opened: OpenWindows | None = None
    inner: tuple[int, int] | None = None

    @property
    def whole(self) -> bool:
        """Whether the tensor holds nothing else."""
        return self.count == self.total

    @property
    def shape(self) -> tuple[Any, ...]:
        """All but the tensor."""
        return (self.form, self.count, self.grid, self.opened, self.inner)


@dataclass
class Rope:
    """A feature: its pieces in order. `joined` remembers the one tensor, once it was written."""

    feature: Feature
    pieces: list[Piece]
    joined: Piece | None = field(default=None, compare=False)

    @property
    def single(self) -> Piece | None:
        """The piece, where there is one and it is whole."""
        return self.pieces[0] if len(self.pieces) == 1 and self.pieces[0].whole else None


class Writer:
    """Writes statements into one forward, and brings ropes into the layouts that operators need.

    Attributes:
        forward: where statements go.
        outside: whether sizes that no value here has are parameters.
        sizes: height and width by the grid's size in the spec, as far as they were written.
        asked: parameters for sizes, in order, where the forward gets them from outside.
        inside: how many windows are open; in them the size of a grid is a number.
    """

    def __init__(self, forward: Forward, outside: bool) -> None:
        self.forward, self.outside = forward, outside
        self.maps: dict[Grid, Value] = {}
        self.sizes: dict[Grid, tuple[Any, Any]] = {}
        self.asked: dict[Grid, tuple[Value, Value]] = {}
        self.inside = 0

    # ------------------------------------------------------------ values

    def function(self, target: Any, *args: Any, hint: str = "", **named: Any) -> Value:
        """A call of a function."""
        return self.forward.add("function", target, *args, hint=hint, **named)[0]

    def method(self, name: str, x: Value, *args: Any) -> Value:
        """A value in another form."""
        return self.forward.view(name, x, *args)

    def module(self, path: str, *args: Any, hint: str = "", **named: Any) -> Value:
        """A call of a module."""
        return self.forward.add("module", path, *args, hint=hint, **named)[0]

    # ------------------------------------------------------------ sizes

    def seen(self, grid: Grid, value: Value) -> None:
        """Notes a map from which the size of a grid can be read, the last one; the size of a window is a number."""
        if not self.inside:
            self.maps[grid] = value

    def size(self, grid: Grid) -> tuple[Any, Any]:
        """Height and width of a grid: read from the map that it came from, or given from outside."""
        if self.inside:
            return Number(grid[0], "height"), Number(grid[1], "width")
        if grid in self.sizes:
            return self.sizes[grid]
        if grid in self.maps:
            found = self._read_size(self.maps[grid])
        elif self.outside:
            found = self.asked[grid] = Value("height"), Value("width")
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
        if single is not None and single.form == "tokens" and single.opened is None:
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
        """A piece as a tensor of its tokens alone."""
        piece = self.closed(piece)
        if piece.form == "map":
            return self.method("transpose", self.method("flatten", piece.node, 2), 1, 2)
        return self.sliced(piece)

    def sliced(self, piece: Piece) -> Value:
        """The tensor of the piece's own tokens."""
        if piece.whole:
            return piece.node
        stop = None if piece.start + piece.count == piece.total else piece.start + piece.count
        start = Number(piece.start, "start") if piece.start else None
        return self.forward.slice(piece.node, 1, start, None if stop is None else Number(stop, "stop"))

    def closed(self, piece: Piece) -> Piece:
        """A piece that is no longer in windows."""
        if piece.opened is None:
            return piece
        opened, inner = piece.opened, piece.inner
        assert inner is not None and piece.grid is not None
        if piece.form == "map" or inner != opened.size:
            node = piece.node
            if piece.form == "tokens":
                node = self.method("unflatten", self.method("transpose", node, 1, 2), 2, Number(inner, "inner"))
            height, width = self.size(opened.grid)
            node = self.function(windows_to_map, node, height, width, *_windows(opened), **_filled(opened))
            self.seen(piece.grid, node)
            return Piece(node, "map", 0, piece.count, piece.count, piece.grid)
        height, width = self.size(piece.grid)
        node = self.function(from_windows, piece.node, height, width, *_windows(opened), **_filled(opened))
        return Piece(node, "tokens", 0, piece.count, piece.count, piece.grid)

    def map_piece(self, rope: Rope) -> Piece:
        """The feature, a grid alone, as one map."""
        single = rope.single
        if single is not None and single.form == "map" and single.opened is None:
            return single
        grid = rope.feature.grid
        if grid is None:
            # a list of tokens as a map of one column
            grid = (rope.feature.num_tokens, 1)
            node = self.method("unsqueeze", self.method("transpose", self.tokens(rope), 1, 2), 3)
            return Piece(node, "map", 0, rope.feature.num_tokens, rope.feature.num_tokens, grid)
        if single is not None and single.opened is not None:
            closed = self.closed(single)
            if closed.form == "map":
                return closed
            rope = Rope(rope.feature, [closed])
        node = self.method("transpose", self.tokens(rope), 1, 2)
        node = self.method("unflatten", node, 2, self.size(grid))
        return Piece(node, "map", 0, rope.feature.num_tokens, rope.feature.num_tokens, grid)

    def windowed(self, rope: Rope, opened: OpenWindows) -> Piece:
        """The feature, a grid alone, cut into windows."""
        single = rope.single
        if (
            single is not None
            and single.opened is not None
            and _alike(single.opened, opened)
            and single.inner == opened.size
        ):
            return single
        count = rope.feature.num_tokens
        height, width = self.size(opened.grid)
        if single is not None and single.form == "map" and single.opened is None:
            node = self.function(map_to_windows, single.node, height, width, *_windows(opened), **_filled(opened))
            return Piece(node, "map", 0, count, count, opened.grid, opened, opened.size)
        node = self.function(to_windows, self.tokens(rope), height, width, *_windows(opened), **_filled(opened))
        return Piece(node, "tokens", 0, count, count, opened.grid, opened, opened.size)

    def like(self, rope: Rope, shape: Piece) -> Value:
        """The tensor of a rope in the form of a piece."""
        if shape.opened is not None:
            single = rope.single
            if (
                single is not None
                and single.opened is not None
                and _alike(single.opened, shape.opened)
                and single.inner == shape.inner
            ) and single.form == shape.form:
                return single.node
            piece = self.windowed(rope, replace_grid(shape.opened, shape.grid, shape.inner))
            return self.in_form(piece, shape.form)
        return self.map_piece(rope).node if shape.form == "map" else self.tokens(rope)

    def in_form(self, piece: Piece, form: Form) -> Value:
        """A windowed piece in the other form."""
        if piece.form == form:
            return piece.node
        if form == "tokens":
            return self.method("transpose", self.method("flatten", piece.node, 2), 1, 2)
        return self.method("unflatten", self.method("transpose", piece.node, 1, 2), 2, Number(piece.inner, "inner"))


def _alike(a: OpenWindows, b: OpenWindows) -> bool:
    """Whether two cuts give the same windows in the same order."""
    return a.shift == b.shift and a.counts == b.counts and a.padding == b.padding == (0, 0)


def _windows(opened: OpenWindows) -> list[Number]:
    """The size of windows, and their shift where there is one."""
    return [Number(opened.size, "window"), *([Number(opened.shift, "shift")] if any(opened.shift) else [])]


def _filled(opened: OpenWindows) -> dict[str, Any]:
    return {"pad": True} if opened.padding != (0, 0) else {}


def replace_grid(opened: OpenWindows, grid: tuple[int, int] | None, inner: tuple[int, int] | None) -> OpenWindows:
    """The same windows over a grid of another size."""
    assert grid is not None and inner is not None
    return OpenWindows(size=inner, shift=opened.shift, grid=grid)


def cut(rope: Rope, start: int, stop: int) -> list[Piece]:
    """Pieces of tokens `start` to `stop`; a piece that must be cut is one of tokens."""
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
    """The rope, with every map and window that one of these places cuts brought into tokens."""
    made, at = [], 0
    for piece in rope.pieces:
        inside = any(at < place < at + piece.count for place in places)
        if inside and (piece.form == "map" or piece.opened is not None):
            one = Rope(Feature(rope.feature.dim, piece.grid), [piece])
            piece = writer.token_piece(one)
        made.append(piece)
        at += piece.count
    return Rope(rope.feature, made, rope.joined)


def retensored(piece: Piece, node: Value) -> Piece:
    """A whole piece of the same form with another tensor."""
    return Piece(node, piece.form, 0, piece.count, piece.count, piece.grid, piece.opened, piece.inner)


def raw(writer: Writer, rope: Rope) -> Value:
    """A tensor as it is: maps, biases and masks are never turned into tokens."""
    single = rope.single
    return single.node if single is not None else writer.map_piece(rope).node
