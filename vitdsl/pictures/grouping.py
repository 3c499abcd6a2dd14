"""Which operators of a frame are one part."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from vitdsl.graph.ir import Call, Node
from vitdsl.graph.operators import CloseWindows, OpenWindows
from vitdsl.parts.registry import is_role


def _key(step: Node | Call) -> str | None:
    """The module path of the part that an operator belongs to; empty where it is one of its own; None: unnamed."""
    if isinstance(step, Call):
        return ""
    if not step.path:
        return None
    names = step.path.split(".")
    for count, name in enumerate(names, 1):
        if is_role(name):
            return ".".join(names[:count])
    return ""


def grouped(steps: Sequence[Node | Call]) -> Iterator[list[Node | Call]]:
    """The steps in order; those of one part together, with unnamed ones between them and the windows around them."""
    keys = [_key(step) for step in steps]
    start = 0
    while start < len(steps):
        end = _end(keys, start)
        opened = _opens(steps[start]) and start + 1 < len(steps) and keys[start + 1]
        if opened:
            end = _end(keys, start + 1)
            end = end + 1 if end < len(steps) and _closes(steps[end]) else start + 1
        yield list(steps[start:end])
        start = end


def _end(keys: Sequence[str | None], start: int) -> int:
    """Where the part ends that begins at a step."""
    end, key = start + 1, keys[start]
    if not key:
        return end
    for place in range(start + 1, len(keys)):
        if keys[place] == key:
            end = place + 1
        elif keys[place] is not None:
            break
    return end


def _opens(step: Node | Call) -> bool:
    return isinstance(step, Node) and isinstance(step.op, OpenWindows)


def _closes(step: Node | Call) -> bool:
    return isinstance(step, Node) and isinstance(step.op, CloseWindows)


def part_path(nodes: Sequence[Node]) -> str:
    """The module path of the part that operators make up."""
    return next(key for node in nodes if (key := _key(node)))
