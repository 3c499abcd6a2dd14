"""Features while they are lowered: ropes of pieces, each a tensor in one layout.

Taking, putting back and joining tokens splice a rope; a `cat` or a reshape is written when an operator needs one
tensor, and once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from torch import fx

from vitdsl.compiler.names import identifier, parameter
from vitdsl.features import Feature
from vitdsl.graph.operators import OpenWindows

Form = Literal["tokens", "map"]


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

    node: Any
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
    """Writes fx nodes into one graph, and brings ropes into the layouts that operators need.

    Attributes:
        graph: where nodes go.
        sizes: nodes (or numbers) of height and width by the grid's size in the spec, as far as they were written.
        asked: placeholders for sizes, in order, where the graph gets them from outside.
    """

    def __init__(self, graph: fx.Graph, outside: bool) -> None:
        self.graph, self.outside = graph, outside
        self.maps: dict[tuple[int, int], Any] = {}
        self.sizes: dict[tuple[int, int], tuple[Any, Any]] = {}
        self.asked: dict[tuple[int, int], tuple[Any, Any]] = {}
        self.inside = 0

    # ------------------------------------------------------------ nodes

    def function(self, target: Any, *args: Any, name: str, **kwargs: Any) -> fx.Node:
        """A call of a function."""
        return self.graph.create_node("call_function", target, args, kwargs, name=name)

    def method(self, name: str, *args: Any, **kwargs: Any) -> fx.Node:
        """A call of a method of the first argument."""
        return self.graph.create_node("call_method", name, args, kwargs, name=hint(args[0]))

    def attribute(self, path: str) -> fx.Node:
        """A module of the model itself, which a function calls."""
        return self.graph.create_node("get_attr", path, name="layer")

    def module(self, path: str, *args: Any, name: str, **kwargs: Any) -> fx.Node:
        """A call of a module."""
        return self.graph.create_node("call_module", path, args, kwargs, name=name)

    # ------------------------------------------------------------ sizes

    def seen(self, grid: tuple[int, int], node: Any) -> None:
        """Notes a map from which the size of a grid can be read; the size of a window is a number."""
        if not self.inside:
            self.maps.setdefault(grid, node)

    def size(self, grid: tuple[int, int]) -> tuple[Any, Any]:
        """Height and width of a grid: read from the map that it came from, or given from outside."""
        if self.inside:
            return grid
        if grid in self.sizes:
            return self.sizes[grid]
        if grid in self.maps:
            node = self.maps[grid]
            found = (self._length(node, 2, "height"), self._length(node, 3, "width"))
        elif self.outside:
            found = self._ask(grid)
        else:
            found = grid
        self.sizes[grid] = found
        return found

    def _length(self, node: fx.Node, axis: int, name: str) -> fx.Node:
        with self.graph.inserting_after(node):
            return self.graph.create_node("call_method", "size", (node, axis), {}, name=name)

    def _ask(self, grid: tuple[int, int]) -> tuple[Any, Any]:
        number = len(self.asked)
        suffix = f"_{number}" if number else ""
        places = [node for node in self.graph.nodes if node.op == "placeholder"]
        with self.graph.inserting_after(places[-1]):
            width = parameter(self.graph, f"width{suffix}")
        with self.graph.inserting_after(places[-1]):
            height = parameter(self.graph, f"height{suffix}")
        self.asked[grid] = (height, width)
        return height, width

    # ------------------------------------------------------------ layouts

    def tokens(self, rope: Rope) -> fx.Node:
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

    def _cat(self, parts: Sequence[Any]) -> fx.Node:
        import torch

        return self.function(torch.cat, list(parts), dim=1, name="joined")

    def _plain_tokens(self, piece: Piece) -> Any:
        """A piece as a tensor of its tokens alone."""
        piece = self.closed(piece)
        if piece.form == "map":
            return self.method("transpose", self.method("flatten", piece.node, 2), 1, 2)
        return self.sliced(piece)

    def sliced(self, piece: Piece) -> Any:
        """The tensor of the piece's own tokens."""
        if piece.whole:
            return piece.node
        stop = None if piece.start + piece.count == piece.total else piece.start + piece.count
        import operator

        where = (slice(None), slice(piece.start or None, stop))
        return self.graph.create_node("call_function", operator.getitem, (piece.node, where), {}, name=hint(piece.node))

    def closed(self, piece: Piece) -> Piece:
        """A piece that is no longer in windows."""
        if piece.opened is None:
            return piece
        from vitdsl.layers.windows import from_windows, windows_to_map

        opened, inner = piece.opened, piece.inner
        assert inner is not None and piece.grid is not None
        pad = opened.padding != (0, 0)
        if piece.form == "map" or inner != opened.size:
            node = piece.node
            if piece.form == "tokens":
                node = self.method("unflatten", self.method("transpose", node, 1, 2), 2, inner)
            height, width = self.size(opened.grid)
            node = self.function(windows_to_map, node, height, width, opened.size, opened.shift, pad, name="closed")
            self.seen(piece.grid, node)
            return Piece(node, "map", 0, piece.count, piece.count, piece.grid)
        height, width = self.size(piece.grid)
        node = self.function(from_windows, piece.node, height, width, opened.size, opened.shift, pad, name="closed")
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
        from vitdsl.layers.windows import map_to_windows, to_windows

        single = rope.single
        if (
            single is not None
            and single.opened is not None
            and _alike(single.opened, opened)
            and single.inner == opened.size
        ):
            return single
        count = rope.feature.num_tokens
        pad = opened.padding != (0, 0)
        height, width = self.size(opened.grid)
        if single is not None and single.form == "map" and single.opened is None:
            node = self.function(
                map_to_windows, single.node, height, width, opened.size, opened.shift, pad, name="windows"
            )
            return Piece(node, "map", 0, count, count, opened.grid, opened, opened.size)
        node = self.function(
            to_windows, self.tokens(rope), height, width, opened.size, opened.shift, pad, name="windows"
        )
        return Piece(node, "tokens", 0, count, count, opened.grid, opened, opened.size)

    def like(self, rope: Rope, shape: Piece) -> Any:
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

    def in_form(self, piece: Piece, form: Form) -> Any:
        """A windowed piece in the other form."""
        if piece.form == form:
            return piece.node
        if form == "tokens":
            return self.method("transpose", self.method("flatten", piece.node, 2), 1, 2)
        return self.method("unflatten", self.method("transpose", piece.node, 1, 2), 2, piece.inner)


def _alike(a: OpenWindows, b: OpenWindows) -> bool:
    """Whether two cuts give the same windows in the same order."""
    return a.shift == b.shift and a.counts == b.counts and a.padding == b.padding == (0, 0)


def replace_grid(opened: OpenWindows, grid: tuple[int, int] | None, inner: tuple[int, int] | None) -> OpenWindows:
    """The same windows over a grid of another size."""
    assert grid is not None and inner is not None
    return OpenWindows(size=inner, shift=opened.shift, grid=grid)


def hint(node: Any) -> str:
    """A name for a node that is another view of this one."""
    return identifier(node.name.rstrip("_0123456789")) if isinstance(node, fx.Node) else "value"


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


def retensored(piece: Piece, node: Any) -> Piece:
    """A whole piece of the same form with another tensor."""
    return Piece(node, piece.form, 0, piece.count, piece.count, piece.grid, piece.opened, piece.inner)


def raw(writer: Writer, rope: Rope) -> Any:
    """A tensor as it is: maps, biases and masks are never turned into tokens."""
    single = rope.single
    return single.node if single is not None else writer.map_piece(rope).node
