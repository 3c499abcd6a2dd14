"""The graph of a spec as boxes: frames become boxes, repetitions one box each, the operators of a part one box."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import takewhile
from typing import Any

from vitdsl.features import Cost, Feature
from vitdsl.graph.graph import Graph
from vitdsl.graph.ir import HEAD, Call, Frame, Node, joined
from vitdsl.graph.paths import nearest, paths
from vitdsl.graph.printing import field_texts
from vitdsl.pictures.boxes import Body, Box, Port
from vitdsl.pictures.grouping import grouped, part_path
from vitdsl.pictures.repeats import Run, runs
from vitdsl.pictures.units import Unit, Values, assembled
from vitdsl.pictures.words import note_of, note_of_part, title_of, title_of_part
from vitdsl.spec import Spec
from vitdsl.syntax.paths import format_path, parse_path

PASSING = {"sections", "drop_path", "dropout"}
"""Operators that no picture shows: they cut channels, or do nothing in evaluation. What holds them has their cost."""
APPENDED = "[]"
"""How the name of an output ends that repetitions append to."""
SIGNS = {"combine", "join", "put", "take", "open_windows", "close_windows"}


def open_spec(spec: Spec, size: int | tuple[int, int] | None = None) -> Box:
    """The model of a spec as boxes.

    Args:
        spec: a spec without open holes.
        size: of the image, in place of the spec's.

    Raises:
        SpecError: its features do not fit, or it has holes.
    """
    graph = spec.graph(size)
    root = _Opening(spec).model(graph)
    root.count_all()
    return root


class _Opening:
    def __init__(self, spec: Spec) -> None:
        self._tree, self._pairs = spec.tree, paths(spec)

    def model(self, graph: Graph) -> Box:
        """The whole model; its exits are the outputs, those of training alone too."""
        frame = graph.frame
        several, names = len(graph.evaluation) > 1, dict[int, list[str]]()
        for name, weight in graph.evaluation.items():
            names.setdefault(graph.outputs[name], []).append(f"{name} · {weight:g}" if several else name)
        for name, number in (graph.training or {}).items():
            if number not in names:
                names[number] = [f"{name}, in training"]
        body = self._body(frame, "", {", ".join(words): number for number, words in names.items()})
        return Box("model", "", "", "", "", frame.cost, body.entries, body.exits, body=body)

    def _body(self, frame: Frame, prefix: str, exits: Mapping[str, int] | None = None) -> Body:
        """What a frame holds."""
        values = Values(frame)
        units = [unit for steps in grouped(frame.steps) for unit in self._units(steps, frame, values, prefix)]
        read = {number for unit in units for number in unit.reads} | {values.of(n) for n in frame.outputs.values()}
        entries = [(name, number) for name, number in frame.inputs.items() if number in read]
        if exits is None:
            appends = [(name + APPENDED, number) for name, found in frame.appends.items() for number in found]
            gives = [*frame.outputs.items(), *appends]
        else:
            gives = [*exits.items()]
        return assembled(units, entries, gives, values)

    def _units(self, steps: list[Node | Call], frame: Frame, values: Values, prefix: str) -> Iterator[Unit]:
        first = steps[0]
        if isinstance(first, Call):
            yield from self._call(first, values, prefix)
        elif len(steps) > 1:
            yield self._part([step for step in steps if isinstance(step, Node)], frame, values, prefix)
        elif first.op.type in PASSING:
            values.pass_on(first.output, first.inputs[0])
        else:
            yield self._operator(first, values, prefix)

    def _operator(self, node: Node, values: Values, prefix: str) -> Unit:
        inputs, output = [values.features[number] for number in node.inputs], values.features[node.output]
        path, reads = joined(prefix, node.path), [values.of(number) for number in node.inputs]
        box = Box(
            "sign" if node.op.type in SIGNS else "operator", title_of(node, inputs, output),
            note_of(node.op), path, self._written(path), node.cost,
            [Port("", values.features[number]) for number in reads], [Port("", output)], fields=[*field_texts(node.op)],
        )  # fmt: skip
        return Unit(box, reads, [node.output])

    def _part(self, nodes: list[Node], frame: Frame, values: Values, prefix: str) -> Unit:
        """Operators of one part as a box; values that are read elsewhere leave it."""
        inner = [unit for node in nodes for unit in self._units([node], frame, values, prefix)]
        made = dict.fromkeys(number for unit in inner for number in unit.gives)
        reads = dict.fromkeys(number for unit in inner for number in unit.reads if number not in made)
        inside = {id(node) for node in nodes}
        used = {values.of(n) for step in frame.steps if id(step) not in inside for n in _read_by(step)}
        used |= {values.of(n) for n in (*frame.outputs.values(), *(n for ns in frame.appends.values() for n in ns))}
        last = values.of(nodes[-1].output)
        gives = [number for number in made if number in used] or [last]
        path = part_path(nodes)
        first = next(node for node in nodes if node.path)
        role = path.rpartition(".")[2]
        whole = joined(prefix, path)
        inputs = [values.features[number] for number in first.inputs]
        body = assembled(inner, [("", n) for n in reads], [("", n) for n in gives], values)
        box = Box(
            "part", title_of_part(role, self._type(whole), nodes, inputs),
            note_of_part(role, nodes, [values.features[node.output] for node in nodes]), whole, self._written(whole),
            sum((node.cost for node in nodes), Cost()), body.entries, body.exits, body=body,
        )  # fmt: skip
        return Unit(box, [*reads], gives)

    def _call(self, call: Call, values: Values, prefix: str) -> Iterator[Unit]:
        """Boxes for the repetitions of a call: one for those that are equal, or that alternate."""
        state = {name: values.of(number) for name, number in call.reads.items()}
        appended: dict[str, list[int]] = {name: [] for name in call.appends}
        for run in runs(call.frames):
            unit = self._run(call, run, state, appended, values, prefix)
            yield unit
        for name, number in call.gives.items():
            values.pass_on(number, state[name])
        for name, number in call.appends.items():
            if len(appended[name]) == 1:
                values.pass_on(number, appended[name][0])
            else:
                ports = [Port("", values.features[each]) for each in appended[name]]
                out = Port("", values.features[number])
                yield Unit(Box("sign", "join", "", "", "", Cost(), ports, [out]), appended[name], [number])

    def _run(
        self, call: Call, run: Run, state: dict[str, int], appended: dict[str, list[int]], values: Values, prefix: str
    ) -> Unit:
        """One box for a run; brings `state` and `appended` behind it."""
        box = self._block(call, run, 0, prefix) if len(run.frames) == 1 else self._alternation(call, run, prefix)
        box.outputs = [_of_all(port, run.times) for port in box.outputs]
        reads = [state[port.name] for port in box.inputs]
        gives = [values.new(port.feature) for port in box.outputs]
        for name, number in _pass_on(box, gives, state):
            appended[name.removesuffix(APPENDED)].append(number)
        return Unit(box, reads, gives)

    def _block(self, call: Call, run: Run, index: int, prefix: str) -> Box:
        """The box of equal repetitions, or of a stage or head."""
        frame = run.frames[index]
        alone = len(run.frames) == 1
        numbers = run.numbers(index, call.first)
        path = joined(prefix, call.path)
        kind = "block" if call.numbered else "stage"
        first = f"{path}.{numbers[0]}" if call.numbered else path
        shown = f"{path}.{_range(numbers)}" if call.numbered else path
        body = self._body(frame, first)
        for box in (each for inner in body.boxes for each in inner.below()):
            box.path = shown + box.path.removeprefix(first)
        title = _title(call, numbers, alone and run.times == len(call.frames))
        return Box(kind, title, "", shown, _common(body.boxes), frame.cost, body.entries, body.exits,
                   run.times if alone else 1, body=body)  # fmt: skip

    def _alternation(self, call: Call, run: Run, prefix: str) -> Box:
        """One box for repetitions that alternate."""
        values, state, appends = Values(Frame()), dict[str, int](), list[tuple[str, int]]()
        entries: dict[str, int] = {}
        units = []
        for index in range(len(run.frames)):
            box = self._block(call, run, index, prefix)
            for port in box.inputs:
                if port.name not in state:
                    entries[port.name] = state[port.name] = values.new(port.feature)
            reads = [state[port.name] for port in box.inputs]
            gives = [values.new(port.feature) for port in box.outputs]
            appends += _pass_on(box, gives, state)
            units.append(Unit(box, reads, gives))
        written = {port.name for unit in units for port in unit.box.outputs}
        outputs = [(name, number) for name, number in state.items() if name in written]
        body = assembled(units, [*entries.items()], [*outputs, *appends], values)
        numbers = [*range(call.first + run.first, call.first + run.first + run.times * len(run.frames))]
        return Box(
            "block", _title(call, numbers, len(numbers) == len(call.frames)), "",
            f"{joined(prefix, call.path)}.{_range(numbers)}", _common(body.boxes),
            sum((frame.cost for frame in run.frames), Cost()), body.entries, body.exits, run.times, body=body,
        )  # fmt: skip

    def _written(self, module: str) -> str:
        return nearest(self._pairs, module) or ""

    def _type(self, module: str) -> str | None:
        """The type of a part as it is written, if it is written."""
        node: Any = self._tree
        written = self._written(module)
        for segment in parse_path(written) if written else ():
            try:
                node = node[segment]
            except (KeyError, IndexError, TypeError):
                return None
        found = node.get("type") if isinstance(node, Mapping) else node
        return found if isinstance(found, str) and found.isidentifier() else None


def _pass_on(box: Box, gives: Sequence[int], state: dict[str, int]) -> list[tuple[str, int]]:
    """Puts what a box gives into the streams; returns what it appends, by name."""
    appends = []
    for port, number in zip(box.outputs, gives, strict=True):
        if port.name.endswith(APPENDED):
            appends.append((port.name, number))
        else:
            state[port.name] = number
    return appends


def _title(call: Call, numbers: Sequence[int], whole: bool) -> str:
    """`stage 0`, `head`, `block`, `body 2`; with the number of the repetition where others stand beside it."""
    above, _, last = call.path.rpartition(".")
    if not call.numbered:
        return call.path if call.path == HEAD else f"stage {last}"
    word = " ".join(call.path.split(".")[-2:]) if last.isdigit() and above else last if not last.isdigit() else "repeat"
    return word if whole else f"{word} {_range(numbers)}"


def _common(boxes: Sequence[Box]) -> str:
    """The written path above those of all boxes that have one."""
    paths = [parse_path(box.written) for box in boxes if box.written]
    if not paths:
        return ""
    shared = [each[0] for each in takewhile(lambda each: len(set(each)) == 1, zip(*paths, strict=False))]
    return format_path(shared) if len(shared) > 1 else ""


def _of_all(port: Port, times: int) -> Port:
    """What repetitions give together that each give this: what is appended is one feature."""
    if times == 1 or not port.name.endswith(APPENDED):
        return port
    return Port(port.name, Feature(port.feature.dim, count=times * port.feature.num_tokens))


def _range(numbers: Sequence[int]) -> str:
    """Numbers of repetitions as part of a path: `3`, `0–11`, `{0,2,4}`."""
    if len(numbers) == 1:
        return str(numbers[0])
    if numbers[-1] - numbers[0] + 1 == len(numbers):
        return f"{numbers[0]}–{numbers[-1]}"
    return (
        f"{{{','.join(map(str, numbers))}}}" if len(numbers) < 4 else f"{{{numbers[0]},{numbers[1]},…,{numbers[-1]}}}"
    )


def _read_by(step: Node | Call) -> Iterable[int]:
    return step.inputs if isinstance(step, Node) else step.reads.values()
