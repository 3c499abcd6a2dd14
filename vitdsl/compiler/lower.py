"""Lowers frames to forwards: a node becomes a call of a layer, a repetition a call of a module."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from vitdsl.compiler.fold import norm_pairs
from vitdsl.compiler.names import last_word
from vitdsl.compiler.ropes import Piece, Rope, Writer, raw, with_tensor
from vitdsl.compiler.statements import Forward, Layer, Returned, Value
from vitdsl.features import Feature
from vitdsl.graph.ir import Call, Frame, Node, joined
from vitdsl.graph.operators import CloseWindows, Combine, Join, LearnedTokens, OpenWindows, Put, Sections, Take
from vitdsl.layers.folding import conv_and_norm, linear_and_norm, pointwise_and_norm
from vitdsl.layers.replaceable import map_channels
from vitdsl.parts.base import Primitive
from vitdsl.parts.primitives.batch import Batch
from vitdsl.parts.primitives.gather import Gather
from vitdsl.parts.primitives.group import Group
from vitdsl.parts.primitives.linear import Linear
from vitdsl.parts.primitives.scale import Scale


class Written:
    """A frame that is lowered for one signature; repetitions with equal signatures share it.

    Attributes:
        name: the last word of the repetition's path.
        forward: the forward.
        children: the lowered frames of the numbered repetitions inside, by path.
        entering: the pieces that the forward takes, by stream, in order.
        outputs: the results of the forward: (stream, feature, piece), in order.
        appends: the values that it appends, likewise.
        sizes: the grids whose height and width the forward takes behind its tensors.
        chains: paths of containers that the forward calls as a whole, instead of layer by layer.
    """

    def __init__(self, name: str, forward: Forward) -> None:
        self.name, self.forward = name, forward
        self.chains: set[str] = set()
        self.children: dict[str, Written] = {}
        self.entering: dict[str, Piece] = {}
        self.outputs: list[tuple[str, Feature, Piece]] = []
        self.appends: list[tuple[str, Feature, Piece]] = []
        self.sizes: list[tuple[int, int]] = []


Memo = dict[Any, Written]
Given = tuple[dict[str, Rope], dict[str, list[Piece]]]
"""What a repetition gives and appends, by stream."""
Rule = Callable[["FrameWriter", Node, Feature, list[Rope]], Rope]
WITHOUT_MODULE = frozenset({Scale, Take, Put, Join, Sections, Combine, OpenWindows, CloseWindows, LearnedTokens})
"""Primitives without a layer; learned tokens are parameters."""
HINTS = {"scores": "maps", "weigh": "weights", "mask": "mask"}
"""Names of values, by the last word of the path of the module that makes them."""
LETTERS = ("qkv", "kv", "qk", "q", "k", "v")


class FrameWriter:
    """Writes the steps of one frame.

    Attributes:
        built: by path, the repetitions that are modules already; others are written in place. None: all are lowered.
        ropes: the rope of each value, by number.
        prefix: the module path of the frame, relative to the module of the forward.
        image: the model's input, in the forward of a model.
        rules: functions that write the operators that are more than a call of a layer.
    """

    def __init__(
        self, writer: Writer, frame: Frame, written: Written, prefix: str, memo: Memo, rules: Mapping[type, Rule]
    ) -> None:
        self.writer, self.frame, self.written, self.prefix, self.memo = writer, frame, written, prefix, memo
        self.rules = rules
        self._normed = {norm.output: linear.path for norm, linear, before in norm_pairs(frame) if not before}
        self.built: Mapping[str, Written] | None = None
        self.ropes: dict[int, Rope] = {}
        self.image: Value | None = None

    def run(self) -> None:
        """Writes every step, in order."""
        for step in self.frame.steps:
            if isinstance(step, Call):
                self._call(step)
                continue
            feature = self.frame.features[step.output]
            inputs = [self.ropes[number] for number in step.inputs]
            write = self.rules.get(type(step.op), FrameWriter.layer)
            self.writer.window_depth += step.times > 1
            self.ropes[step.output] = write(self, step, feature, inputs)
            self.writer.window_depth -= step.times > 1

    # ------------------------------------------------------------ layers

    def layer(self, node: Node, feature: Feature, inputs: list[Rope], *sizes: Any) -> Rope:
        """Writes a node as a call of its layer, with sizes behind its operands."""
        op, writer = node.op, self.writer
        extras = getattr(op, "extras", ())
        plain = inputs[: len(inputs) - len(extras)]
        shape = _kept(op, inputs)
        if isinstance(op, Linear) and shape is not None and shape.layout == "map" and self._goes_to_mixers(node.output):
            shape = None  # the mixers need tokens, and a product of tokens is faster than one of maps
        if shape is not None:
            arguments = [shape.node]
        elif op.layout == "map":
            arguments = [writer.map_piece(rope).node for rope in plain]
        elif isinstance(op, Gather):
            arguments = [writer.map_piece(plain[0]).node, writer.tokens(plain[1])]
        else:
            arguments = [writer.tokens(rope) for rope in plain]
        others = zip(extras, inputs[len(plain) :], strict=True)
        named: dict[str, Value] = {name: raw(writer, rope) for name, rope in others}
        layout = shape.layout if shape is not None else "tokens" if op.layout == "any" else op.layout
        out = self._call_layer(node, layout, [*arguments, *sizes], named)
        rope = self.result(op, feature, out, layout if op.gives == "same" else op.gives, shape)
        if not inputs:
            out.shape = None  # a table has no batch axis
        return rope

    def _goes_to_mixers(self, value: int) -> bool:
        """Whether all reads of a value are by mixers, as tokens."""
        ends = {*self.frame.outputs.values(), *(n for numbers in self.frame.appends.values() for n in numbers)}
        return value not in ends and _layouts_read(self.frame, value) == {"tokens"}

    def _call_layer(self, node: Node, layout: str, arguments: list[Value], named: dict[str, Value]) -> Value:
        """Writes the call of a layer, also of torch's own layers, which may need another layout than the value has."""
        if isinstance(node.op, Linear) and layout == "map":
            layer = Layer(joined(self.prefix, node.path))
            return self.writer.function(map_channels, layer, *arguments, hint=_hint(node))
        if isinstance(node.op, Batch) and (linear := self._normed.get(node.output)) is not None:
            call = arguments[0].maker
            if call is not None and joined(self.prefix, linear) in call.layers():
                on_map = pointwise_and_norm if call.target is map_channels else conv_and_norm
                call.follow(linear_and_norm if layout == "tokens" else on_map, joined(self.prefix, node.path))
                return arguments[0]
        if isinstance(node.op, Batch) and layout == "tokens":
            (x,) = arguments
            return self.writer.method("view_as", self.module(node, self.writer.method("flatten", x, 0, 1)), x)
        if isinstance(node.op, Group) and layout == "tokens":
            column = self.writer.method("unsqueeze", self.writer.method("transpose", arguments[0], 1, 2), 3)
            normed = self.writer.method("squeeze", self.module(node, column), 3)
            return self.writer.method("transpose", normed, 1, 2)
        return self.module(node, *arguments, **named)

    def module(self, node: Node, *arguments: Any, **named: Any) -> Value:
        """Writes the call of a node's module."""
        return self.writer.module(joined(self.prefix, node.path), *arguments, hint=_hint(node), **named)

    def result(self, op: Primitive, feature: Feature, out: Value, layout: Any, shape: Piece | None = None) -> Rope:
        """The result of a module as a rope; `shape` is the operand whose layout it keeps."""
        count = feature.num_tokens
        if shape is not None and op.gives == "same":
            piece = Piece(out, shape.layout, 0, count, count, feature.grid, shape.windows, shape.inner)
        else:
            piece = Piece(out, layout, 0, count, count, feature.grid)
        self._note_map(piece)
        describe(piece, feature, self.writer.window_depth)
        return Rope(feature, [piece])

    def _note_map(self, piece: Piece) -> None:
        """Notes a piece that is a map, so that the size of its grid can be read from it."""
        if piece.layout == "map" and piece.grid is not None and piece.windows is None:
            self.writer.note_map(piece.grid, piece.node)

    # ------------------------------------------------------------ calls

    def _call(self, step: Call) -> None:
        """Writes a call: repetitions become calls of modules; stages, the head, and what is not built are inlined."""
        state = {name: self.ropes[number] for name, number in step.reads.items()}
        appended: dict[str, list[Piece]] = {name: [] for name in step.appends}
        for own, frame in step.paths():
            path = joined(self.prefix, own)
            apart = step.numbered and (self.built is None or path in self.built)
            after, more = (self._call_module if apart else self._inline)(frame, path, state)
            state.update(after)
            for name, pieces in more.items():
                appended[name] += pieces
        for name, value in step.gives.items():
            self.ropes[value] = state[name]
        for name, value in step.appends.items():
            self.ropes[value] = Rope(self.frame.features[value], appended[name])

    def _inline(self, frame: Frame, path: str, state: dict[str, Rope]) -> Given:
        inner = FrameWriter(self.writer, frame, self.written, path, self.memo, self.rules)
        inner.image, inner.built = self.image, self.built
        inner.ropes = {value: state[name] for name, value in frame.inputs.items()}
        inner.run()
        appended = {n: [p for v in values for p in inner.ropes[v].pieces] for n, values in frame.appends.items()}
        return {name: inner.ropes[value] for name, value in frame.outputs.items()}, appended

    def _call_module(self, frame: Frame, path: str, state: dict[str, Rope]) -> Given:
        if self.built is not None:
            written = self.built[path]
            tensors = [self.writer.like(state[name], piece) for name, piece in written.entering.items()]
        else:
            written, tensors = self._lowered(frame, path, state)
        self.written.children[path] = written
        sizes = [length for grid in written.sizes for length in self.writer.size(grid)]
        count = len(written.outputs) + len(written.appends)
        return self._unpacked(written, self.writer.forward.add("module", path, *tensors, *sizes, count=count))

    def _lowered(self, frame: Frame, path: str, state: dict[str, Rope]) -> tuple[Written, list[Any]]:
        """The lowered frame of a repetition for its operands here, and their tensors."""
        entering = {name: self._entering(state[name], frame, value) for name, value in frame.inputs.items()}
        depth = self.writer.window_depth
        key = (id(frame), bool(depth), tuple((name, piece.shape) for name, piece in entering.items()))
        if key not in self.memo:
            self.memo[key] = write_frame(frame, entering, last_word(path), self.memo, self.rules, depth)
        return self.memo[key], [piece.node for piece in entering.values()]

    def _entering(self, rope: Rope, frame: Frame, value: int) -> Piece:
        """The operand of a repetition as one piece; a map becomes tokens if the frame reads it as tokens only."""
        single = rope.single
        if single is None:
            return self.writer.token_piece(rope)
        plain = single.layout == "map" and single.windows is None
        return self.writer.token_piece(rope) if plain and _layouts_read(frame, value) == {"tokens"} else single

    def _unpacked(self, inner: Written, values: list[Value]) -> Given:
        after: dict[str, Rope] = {}
        appended: dict[str, list[Piece]] = {}
        for index, (name, feature, piece) in enumerate([*inner.outputs, *inner.appends]):
            made = with_tensor(piece, values[index])
            describe(made, feature, self.writer.window_depth)
            if index < len(inner.outputs):
                after[name] = Rope(feature, [made])
                self._note_map(made)
            else:
                appended.setdefault(name, []).append(made)
        return after, appended


def write_frame(
    frame: Frame, entering: dict[str, Piece], name: str, memo: Memo, rules: Mapping[type, Rule], window_depth: int
) -> Written:
    """Lowers the frame of a repetition; a stream that it changes keeps its layout."""
    forward = Forward()
    written = Written(name, forward)
    writer = Writer(forward, sizes_as_parameters=not window_depth)
    writer.window_depth = window_depth
    inner = FrameWriter(writer, frame, written, "", memo, rules)
    for stream, value in frame.inputs.items():
        own = with_tensor(entering[stream], forward.enter(stream))
        written.entering[stream] = own
        inner.ropes[value] = Rope(frame.features[value], [own])
        inner._note_map(own)
    inner.run()
    tensors = []
    for stream, value in frame.outputs.items():
        rope = inner.ropes[value]
        kept = stream in frame.inputs and frame.features[frame.inputs[stream]] == rope.feature
        piece = entering[stream] if kept else (rope.single or writer.token_piece(rope))
        tensors.append(writer.like(rope, piece) if kept else piece.node)
        written.outputs.append((stream, rope.feature, piece))
    for stream, values in frame.appends.items():
        for value in values:
            piece = writer.token_piece(inner.ropes[value])
            tensors.append(piece.node)
            written.appends.append((stream, inner.ropes[value].feature, piece))
    forward.returned = Returned(tensors)
    forward.cut_at_once()
    forward.prune(modules=False)
    for grid, lengths in writer.size_parameters.items():
        if any(forward.is_read(length) for length in lengths):
            written.sizes.append(grid)
            forward.entries += lengths
    return written


def _layouts_read(frame: Frame, value: int) -> set[str]:
    """The layouts in which operators read a value, directly or behind operators that take any layout."""
    reached, layouts = {value}, set[str]()
    for step in frame.steps:
        if isinstance(step, Call):
            read = [name for name, number in step.reads.items() if number in reached]
            for first in step.frames[:1]:
                entering = [first.inputs[name] for name in read if name in first.inputs]
                layouts = layouts.union(*(_layouts_read(first, number) for number in entering))
            reached |= set(step.gives.values()) if read else set()
        elif reached.intersection(step.inputs):
            op = step.op
            if op.layout == "map" or (isinstance(op, Gather) and step.inputs[0] in reached):
                layouts.add("map")
            elif op.layout == "tokens" and op.mixes:
                layouts.add("tokens")
            else:
                reached.add(step.output)
    return layouts


def describe(piece: Piece, feature: Feature, window_depth: int) -> None:
    """Notes the shape of a whole piece, for a comment in the source; `window_depth` is that of the writer."""
    if not piece.whole:
        return
    batch = "B·windows" if window_depth or piece.windows is not None else "B"
    grid = piece.inner if piece.windows is not None else piece.grid
    if piece.layout == "tokens":
        count = piece.count if piece.windows is None or grid is None else grid[0] * grid[1]
        piece.node.shape = (f"({batch}, {count}, {feature.dim})", f"({batch}, N, C)")
    elif grid is not None:
        piece.node.shape = (f"({batch}, {feature.dim}, {grid[0]}, {grid[1]})", f"({batch}, C, H, W)")


def _hint(node: Node) -> str:
    """The name of a module's result, or an empty text."""
    word = last_word(node.path.removesuffix(".norm"))
    if not node.inputs and word != "mask":
        return "bias"
    return word if word in LETTERS else HINTS.get(word, "")


def _kept(op: Primitive, inputs: list[Rope]) -> Piece | None:
    """The operand whose layout an operator keeps: it takes any layout, and the feature is one tensor. Else None."""
    if op.layout != "any" and not (op.layout == "tokens" and not op.mixes and len(inputs) == 1):
        return None
    single = inputs[0].single if inputs else None
    if single is None or (single.windows is not None and (op.mixes or op.by_place)):
        return None
    return single if op.layout == "any" or single.layout == "tokens" else None
