"""A stage in which every block stands apart, so that the values between blocks can be got at."""

from __future__ import annotations

from collections.abc import Callable

from vitdsl.features import Feature
from vitdsl.graph.ir import Call, Frame, Node, cost_of
from vitdsl.graph.operators import Join

JOIN = Join()
See = Callable[["Unrolled", int, str | None], int]
"""Is shown a value by number, and the module path of the block that ends with it (None: blocks begin with it).

It may write nodes behind it, and gives the number of the value that goes on.
"""


def copied(frame: Frame) -> Frame:
    """Another frame with the same steps, which may be changed."""
    made = Frame()
    for name in Frame.__slots__:
        value = getattr(frame, name)
        setattr(made, name, value.copy() if isinstance(value, (list, dict, set)) else value)
    return made


class Unrolled:
    """A frame of a stage rewritten: repetitions become calls of their own, and the values between them are shown.

    Requires: the frame of a stage. Ensures: equal outputs, the same module paths, the same numbers for the values of
    the old frame. Modified: `made`, a new frame; the frames of blocks are the same.

    Attributes:
        made: the new frame.
        now: the number that goes on of each value of the old frame.
    """

    def __init__(self, frame: Frame, see: See) -> None:
        self.made, self._see = copied(frame), see
        self.made.steps = []
        self.now = {number: number for number in range(len(frame.features))}
        self._start, self._ends = frame.start, {number for number in frame.ends if number != frame.start}
        for number in frame.inputs.values():
            self._shown(number, "")
        for step in frame.steps:
            if isinstance(step, Node):
                self.made.steps.append(step._replace(inputs=tuple(self.now[number] for number in step.inputs)))
                self._shown(step.output, step.path)
            else:
                self._call(step)
        self.made.outputs = {name: self.now[number] for name, number in frame.outputs.items()}
        self.made.appends = {name: [self.now[n] for n in numbers] for name, numbers in frame.appends.items()}
        self.made.marks = {name: self.now[number] for name, number in frame.marks.items()}
        self.made.recount()

    def value(self, feature: Feature) -> int:
        """The number of a new value."""
        self.made.features.append(feature)
        return len(self.made.features) - 1

    def _shown(self, number: int, path: str) -> None:
        """Shows a value of the old frame, where blocks begin or end with it."""
        if number == self._start or number in self._ends:
            self.now[number] = self._see(self, self.now[number], None if number == self._start else path)

    def _call(self, step: Call) -> None:
        if step.flows is None:
            reads = {name: self.now[number] for name, number in step.reads.items()}
            self.made.steps.append(step._replace(reads=reads))
        else:
            self._apart(step, step.flows)
        for number in (*step.gives.values(), *step.appends.values()):
            self._shown(number, step.path)

    def _apart(self, step: Call, flows: str) -> None:
        """Every repetition a call of its own."""
        state = {name: self.now[number] for name, number in step.reads.items()}
        appended: dict[str, list[int]] = {name: [] for name in step.appends}
        block = step.block
        for number, (path, frame) in enumerate(step.paths()):
            gives = {name: self.value(frame.features[value]) for name, value in frame.outputs.items()}
            appends = {name: self.value(_together(frame, values)) for name, values in frame.appends.items()}
            reads = {name: state[name] for name in frame.inputs}
            first = step.first + number
            self.made.steps.append(Call(step.path, (frame,), step.numbered, reads, gives, appends, block, None, first))
            block += frame.blocks
            state.update(gives)
            if flows in gives:
                state[flows] = self._see(self, gives[flows], path)
            for name, value in appends.items():
                appended[name].append(value)
        for name, value in step.gives.items():
            self.now[value] = state[name]
        for name, values in appended.items():
            features = [self.made.features[value] for value in values]
            cost = cost_of(JOIN, features, JOIN.infer(*features))
            self.made.steps.append(Node("", JOIN, tuple(values), step.appends[name], cost))


def _together(frame: Frame, numbers: list[int]) -> Feature:
    features = [frame.features[number] for number in numbers]
    return Feature(features[0].dim, count=sum(feature.num_tokens for feature in features))
