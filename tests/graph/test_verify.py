"""Every pass leaves a graph behind it, and what is none is refused, whatever is broken."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import vitdsl
from tests.hybrids.models import drawn
from vitdsl.compiler.fold import fold_graph
from vitdsl.features import Cost, Feature
from vitdsl.graph.graph import Graph
from vitdsl.graph.ir import Call, DropPoint, Frame, Node
from vitdsl.graph.verify import InvalidGraph, verify
from vitdsl.graph.views.blocks import open_blocks
from vitdsl.graph.views.head import find_classifiers, split_head
from vitdsl.graph.views.taps import add_taps
from vitdsl.memo import forget
from vitdsl.resolve.files import shipped

SHIPPED = sorted(path.stem for path in shipped(".").glob("*.yaml"))


def check_passes(graph: Graph, classes: int) -> None:
    """The graph, and what each pass makes of it; a head alone may return streams that are made before it."""
    parts = split_head(graph)
    heads = [parts.head, find_classifiers(parts.head, classes).head]
    opened, tapped = open_blocks(graph)[0], add_taps(graph)[0]
    made = [graph, fold_graph(graph), tapped, opened, add_taps(fold_graph(graph))[0], parts.body]
    for each in (*made, *(head._replace(training=None) for head in heads)):
        verify(each)


@pytest.mark.parametrize("part", range(8))
def test_passes_over_shipped_specs(part: int) -> None:
    for name in SHIPPED[part::8]:
        spec = vitdsl.load(name)
        check_passes(spec.graph(), spec.model.classes)


@pytest.mark.parametrize("part", range(4))
def test_passes_over_drawn_specs(part: int) -> None:
    accepted = 0
    for number in range(part * 50, part * 50 + 50):
        try:
            spec = vitdsl.load(drawn(number))
            graph = spec.graph()
        except vitdsl.SpecError:
            continue
        check_passes(graph, spec.model.classes)
        accepted += 1
    assert accepted >= 25


# ---------------------------------------------------------------- what is none

SPEC = {
    "input": {"size": 8},
    "classes": 3,
    "drop_path": 0.1,
    "stages": [
        {
            "tokenizer": {"type": "patch", "size": 2, "dim": 4},
            "tokens": ["cls"],
            "depth": 2,
            "block": [{"mixer": {"type": "global", "heads": 1}}, {"from": "cls", "write": "history[]"}],
        },
        {"body": [{"at": "cls", "mixer": {"type": "cross", "heads": 1, "keys": ["self", "grid"]}}]},
    ],
    "head": {"norm": "layer", "pool": "cls", "training": ["logits", "history"]},
}

Frames = dict[str, Frame]
Broken = Callable[[Graph, Frames], Graph | None]


def step(frame: Frame, kind: type, **wanted: Any) -> int:
    """The place of the first step of a kind with these values."""
    return next(
        index for index, each in enumerate(frame.steps)
        if isinstance(each, kind) and all(getattr(each, name) == value for name, value in wanted.items())
    )  # fmt: skip


def changed(where: str, kind: type = Node, wanted: dict[str, Any] | None = None, **values: Any) -> Broken:
    """Replaces values of the first such step of a frame; a function is given the old value."""

    def broken(graph: Graph, frames: Frames) -> None:
        steps = frames[where].steps
        index = step(frames[where], kind, **(wanted or {}))
        old = steps[index]
        new = {name: value(getattr(old, name)) if callable(value) else value for name, value in values.items()}
        steps[index] = old._replace(**new)

    return broken


def in_frame(where: str, change: Callable[[Frame], Any]) -> Broken:
    return lambda graph, frames: change(frames[where]) and None


def of_call(**values: Any) -> Broken:
    return changed("stage", Call, {"path": "block"}, **values)


def of_shared(**values: Any) -> Broken:
    return changed("second", Node, {"shared": True}, **values)


def feature(number: int, value: Feature) -> Broken:
    return in_frame("block", lambda frame: frame.features.__setitem__(number, value))


def dropping(point: DropPoint) -> Broken:
    return changed("block", Node, {"path": "0.drop_path"}, drop_point=point)


BREAKS: dict[str, tuple[Broken, str]] = {
    "a value that nothing defines": (changed("block", inputs=(90,)), "nothing defines"),
    "a value of later": (changed("block", inputs=lambda old: (old[0] + 4,)), "nothing defines"),
    "a value defined twice": (changed("block", output=0), "is defined twice"),
    "a value without a feature": (changed("block", output=90), "has no feature"),
    "steps in another order": (in_frame("block", lambda frame: frame.steps.reverse()), "nothing defines"),
    "a feature that is another": (feature(1, Feature(5)), "its value is"),
    "a feature that does not fit": (feature(3, Feature(5)), "its value is"),
    "the cost of a node": (changed("block", cost=Cost(1)), "costs"),
    "the times of a node": (changed("block", times=3), "costs"),
    "the cost of a frame": (in_frame("block", lambda frame: setattr(frame, "cost", Cost())), "its steps cost"),
    "how much drops": (in_frame("block", lambda frame: setattr(frame, "drops", 7)), "of its operators drop"),
    "a block that is none": (dropping(DropPoint(5)), "there is no block"),
    "a stream that is not given": (of_call(reads={}), "which it is not given"),
    "a stream that is another": (of_call(reads=lambda old: dict.fromkeys(old, 0)), "but it reads"),
    "what a call reads": (of_call(reads=lambda old: dict.fromkeys(old, 90)), "nothing defines"),
    "what a call gives": (of_call(gives={}), "it gives nothing"),
    "what a call appends": (of_call(appends={}), "it appends to nothing"),
    "where blocks begin": (of_call(block=1), "blocks begin with"),
    "repetitions without numbers": (of_call(numbered=False), "it has no numbers"),
    "what a frame gives": (in_frame("block", lambda frame: frame.outputs.update({"x": 90})), "nothing defines"),
    "a mark of nothing": (in_frame("block", lambda frame: frame.marks.update({"here": 90})), "the mark"),
    "an end of nothing": (in_frame("second", lambda frame: frame.ends.update({90: ""})), "the end of a"),
    "a start of nothing": (in_frame("second", lambda frame: setattr(frame, "start", 90)), "the end of a"),
    "two operators of one path": (changed("block", Node, {"path": "0.mixer.out"}, path="0.pre"), "have this path"),
    "weights of nothing": (of_shared(path="elsewhere"), "no weights to share"),
    "weights of another operator": (of_shared(op=lambda op: op.replace(eps=0.5)), "that differ share"),
    "an output of nothing": (lambda graph, _: graph._replace(outputs={"logits": 90}), "the output"),
    "an output that is none": (lambda graph, _: graph._replace(evaluation={"other": 1.0}), "which is no output"),
    "training of nothing": (lambda graph, _: graph._replace(training={"logits": 90}), "the output"),
}


@pytest.mark.parametrize("name", BREAKS)
def test_what_is_broken_is_refused(name: str) -> None:
    forget()  # the frames are changed in place
    graph = vitdsl.load(SPEC).graph()
    verify(graph)
    stage, second, _ = (each.frames[0] for each in graph.frame.steps if isinstance(each, Call))
    call = stage.steps[step(stage, Call)]
    assert isinstance(call, Call)
    broken, message = BREAKS[name]
    try:
        with pytest.raises(InvalidGraph, match=message):
            verify(broken(graph, {"block": call.frames[0], "stage": stage, "second": second}) or graph)
    finally:
        forget()
