"""The report's plots, as plotly's JSON; every text from a file is escaped."""

from __future__ import annotations

import html
import json
from collections.abc import Collection, Sequence
from itertools import combinations, product
from typing import TYPE_CHECKING, Any

from vitdsl.search.results import DONE, Row, complete, pareto, winners
from vitdsl.units import format_measure

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

    from vitdsl.search.file import Search

INK, FAINT, MARK, PAIR, PAPER = "#1f2933", "#9aa5b1", "#d1495b", "#2f7ebc", "#ffffff"
SCALE = "Viridis"
COSTS = ("params", "macs", "activation_bytes")
WIDE = 20
"""The axis is logarithmic where the largest value is more than so many times the smallest."""
FEW = 12
"""At most so many trials have a tick each."""
HOVERED = 14
"""At most so many decisions stand beside a point; a click shows all."""
MARGIN = 0.07
"""The share of a coordinate that is left free at its ends, so that no word overlaps the title."""
MISSING = "–"


def fronts(rows: Sequence[Row], search: Search) -> dict[str, dict[str, Any]]:
    """The candidates in plots of two measures, with the front of the two; keys are `objective against cost`.

    First each two objectives, then each objective against each cost.
    """
    measured = {name for row in rows for name in row.measures}
    objectives = [name for name in search.file.objectives if name in measured]
    costs = [name for name in search.measures if name.startswith(("latency", "seconds")) or name.endswith("bytes")]
    against = [name for name in dict.fromkeys((*COSTS, *costs)) if name in measured and name not in objectives]
    pairs = [*combinations(objectives, 2), *product(objectives, against)]
    done, best = complete(rows, search), {row.number for row in winners(rows, search)}
    figures = {}
    for name, cost in pairs:
        drawn = [row for row in done if row.value(cost) is not None]
        figures[f"{name} against {cost}"] = _plain(_front(drawn, best, _pruned(rows, cost, name), search, name, cost))
    return figures


def _front(
    done: Sequence[Row], best: Collection[int], pruned: Sequence[Row], search: Search, name: str, cost: str
) -> Figure:
    """Complete and pruned candidates; `best` are the numbers of those that the headline names."""
    from plotly import graph_objects as go

    directions = {cost: search.file.objectives.get(cost, "minimize"), name: search.file.objectives[name]}
    front = pareto(((row, row.values(directions)) for row in done), directions.values())
    figure = _figure(cost, name)
    figure.add_trace(
        _points(pruned, cost, name, "pruned, at their last rung", symbol="x-thin-open", visible="legendonly")
    )
    figure.add_trace(_points([row for row in done if row.number not in best], cost, name, "all rungs", color=FAINT))
    figure.add_trace(go.Scatter(
        x=[row.measures[cost] for row in front], y=[row.measures[name] for row in front], mode="lines",
        name="front of these two", hoverinfo="skip",
        line={"color": PAIR, "width": 1.5, "shape": "hv" if directions[cost] == "minimize" else "vh"},
    ))  # fmt: skip
    label = "the best" if len(search.file.objectives) == 1 else "the search's front"
    figure.add_trace(
        _points([row for row in done if row.number in best], cost, name, label, color=MARK, symbol="diamond")
    )
    values = [row.measures[cost] for row in [*done, *pruned]]
    if values and min(values) > 0 and max(values) / min(values) > WIDE:
        figure.update_xaxes(type="log")
    return figure


def progress(rows: Sequence[Row], search: Search) -> dict[str, dict[str, Any]]:
    """For each measured objective its values in the order of the trials, with the best so far."""
    measured = {name for row in rows for name in row.measures}
    objectives = [(name, direction) for name, direction in search.file.objectives.items() if name in measured]
    return {name: _plain(_progress(rows, name, direction)) for name, direction in objectives}


def _progress(rows: Sequence[Row], name: str, direction: str) -> Figure:
    from plotly import graph_objects as go

    done = [row for row in rows if row.state == DONE and row.value(name) is not None]
    pruned = _pruned(rows, name)
    best: list[float] = []
    for row in done:
        value = row.measures[name]
        best.append(value if not best else (max if direction == "maximize" else min)(best[-1], value))
    figure = _figure("trial", name)
    figure.add_trace(go.Scatter(
        x=[row.number for row in done], y=best, mode="lines", name="best so far", hoverinfo="skip",
        line={"color": MARK, "shape": "hv"},
    ))  # fmt: skip
    figure.add_trace(_points(pruned, "", name, "pruned, at their last rung", symbol="x-thin-open"))
    figure.add_trace(_points(done, "", name, "all rungs", color=INK))
    figure.update_xaxes(tickformat="d", dtick=1 if len(rows) <= FEW else None)
    return figure


def parallel(rows: Sequence[Row], search: Search) -> dict[str, Any] | None:
    """The decisions that differ and the measures of complete candidates, as parallel coordinates; None without any."""
    from plotly import graph_objects as go

    (objective, direction), *_ = search.file.objectives.items()
    done = complete(rows, search)
    if not done:
        return None
    paths = list(dict.fromkeys(path for row in rows for path in row.decisions))
    axes = {path: axis for path in paths if (axis := _decision(path, done)) is not None}
    axes |= {name: {"values": [row.value(name) for row in done]} for name in _coordinates(done, search)}
    dimensions = [{"label": _escaped(name), **axis} for name, axis in axes.items()]
    colour = {
        "color": [row.measures[objective] for row in done], "colorscale": SCALE, "showscale": True,
        "reversescale": direction == "minimize", "colorbar": {"title": {"text": _escaped(objective)}, "thickness": 12},
    }  # fmt: skip
    fonts = {"labelfont": {"size": 13}, "tickfont": {"size": 12}, "rangefont": {"size": 11}}
    figure = go.Figure(go.Parcoords(line=colour, dimensions=dimensions, labelangle=-15, labelside="top", **fonts))
    margin = {"l": 80, "r": 30, "t": 110, "b": 30}
    figure.update_layout(height=420, margin=margin, paper_bgcolor=PAPER, font={"color": INK})
    return {**_plain(figure), "numbers": [row.number for row in done], "axes": [*axes]}


def _coordinates(rows: Sequence[Row], search: Search) -> list[str]:
    """Measures that all have, without those that are nearly equal to another; the first objective is last."""
    objectives = [*search.file.objectives][::-1]
    omitted = {"trainable_params", "activation_bytes", "loss", "seconds", *objectives}
    names = [name for name in dict.fromkeys(search.measures) if name not in omitted]
    return [*(name for name in names if all(row.value(name) is not None for row in rows)), *objectives]


def _decision(path: str, rows: Sequence[Row]) -> dict[str, Any] | None:
    """A decision as a coordinate with even steps; None where it is equal in all candidates."""
    texts = [_word(row.decisions[path]) if path in row.decisions else MISSING for row in rows]
    if len(set(texts)) < 2:
        return None
    values = {_word(row.decisions[path]): row.decisions[path] for row in rows if path in row.decisions}
    ordered = all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in values.values())
    ticks = sorted(values, key=values.__getitem__) if ordered else sorted(values)
    ticks = [MISSING, *ticks] if MISSING in texts else ticks
    last = len(ticks) - 1
    return {
        "values": [ticks.index(text) for text in texts],
        "tickvals": list(range(len(ticks))), "ticktext": ticks,  # plotly reads tags in all texts but these
        "range": [-MARGIN * last, (1 + MARGIN) * last],
    }  # fmt: skip


def _pruned(rows: Sequence[Row], *names: str) -> list[Row]:
    """The pruned candidates that have some measures."""
    return [row for row in rows if row.state == "PRUNED" and all(row.value(name) is not None for name in names)]


def _points(rows: Sequence[Row], cost: str, name: str, label: str, **style: Any) -> Any:
    """Candidates as points that can be clicked; without a cost the axis is the trial."""
    from plotly import graph_objects as go

    marker = {"size": 7, "color": style.get("color", FAINT), "symbol": style.get("symbol", "circle")}
    return go.Scatter(
        x=[row.measures[cost] if cost else row.number for row in rows], y=[row.measures[name] for row in rows],
        customdata=[row.number for row in rows], mode="markers", name=label, marker=marker, hoverinfo="text",
        hovertext=[_hover(row, (name, cost) if cost else (name, "params", "macs")) for row in rows],
        visible=style.get("visible", True),
    )  # fmt: skip


def _figure(x: str, y: str) -> Figure:
    from plotly import graph_objects as go

    figure = go.Figure()
    figure.update_layout(
        template="plotly_white", height=420, margin={"l": 70, "r": 20, "t": 40, "b": 60}, font={"color": INK},
        legend={"orientation": "h", "y": -0.2, "yanchor": "top"}, hoverlabel={"align": "left"}, paper_bgcolor=PAPER,
    )  # fmt: skip
    figure.update_xaxes(title_text=_escaped(x))
    figure.update_yaxes(title_text=_escaped(y))
    return figure


def _hover(row: Row, names: Sequence[str]) -> str:
    """The text beside a point: its trial, measures and decisions."""
    measures = [f"{_escaped(n)} {format_measure(row.measures[n], n)}" for n in names if n in row.measures]
    decisions = [f"{_escaped(path)}: {_escaped(_word(value))}" for path, value in list(row.decisions.items())[:HOVERED]]
    more = len(row.decisions) - len(decisions)
    return "<br>".join(
        [f"<b>trial {row.number}</b>", *measures, *decisions, *([f"and {more} more"] if more > 0 else [])]
    )


def _word(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _escaped(text: str) -> str:
    """Plotly reads tags in its texts, and the entities for `&`, `<` and `>`."""
    return html.escape(text, quote=False)


def _plain(figure: Figure) -> dict[str, Any]:
    """The arguments of `Plotly.newPlot`."""
    return json.loads(figure.to_json() or "{}")
