"""A model as boxes in boxes: what a picture shows, without places and colours."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from vitdsl.features import Cost, Feature

NOTHING = Cost()
BORDER = -1
"""The number of the border of a body, where a number of a box is expected."""


class Port(NamedTuple):
    """A place where a value enters or leaves a box: the stream's name, which may be empty, and the feature."""

    name: str
    feature: Feature


class End(NamedTuple):
    """An end of an edge: the number of a box in its body, or `BORDER`, and the number of the port there."""

    box: int
    port: int


class Net(NamedTuple):
    """A value: where it comes from, and all places that it goes to."""

    source: End
    targets: tuple[End, ...]


@dataclass(slots=True)
class Body:
    """What a box holds.

    Attributes:
        boxes: the boxes in it, in the order of execution.
        nets: the values between them.
        entries: the values that come from outside.
        exits: the values that go there.
    """

    boxes: list[Box]
    nets: list[Net]
    entries: list[Port]
    exits: list[Port]


@dataclass(slots=True)
class Box:
    """A part of a model.

    Attributes:
        kind: `model`, `stage`, `block`, `part`, `operator`, or `sign` for what only joins and cuts values.
        title: what it is.
        note: what it is in numbers; may be empty.
        path: the module path; of repetitions with the range of their numbers.
        written: the path in the file, or empty.
        times: how often it runs, one after another; each repetition has weights of its own.
        cost: of one run.
        inputs: what it reads.
        outputs: what it gives.
        fields: names and values of an operator's fields.
        body: what it holds; None of what is one operator.
        all: of all runs in the whole model.
    """

    kind: str
    title: str
    note: str
    path: str
    written: str
    cost: Cost
    inputs: list[Port]
    outputs: list[Port]
    times: int = 1
    fields: list[tuple[str, str]] = field(default_factory=list)
    body: Body | None = None
    all: Cost = NOTHING

    def below(self) -> Iterator[Box]:
        """The box and all boxes in it, at any depth."""
        yield self
        for box in self.body.boxes if self.body else ():
            yield from box.below()

    def count_all(self, times: int = 1) -> None:
        """Sets `all` of the box, which itself runs as often as `times` says, and of all that it holds."""
        self.all = self.cost.times(times * self.times)
        for box in self.body.boxes if self.body else ():
            box.count_all(times * self.times)

    def form(self) -> Any:
        """Equal for boxes that differ at most in numbers, paths and repeats."""
        if self.body is None:
            return self.kind, self.title
        nets = tuple(self.body.nets)
        return (
            self.kind,
            "" if self.kind in ("stage", "block") else self.title,
            nets,
            *(box.form() for box in self.body.boxes),
        )


def opened(root: Box) -> set[int]:
    """The identities of the boxes that a picture shows open at first.

    Stages and blocks are; parts, and blocks of which an equal one but for numbers comes earlier, are not.
    """
    known: set[Any] = set()
    found: set[int] = set()

    def visit(box: Box) -> None:
        if box.body is None or box.kind == "part":
            return
        if box.kind == "block":
            form = box.form()
            if form in known:
                return
            known.add(form)
        found.add(id(box))
        for inner in box.body.boxes:
            visit(inner)

    visit(root)
    return found
