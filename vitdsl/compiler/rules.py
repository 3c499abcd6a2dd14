"""Lowers the operators that are not just a call of a layer: splices, sums, windows, positions."""

from __future__ import annotations

import operator
from typing import Any

import torch

from vitdsl.compiler.lower import FrameWriter, Rule, describe
from vitdsl.compiler.ropes import Piece, Rope, Writer, cut, cuttable, raw, with_tensor
from vitdsl.compiler.statements import Layer, Number
from vitdsl.features import Feature
from vitdsl.graph.ir import Node, joined
from vitdsl.graph.operators import CloseWindows, Combine, Join, LearnedTokens, OpenWindows, Put, Sections, Take
from vitdsl.graph.views.attention import MapOfAttend, SeenMap, Weighed
from vitdsl.layers.attention import weigh_values
from vitdsl.layers.convolution import windows_along
from vitdsl.layers.maps import map_of_attend
from vitdsl.parts.primitives.drop_path import DropPath
from vitdsl.parts.primitives.learned import Learned
from vitdsl.parts.primitives.offset_table import OffsetTable
from vitdsl.parts.primitives.relative_logits import RelativeLogits
from vitdsl.parts.primitives.relative_table import RelativeTable
from vitdsl.parts.primitives.resize_to_image import ResizeToImage
from vitdsl.parts.primitives.scale import Scale
from vitdsl.parts.primitives.sincos2d import Sincos2d
from vitdsl.parts.primitives.unfold import Unfold


def _scale(self: FrameWriter, node: Node, feature: Feature, inputs: list[Rope]) -> Rope:
    assert isinstance(node.op, Scale)
    value = node.op.value
    pieces = [
        with_tensor(p, self.writer.function(operator.mul, self.writer.sliced(p), Number(value, "scale")))
        for p in inputs[0].pieces
    ]
    return Rope(feature, pieces)


def _drop_path(self: FrameWriter, node: Node, feature: Feature, inputs: list[Rope]) -> Rope:
    single = inputs[0].single
    if single is None or single.windows is None:
        return self.layer(node, feature, inputs)
    rows, columns = single.windows.counts
    return self.result(
        node.op, feature, self.module(node, single.node, Number(rows * columns, "windows")), "tokens", single
    )


def _tokens(self: FrameWriter, node: Node, feature: Feature, inputs: list[Rope]) -> Rope:
    writer, op = self.writer, node.op
    assert isinstance(op, LearnedTokens) and self.image is not None
    pieces = []
    for name in op.names or ("weight",):
        (batch,) = writer.forward.add("batch", None, self.image)
        (table,) = writer.forward.add("parameter", f"{joined(self.prefix, node.path)}.{name}")
        count = 1 if op.names else op.count
        pieces.append(Piece(writer.method("expand", table, batch, -1, -1), "tokens", 0, count, count))
    return Rope(feature, pieces)


def _take(self: FrameWriter, node: Node, feature: Feature, inputs: list[Rope]) -> Rope:
    assert isinstance(node.op, Take)
    rope = cuttable(self.writer, inputs[0], node.op.start, node.op.stop)
    pieces = cut(rope, node.op.start, node.op.stop)
    return Rope(feature, [_gridded(pieces[0], feature)] if len(pieces) == 1 else pieces)


def _gridded(piece: Piece, feature: Feature) -> Piece:
    """The piece with the grid of the feature, which is all of the piece."""
    return Piece(
        piece.node, piece.layout, piece.start, piece.count, piece.total, feature.grid, piece.windows, piece.inner
    )


def _put(self: FrameWriter, node: Node, feature: Feature, inputs: list[Rope]) -> Rope:
    assert isinstance(node.op, Put)
    base = cuttable(self.writer, inputs[0], node.op.start, node.op.stop)
    whole = base.feature.num_tokens
    return Rope(feature, [*cut(base, 0, node.op.start), *inputs[1].pieces, *cut(base, node.op.stop, whole)])


def _join(self: FrameWriter, node: Node, feature: Feature, inputs: list[Rope]) -> Rope:
    return Rope(feature, [piece for rope in inputs for piece in rope.pieces])


def _sections(self: FrameWriter, node: Node, feature: Feature, inputs: list[Rope]) -> Rope:
    assert isinstance(node.op, Sections)
    piece = inputs[0].single or self.writer.token_piece(inputs[0])
    axis = -1 if piece.layout == "tokens" else 1
    out = self.writer.forward.section(piece.node, axis, node.op.start, node.op.stop, inputs[0].feature.dim)
    return Rope(feature, [with_tensor(piece, out)])


def _combine(self: FrameWriter, node: Node, feature: Feature, inputs: list[Rope]) -> Rope:
    assert isinstance(node.op, Combine)
    writer, how = self.writer, node.op.how
    fullest = max(inputs, key=lambda rope: rope.feature.num_tokens)
    first = fullest.single or writer.token_piece(fullest)
    nodes = [_beside(writer, rope, first, how) for rope in inputs]
    if how == "concat":
        out = writer.function(torch.cat, nodes, dim=-1 if first.layout == "tokens" else 1)
    else:
        out = nodes[0]
        for other in nodes[1:]:
            out = writer.function(operator.mul if how == "multiply" else operator.add, out, other)
        if how == "mean":
            out = writer.function(operator.truediv, out, len(nodes))
    piece = Piece(
        out, first.layout, 0, feature.num_tokens, feature.num_tokens, feature.grid, first.windows, first.inner
    )
    describe(piece, feature, writer.window_depth)
    return Rope(feature, [piece])


def _beside(writer: Writer, rope: Rope, first: Piece, how: str) -> Any:
    """A rope as an operand beside a piece, in its layout; a single token is broadcast."""
    if rope.feature.num_tokens == first.count:
        return writer.like(rope, first)
    token = writer.tokens(rope)
    if first.windows is not None:
        rows, columns = first.windows.counts
        token = writer.method("repeat_interleave", token, Number(rows * columns, "windows"), 0)
    return writer.method("unsqueeze", writer.method("transpose", token, 1, 2), 3) if first.layout == "map" else token


def _open(self: FrameWriter, node: Node, feature: Feature, inputs: list[Rope]) -> Rope:
    assert isinstance(node.op, OpenWindows)
    piece = self.writer.windowed(inputs[0], node.op)
    return Rope(feature, [Piece(piece.node, piece.layout, 0, feature.num_tokens, feature.num_tokens, feature.grid)])


def _close(self: FrameWriter, node: Node, feature: Feature, inputs: list[Rope]) -> Rope:
    assert isinstance(node.op, CloseWindows)
    (rope,) = inputs
    self.writer.window_depth += 1
    piece = self.writer.closed(rope.single or self.writer.token_piece(rope))
    self.writer.window_depth -= 1
    closed = Piece(
        piece.node,
        piece.layout,
        0,
        feature.num_tokens,
        feature.num_tokens,
        feature.grid,
        node.op.opened,
        rope.feature.grid,
    )
    if node.op.opened.padding != (0, 0):
        closed = self.writer.closed(closed)
    return Rope(feature, [closed])


def _learned(self: FrameWriter, node: Node, feature: Feature, inputs: list[Rope]) -> Rope:
    """A learned table is resized with the image; a table of windows acts in each window."""
    op, writer = node.op, self.writer
    assert isinstance(op, Learned)
    if op.windows is not None:
        assert feature.grid is not None
        piece = writer.windowed(inputs[0], OpenWindows(size=op.windows, grid=feature.grid))
        tensor = writer.in_layout(piece, "tokens")
        out = self.module(node, tensor)
        return Rope(
            feature, [Piece(out, "tokens", 0, piece.count, piece.count, piece.grid, piece.windows, piece.inner)]
        )
    sizes = writer.size(feature.grid) if feature.grid is not None else ()
    return self.result(op, feature, self.module(node, writer.tokens(inputs[0]), *sizes), "tokens")


def _unfold(self: FrameWriter, node: Node, feature: Feature, inputs: list[Rope]) -> Rope:
    """If the open windows are the patches, they are only reshaped; else the size of the new grid is computed."""
    op, writer = node.op, self.writer
    assert isinstance(op, Unfold) and feature.grid is not None
    single = inputs[0].single
    tiles = op.step == op.kernel and op.margin == (0, 0)
    if (
        tiles
        and single is not None
        and single.windows is not None
        and single.inner == op.kernel
        and single.windows.shift == (0, 0)
    ):
        node_ = single.node if single.layout == "map" else writer.method("transpose", single.node, 1, 2)
        flat = writer.method(
            "unflatten", writer.method("flatten", node_, 1), 0, (-1, Number(feature.num_tokens, "count"))
        )
        return self.result(op, feature, flat, "tokens")
    entering = inputs[0].feature.grid
    assert entering is not None
    out = self.module(node, writer.map_piece(inputs[0]).node)
    if not writer.window_depth and feature.grid not in writer.sizes and feature.grid not in writer.maps:
        lengths = writer.size(entering)
        writer.sizes[feature.grid] = tuple(  # type: ignore[assignment]
            _slid(writer, length, op, i) for i, length in enumerate(lengths)
        )
    return self.result(op, feature, out, "tokens")


def _slid(writer: Writer, length: Any, op: Unfold, axis: int) -> Any:
    """(length + 2·padding - kernel + stride) // stride, or ⌈length / stride⌉; written as code if length is a value."""
    stride = op.step[axis]
    if op.fit == "pad":
        sliding = (op.kernel[axis], stride, op.margin[axis])
        return writer.function(windows_along, length, *sliding)
    more = stride - 1 if op.margin == "same" else 2 * op.margin[axis] - op.kernel[axis] + stride
    if isinstance(length, Number):
        return Number((length.value + more) // stride, length.name)
    reach = writer.function(operator.add, length, more) if more else length
    return writer.function(operator.floordiv, reach, stride, hint=length.hint) if stride > 1 else reach


def _resize_to_image(self: FrameWriter, node: Node, feature: Feature, inputs: list[Rope]) -> Rope:
    """The grid is resized to the size of the model's image."""
    assert feature.grid is not None
    entering = self.writer.map_piece(inputs[0]).node
    return self.result(node.op, feature, self.module(node, entering, *self.writer.size(feature.grid)), "map")


def _map_of_attend(self: FrameWriter, node: Node, feature: Feature, inputs: list[Rope]) -> Rope:
    """The module of the `attend` says what it weighs by."""
    assert isinstance(node.op, MapOfAttend)
    writer, (q, k, *others) = self.writer, inputs
    extras = {name: raw(writer, rope) for name, rope in zip(node.op.extras, others, strict=True)}
    layer = Layer(joined(self.prefix, node.path))
    out = writer.function(map_of_attend, layer, writer.tokens(q), writer.tokens(k), hint="weights", **extras)
    return Rope(feature, [Piece(out, "map", 0, feature.num_tokens, feature.num_tokens, feature.grid)])


def _weighed(self: FrameWriter, node: Node, feature: Feature, inputs: list[Rope]) -> Rope:
    maps, v = inputs
    out = self.writer.function(weigh_values, raw(self.writer, maps), self.writer.tokens(v))
    return self.result(node.op, feature, out, "tokens")


def _seen_map(self: FrameWriter, node: Node, feature: Feature, inputs: list[Rope]) -> Rope:
    return Rope(feature, [self.writer.map_piece(inputs[0])])


def _sized(self: FrameWriter, node: Node, feature: Feature, inputs: list[Rope]) -> Rope:
    """A table is given the size of its grid, but in windows, where it has one size."""
    grid = getattr(node.op, "grid", None) or inputs[0].feature.grid
    sizes = () if self.writer.window_depth or grid is None else self.writer.size(grid)
    return self.layer(node, feature, inputs, *sizes)


RULES: dict[type, Rule] = {
    Scale: _scale, DropPath: _drop_path, LearnedTokens: _tokens, Take: _take, Put: _put, Join: _join,
    Sections: _sections, Combine: _combine, OpenWindows: _open, CloseWindows: _close, Learned: _learned,
    MapOfAttend: _map_of_attend, Weighed: _weighed, SeenMap: _seen_map,
    Unfold: _unfold, ResizeToImage: _resize_to_image, OffsetTable: _sized, RelativeTable: _sized,
    RelativeLogits: _sized, Sincos2d: _sized,
}  # fmt: skip
