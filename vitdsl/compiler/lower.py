"""Frames to forwards: every node a call of a layer, every repetition a call of a module."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from vitdsl.compiler.fold import norm_pairs
from vitdsl.compiler.names import last_word
from vitdsl.compiler.ropes import Piece, Rope, Writer, raw, retensored
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
    """A frame with one signature: its forward, shared by all repetitions.

    Attributes:
        forward: what it does.
        name: of the repetition, by the last word of its path.
        children: what is written for each numbered repetition inside, by path.
        entering: by stream, the piece that the forward takes, in order.
        outputs: what the forward gives back: (stream, feature, piece), in order.
        appends: likewise, what it appends.
        sizes: grids whose height and width the forward wants behind its tensors.
        chains: paths of containers that the forward calls, rather than their layers in order.
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
Rule = Callable[["FrameWriter", Node, Feature, list[Rope]], Rope]
WITHOUT_MODULE = frozenset({Scale, Take, Put, Join, Sections, Combine, OpenWindows, CloseWindows, LearnedTokens})
"""Primitives for which no layer is built; learned tokens are parameters of their own."""
HINTS = {"scores": "maps", "weigh": "weights", "mask": "mask"}
"""What values are called, by the last word of the path of the module that makes them."""
LETTERS = ("qkv", "kv", "qk", "q", "k", "v")


class FrameWriter:
    """Writes the steps of one frame.

    Attributes:
        built: what modules were written as that there are already, by path.
        ropes: the feature of each value, by number.
        prefix: the module path of the frame below the root of what is written.
        image: the model's input, where this is written in place.
        rules: how operators are written that are more than the call of a layer.
    """

    def __init__(
        self, writer: Writer, frame: Frame, written: Written, prefix: str, memo: Memo, rules: Mapping[type, Rule]
    ) -> None:
        self.writer, self.frame, self.written, self.prefix, self.memo = writer, frame, written, prefix, memo
        self.rules = rules
        self._normed = {norm.output: linear.path for norm, linear, before in norm_pairs(frame) if not before}
        self.built: Mapping[str, Written] = {}
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
            self.writer.inside += step.times > 1
            self.ropes[step.output] = write(self, step, feature, inputs)
            self.writer.inside -= step.times > 1

    # ------------------------------------------------------------ layers

    def layer(self, node: Node, feature: Feature, inputs: list[Rope]) -> Rope:
        """A call of the node's module."""
        op, writer = node.op, self.writer
        extras = getattr(op, "extras", ())
        plain = inputs[: len(inputs) - len(extras)]
        shape = _kept(op, inputs)
        if isinstance(op, Linear) and shape is not None and shape.form == "map" and self._goes_to_mixers(node.output):
            shape = None  # a product of tokens is faster than one of maps, and tokens are what is wanted
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
        form = shape.form if shape is not None else "tokens" if op.layout == "any" else op.layout
        out = self._call_layer(node, form, arguments, named)
        rope = self.result(op, feature, out, form if op.gives == "same" else op.gives, shape)
        if not inputs:
            out.shape = None  # a table is the same for all images
        return rope

    def _goes_to_mixers(self, value: int) -> bool:
        """Whether a value is read as tokens by mixers, and as nothing else."""
        ends = {*self.frame.outputs.values(), *(n for numbers in self.frame.appends.values() for n in numbers)}
        return value not in ends and _asked(self.frame, value) == {"tokens"}

    def _call_layer(self, node: Node, form: str, arguments: list[Value], named: dict[str, Value]) -> Value:
        """The call of a layer, also where torch's own layer of its kind takes another layout than the value has."""
        if isinstance(node.op, Linear) and form == "map":
            layer = Layer(joined(self.prefix, node.path))
            return self.writer.function(map_channels, layer, *arguments, hint=_hint(node))
        if isinstance(node.op, Batch) and (linear := self._normed.get(node.output)) is not None:
            call = arguments[0].maker
            if call is not None and joined(self.prefix, linear) in call.layers():
                on_map = pointwise_and_norm if call.target is map_channels else conv_and_norm
                call.follow(linear_and_norm if form == "tokens" else on_map, joined(self.prefix, node.path))
                return arguments[0]
        if isinstance(node.op, Batch) and form == "tokens":
            (x,) = arguments
            return self.writer.method("view_as", self.module(node, self.writer.method("flatten", x, 0, 1)), x)
        if isinstance(node.op, Group) and form == "tokens":
            column = self.writer.method("unsqueeze", self.writer.method("transpose", arguments[0], 1, 2), 3)
            normed = self.writer.method("squeeze", self.module(node, column), 3)
            return self.writer.method("transpose", normed, 1, 2)
        return self.module(node, *arguments, **named)

    def module(self, node: Node, *arguments: Any, **named: Any) -> Value:
        """Writes the call of a node's module."""
        return self.writer.module(joined(self.prefix, node.path), *arguments, hint=_hint(node), **named)

    def result(self, op: Primitive, feature: Feature, out: Value, form: Any, shape: Piece | None = None) -> Rope:
        """What a module gave, as a rope; `shape` is the piece whose layout it kept."""
        count = feature.num_tokens
        if shape is not None and op.gives == "same":
            piece = Piece(out, shape.form, 0, count, count, feature.grid, shape.opened, shape.inner)
        else:
            piece = Piece(out, form, 0, count, count, feature.grid)
        self._seen(piece)
        describe(piece, feature, self.writer.inside)
        return Rope(feature, [piece])

    def _seen(self, piece: Piece) -> None:
        """Notes a map, from which the size of its grid can be read."""
        if piece.form == "map" and piece.grid is not None and piece.opened is None:
            self.writer.seen(piece.grid, piece.node)

    # ------------------------------------------------------------ calls

    def _call(self, step: Call) -> None:
        """Frames that are numbered are modules of their own; stages and head are written in place."""
        state = {name: self.ropes[number] for name, number in step.reads.items()}
        appended: dict[str, list[Piece]] = {name: [] for name in step.appends}
        run = self._called if step.numbered else self._in_place
        for path, frame in step.paths():
            after, more = run(frame, joined(self.prefix, path), state)
            state.update(after)
            for name, pieces in more.items():
                appended[name] += pieces
        for name, value in step.gives.items():
            self.ropes[value] = state[name]
        for name, value in step.appends.items():
            self.ropes[value] = Rope(self.frame.features[value], appended[name])

    def _in_place(
        self, frame: Frame, path: str, state: dict[str, Rope]
    ) -> tuple[dict[str, Rope], dict[str, list[Piece]]]:
        inner = FrameWriter(self.writer, frame, self.written, path, self.memo, self.rules)
        inner.image, inner.built = self.image, self.built
        inner.ropes = {value: state[name] for name, value in frame.inputs.items()}
        inner.run()
        appended = {n: [p for v in values for p in inner.ropes[v].pieces] for n, values in frame.appends.items()}
        return {name: inner.ropes[value] for name, value in frame.outputs.items()}, appended

    def _called(
        self, frame: Frame, path: str, state: dict[str, Rope]
    ) -> tuple[dict[str, Rope], dict[str, list[Piece]]]:
        if path in self.built:
            written = self.built[path]
            tensors = [self.writer.like(state[name], piece) for name, piece in written.entering.items()]
        else:
            written, tensors = self._written(frame, path, state)
        self.written.children[path] = written
        sizes = [length for grid in written.sizes for length in self.writer.size(grid)]
        count = len(written.outputs) + len(written.appends)
        return self._unpacked(written, self.writer.forward.add("module", path, *tensors, *sizes, count=count))

    def _written(self, frame: Frame, path: str, state: dict[str, Rope]) -> tuple[Written, list[Any]]:
        """The forward of a repetition for what enters it here, and the tensors that do."""
        entering = {name: self._entering(state[name], frame, value) for name, value in frame.inputs.items()}
        key = (id(frame), bool(self.writer.inside), tuple((name, piece.shape) for name, piece in entering.items()))
        if key not in self.memo:
            self.memo[key] = write_frame(frame, entering, last_word(path), self.memo, self.rules, self.writer.inside)
        return self.memo[key], [piece.node for piece in entering.values()]

    def _entering(self, rope: Rope, frame: Frame, value: int) -> Piece:
        """What a repetition takes: the tensor there is, but for a map that nobody inside wants as one."""
        single = rope.single
        if single is None:
            return self.writer.token_piece(rope)
        plain = single.form == "map" and single.opened is None
        return self.writer.token_piece(rope) if plain and _asked(frame, value) == {"tokens"} else single

    def _unpacked(self, inner: Written, values: list[Value]) -> tuple[dict[str, Rope], dict[str, list[Piece]]]:
        after: dict[str, Rope] = {}
        appended: dict[str, list[Piece]] = {}
        for index, (name, feature, piece) in enumerate([*inner.outputs, *inner.appends]):
            made = retensored(piece, values[index])
            describe(made, feature, self.writer.inside)
            if index < len(inner.outputs):
                after[name] = Rope(feature, [made])
                self._seen(made)
            else:
                appended.setdefault(name, []).append(made)
        return after, appended


def write_frame(
    frame: Frame, entering: dict[str, Piece], name: str, memo: Memo, rules: Mapping[type, Rule], inside: int
) -> Written:
    """The forward of a repetition; what it gives back has the form of what it takes."""
    forward = Forward()
    written = Written(name, forward)
    writer = Writer(forward, outside=not inside)
    writer.inside = inside
    inner = FrameWriter(writer, frame, written, "", memo, rules)
    for stream, value in frame.inputs.items():
        own = retensored(entering[stream], forward.enter(stream))
        written.entering[stream] = own
        inner.ropes[value] = Rope(frame.features[value], [own])
        inner._seen(own)
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
    for grid, lengths in writer.asked.items():
        if any(forward.is_read(length) for length in lengths):
            written.sizes.append(grid)
            forward.entries += lengths
    return written


def _asked(frame: Frame, value: int) -> set[str]:
    """The layouts that a value is asked for, as it is or after operators that take any: `tokens` by mixers, `map`."""
    reached, forms = {value}, set[str]()
    for step in frame.steps:
        if isinstance(step, Call):
            read = [name for name, number in step.reads.items() if number in reached]
            for first in step.frames[:1]:
                forms = forms.union(*(_asked(first, first.inputs[name]) for name in read if name in first.inputs))
            reached |= set(step.gives.values()) if read else set()
        elif reached.intersection(step.inputs):
            op = step.op
            if op.layout == "map" or (isinstance(op, Gather) and step.inputs[0] in reached):
                forms.add("map")
            elif op.layout == "tokens" and op.mixes:
                forms.add("tokens")
            else:
                reached.add(step.output)
    return forms


def describe(piece: Piece, feature: Feature, inside: int) -> None:
    """Notes what a comment says of the shape of a whole piece; `inside` is how many windows are open."""
    if not piece.whole:
        return
    batch = "B·windows" if inside or piece.opened is not None else "B"
    grid = piece.inner if piece.opened is not None else piece.grid
    if piece.form == "tokens":
        count = piece.count if piece.opened is None or grid is None else grid[0] * grid[1]
        piece.node.shape = (f"({batch}, {count}, {feature.dim})", f"({batch}, N, C)")
    elif grid is not None:
        piece.node.shape = (f"({batch}, {feature.dim}, {grid[0]}, {grid[1]})", f"({batch}, C, H, W)")


def _hint(node: Node) -> str:
    """What to call what a module gives."""
    word = last_word(node.path.removesuffix(".norm"))
    if not node.inputs and word != "mask":
        return "bias"
    return word if word in LETTERS else HINTS.get(word, "")


def _kept(op: Primitive, inputs: list[Rope]) -> Piece | None:
    """The piece whose layout an operator keeps: one that takes any layout, of a feature in one tensor."""
    if op.layout != "any" and not (op.layout == "tokens" and not op.mixes and len(inputs) == 1):
        return None
    single = inputs[0].single if inputs else None
    if single is None or (single.opened is not None and (op.mixes or op.by_place)):
        return None
    if op.layout == "tokens" and single.form != "tokens":
        return None
    return single
