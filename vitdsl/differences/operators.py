"""What two graphs differ in: operators that one of them lacks, and those that are otherwise in the other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from vitdsl.differences.patterns import Pattern, patterns
from vitdsl.graph.graph import Graph
from vitdsl.graph.ir import joined
from vitdsl.graph.printing import field_texts

REMOVED, ADDED = "removed", "added"
FOLLOWS = "sections"
"""The operator that cuts what a map made; it follows from the map."""
WIRED = "the operators are the same, but they are wired in another way, or drop other branches"


class Operator(NamedTuple):
    """What is compared of an operator: its type, the text of its result's feature, and its fields."""

    type: str
    output: str
    fields: dict[str, str]


def operators_of(graph: Graph) -> dict[str, Operator]:
    """Every operator of every repetition, by module path; those without a module by type and number: `….combine#1`."""
    found: dict[str, Operator] = {}
    unnamed: Counter[str] = Counter()
    for path, node, frame in graph.frame.nodes():
        if node.op.type == FOLLOWS:
            continue
        key = path
        if not node.path:
            key = joined(path, node.op.type)
            unnamed[key] += 1
            key += f"#{unnamed[key]}"
        elif path in found:  # the same module once more
            unnamed[path] += 1
            key += f"#{unnamed[path] + 1}"
        found[key] = Operator(node.op.type, str(frame.features[node.output]), dict(field_texts(node.op)))
    return found


def operator_changes(a: Graph, b: Graph) -> list[Pattern]:
    """Patterns of the operators that were removed, added or changed, each with what was."""
    first, second = operators_of(a), operators_of(b)
    words = {path: _word(first.get(path), second.get(path)) for path in _in_order(first, second)}
    found = patterns(words)
    if not found and str(a) != str(b):
        return [Pattern("everything", WIRED, len(first))]
    return found


def _in_order(first: dict[str, Operator], second: dict[str, Operator]) -> Iterator[str]:
    """The paths of both, those of the second where they stand among the first's."""
    waiting = dict.fromkeys(second)
    for path in first:
        if path in waiting:
            for other in list(waiting):
                if other == path:
                    break
                if other not in first:
                    yield other
                    del waiting[other]
            waiting.pop(path)
        yield path
    yield from (path for path in waiting if path not in first)


def _word(a: Operator | None, b: Operator | None) -> str:
    if a is None or b is None:
        return ADDED if a is None else REMOVED
    words = [f"{a.type} → {b.type}"] if a.type != b.type else []
    if a.output != b.output:
        words.append(f"gives {a.output} → {b.output}")
    for name in dict.fromkeys((*a.fields, *b.fields)) if a.type == b.type else ():
        one, other = a.fields.get(name, "default"), b.fields.get(name, "default")
        if one != other:
            words.append(f"{name} {one} → {other}")
    return ", ".join(words)
