"""Repetitions: repetitions with equal surroundings are elaborated once, and share a frame."""

from __future__ import annotations

from collections.abc import Callable

from vitdsl.elaborate.builder import Builder
from vitdsl.elaborate.memo import Trace, TraceTable
from vitdsl.elaborate.names import NameScope
from vitdsl.elaborate.scope import Scope
from vitdsl.errors import ShapeError
from vitdsl.features import Feature
from vitdsl.graph.ir import HERE, Call, Frame, joined
from vitdsl.syntax.paths import Repetition
from vitdsl.validate import Item

Perform = Callable[[Scope, Item, str], None]
_frames = TraceTable()


def repeat_item(scope: Scope, item: Item, count: int, segment: str, perform: Perform) -> None:
    """Runs an item several times, each time in a frame. Repetitions with equal surroundings share one frame.

    Args:
        scope: of the item.
        item: the repeated item.
        count: the number of repetitions.
        segment: the item's segment of module paths.
        perform: runs the item once.
    """
    builder = scope.builder
    state: dict[str, Feature] = {}
    current = HERE if scope.current is None else scope.current

    def outer(name: str) -> Feature | None:
        if name in state:
            return state[name]
        if name == current:
            return scope.flow.feature
        return builder.read(name).feature if name != HERE and builder.has(name) else None

    runs: list[tuple[Frame, int]] = []
    done = 0
    while done < count:
        try:
            frame, varies = repetition(scope, item, Trace(scope.names, outer, done), current, perform)
        except ShapeError as fault:
            fault.trail += [Repetition(done)] if done else []
            raise
        after = {name: frame.features[number] for name, number in frame.outputs.items()}
        steady = not varies and all(
            name in frame.inputs and frame.features[frame.inputs[name]] == feature for name, feature in after.items()
        )
        times = count - done if steady else 1
        scope.context.count(times)
        again = runs.pop()[1] if runs and runs[-1][0] is frame else 0
        runs.append((frame, again + times))
        done += times
        state.update(after)
    call(scope, joined(scope.path, segment), runs, True, current)


def call(scope: Scope, path: str, runs: list[tuple[Frame, int]], numbered: bool, current: str) -> None:
    """Appends a call to the frame under construction, and binds its results.

    Args:
        scope: where the call stands.
        path: its module path in the frame.
        runs: frames, each with the number of repetitions that run it one after another.
        numbered: whether repetitions have a number in module paths.
        current: the stream that the frames work on.
    """
    builder = scope.builder
    reads: dict[str, int] = {}
    given: dict[str, Feature] = {}
    appended: dict[str, list[Feature]] = {}
    frames: list[Frame] = []
    blocks = 0
    for frame, times in runs:
        for name in frame.inputs:
            if name not in given and name not in reads:
                reads[name] = (scope.flow if name in (current, HERE) else builder.read(name)).index
        for name, number in frame.outputs.items():
            given[name] = frame.features[number]
        for name, numbers in frame.appends.items():
            appended.setdefault(name, []).extend([frame.features[number] for number in numbers] * times)
        frames += [frame] * times
        blocks += frame.blocks * times
    gives: dict[str, int] = {}
    for name, feature in given.items():
        value = builder.value(feature)
        gives[name] = value.index
        if name in (current, HERE):
            scope.flow = value
        else:
            builder.write(name, value)
    appends: dict[str, int] = {}
    for name, features in appended.items():
        value = builder.value(Feature(features[0].dim, count=sum(each.num_tokens for each in features)))
        appends[name] = value.index
        builder.append(name, value)
    flows = current if numbered and not scope.in_block else None
    works_on = current if numbered and not scope.in_branch else None
    step = Call(
        path, tuple(frames), numbered, reads, gives, appends, builder.frame.blocks, flows, works_on=works_on
    )  # fmt: skip
    builder.call(step, blocks)


def repetition(scope: Scope, item: Item, trace: Trace, current: str, perform: Perform) -> tuple[Frame, bool]:
    """The frame of one repetition, and whether it depends on the repetition's index."""
    key = (
        item.number, scope.context.key, current, scope.drop, scope.times, scope.windows, scope.forbidden, scope.role,
        scope.in_branch,
    )  # fmt: skip
    frame = scope.context.remember(_frames, key, trace, lambda: _elaborated(scope, item, trace, current, perform))
    return frame, trace.varies


def _elaborated(scope: Scope, item: Item, trace: Trace, current: str, perform: Perform) -> Frame:
    builder = Builder(trace.stream)
    inside = Scope(scope.context, builder, current, NameScope.inside(trace))
    inside.drop, inside.times, inside.windows = scope.drop, scope.times, scope.windows
    inside.forbidden, inside.role = scope.forbidden, scope.role
    inside.in_block, inside.in_branch = True, scope.in_branch
    perform(inside, item, "")
    return builder.finish()
