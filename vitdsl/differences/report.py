"""A difference in tables, as text, as a page and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from vitdsl.differences.compare import Difference
from vitdsl.differences.operators import ADDED, REMOVED
from vitdsl.differences.weights import FIT, ONLY_A, ONLY_B, OTHER
from vitdsl.differences.written import Side
from vitdsl.errors import printable
from vitdsl.features import Cost
from vitdsl.pages import cut, render
from vitdsl.spec import Spec
from vitdsl.syntax.printer import as_yaml
from vitdsl.units import format_count, format_measure

HERE = Path(__file__).parent
LONGEST = 60
"""More letters of a value are cut."""
NOTHING = "–"
EQUAL = "A and B say the same, but perhaps for their names and papers."
MEASURES = ("parameters", "MACs", "activations")


class Section(NamedTuple):
    """A table with what stands above it.

    Attributes:
        title: what it shows.
        text: what there is to say besides; may be empty.
        columns: headings.
        rows: a text for each column; there may be none.
        right: columns of numbers.
    """

    title: str
    text: str
    columns: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()
    right: Sequence[str] = ()


def headline(a: Spec, b: Spec) -> str:
    """What is compared."""
    return f"A is {a.name} ({a.hash}), B is {b.name} ({b.hash})"


def sections(found: Difference) -> list[Section]:
    """What a report shows, in order."""
    return [_written(found), _graph(found), _costs(found), _weights(found)]


def page(found: Difference, a: Spec, b: Spec) -> str:
    """The page's text; no text of a file is markup in it."""
    cleaned = [
        section._replace(rows=[[*map(printable, row)] for row in section.rows]) for section in sections(found)
    ]  # fmt: skip
    names = [printable(spec.name) for spec in (a, b)]
    return render(HERE, "page.html", {"names": names, "headline": printable(headline(a, b)), "sections": cleaned,
                                      "equal": EQUAL if found.equal else ""})  # fmt: skip


def as_plain(found: Difference, a: Spec, b: Spec) -> dict[str, Any]:
    """The difference as plain values, whole."""
    return {
        "a": {"name": a.name, "hash": a.hash}, "b": {"name": b.name, "hash": b.hash}, "equal": found.equal,
        "spec": [{"a": _plain_side(change.a), "b": _plain_side(change.b)} for change in found.written],
        "graph": [{"path": each.path, "change": each.word, "operators": each.count} for each in found.graph],
        "costs": [{"stage": path, "a": _plain_cost(one), "b": _plain_cost(other)}
                  for path, (one, other) in found.costs.items()],
        "weights": {
            "counts": {word: found.weights.count(word) for word in (FIT, OTHER, ONLY_A, ONLY_B)},
            "patterns": [{"path": each.path, "state": each.word, "keys": each.count}
                         for each in found.weights.patterns()],
            "shapes": {key: {"a": list(one), "b": list(other)}
                       for key, (one, other) in found.weights.shapes.items()},
        },
    }  # fmt: skip


# ---------------------------------------------------------------- tables


def _written(found: Difference) -> Section:
    rows = []
    for one, other in found.written:
        path = (one or other or Side("", None, None)).path
        moved = f" (B: {other.path})" if one and other and one.path != other.path else ""
        rows.append((path + moved, *map(_value, (one, other)), *map(_place, (one, other))))
    text = "" if rows else "The merged files say the same."
    return Section("Written", text, ("path", "A", "B", "line of A", "line of B"), rows)


def _value(side: Side | None) -> str:
    return NOTHING if side is None else cut(as_yaml(side.value), LONGEST)


def _place(side: Side | None) -> str:
    if side is None or side.mark is None:
        return NOTHING
    return f"{Path(side.mark.source.name).name}:{side.mark.line}"


def _graph(found: Difference) -> Section:
    rows = [(each.path, each.word, f"{each.count:,}") for each in found.graph]
    counts = {word: sum(each.count for each in found.graph if each.word == word) for word in (ADDED, REMOVED)}
    changed = sum(each.count for each in found.graph) - sum(counts.values())
    words = f"{counts[ADDED]:,} operators added, {counts[REMOVED]:,} removed, {changed:,} changed."
    return Section("Graph", words if rows else "The graphs are equal.",
                   ("module path", "change", "operators"), rows, ("operators",))  # fmt: skip


def _costs(found: Difference) -> Section:
    columns = ("stage", *(text for name in MEASURES for text in (f"{name} A", "B", "B − A")))
    rows = [(path, *_numbers(one, other)) for path, (one, other) in found.costs.items()]
    return Section("Costs", "", columns, rows, columns[1:])


def _numbers(one: Cost | None, other: Cost | None) -> list[str]:
    """Parameters, multiply-adds and activations: each of A, of B, and the difference."""
    found = []
    for place, unit in ((0, ""), (2, ""), (3, "bytes")):
        sides = [None if cost is None else cost[place] for cost in (one, other)]
        change = (sides[1] or 0) - (sides[0] or 0)
        texts = [NOTHING if value is None else _amount(value, unit) for value in sides]
        found += [*texts, "0" if not change else ("+" if change > 0 else "−") + _amount(abs(change), unit)]
    return found


def _amount(value: int, unit: str) -> str:
    return format_measure(value, unit) if unit else format_count(value)


def _weights(found: Difference) -> Section:
    count = found.weights.count
    words = (
        f"{count(FIT):,} keys fit, {count(OTHER):,} are of another shape, {count(ONLY_A):,} are only in A,"
        f" {count(ONLY_B):,} only in B."
    )
    rows = [(each.path, each.word, f"{each.count:,}") for each in found.weights.patterns()]
    return Section("Weights", words, ("keys below", "state", "keys"), rows, ("keys",))


def _plain_side(side: Side | None) -> dict[str, Any] | None:
    if side is None:
        return None
    file, line = (side.mark.source.name, side.mark.line) if side.mark else (None, None)
    return {"path": side.path, "value": side.value, "file": file, "line": line}


def _plain_cost(cost: Cost | None) -> dict[str, int] | None:
    return None if cost is None else {
        "params": cost.params, "macs": cost.macs, "activation_bytes": cost.activation_bytes
    }  # fmt: skip
