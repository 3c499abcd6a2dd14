"""Plots of lines as SVG, without scripts, style sheets or fonts of their own."""

from __future__ import annotations

import html
from collections.abc import Sequence
from itertools import groupby
from typing import NamedTuple

from vitdsl.pages import shown
from vitdsl.pages.scales import Scale, even_scale, is_drawn, labels, scale_of

WIDTH, HEIGHT = 640, 380
"""Of a panel, in units that are 0.6 to 1 pixels where it is shown."""
LEFT, RIGHT, BELOW, EDGE = 86, 28, 62, 18
"""What is left free beside the lines, and beside titles."""
FONT, ROW, LETTER = 18, 27, 9.6
"""The height of texts, from one line of the legend to the next, and the width that a letter has at most on average."""
INK, GRID, PAPER = "#1f2933", "#d5dbe1", "#ffffff"
FACE = 'font-family="system-ui, -apple-system, Helvetica, Arial, sans-serif"'
COLUMNS = 300
"""A line has at most a lowest and a highest point in each of so many columns."""
FEW = 12
"""At most so many points are marked each."""
CROSS = 7.0
"""Half the width of a cross."""
LONGEST = 46
"""More letters of a title are cut."""

Point = tuple[float, float]


class Line(NamedTuple):
    """What is drawn as a line: its name, its points from left to right, its colour, and its dashes as SVG has them.

    Points that are not finite interrupt it; the first of them is a cross at the upper end.
    """

    name: str
    points: Sequence[Point]
    color: str
    dashes: str = ""


class Panel(NamedTuple):
    """A plot.

    Attributes:
        title: what is drawn.
        x_name: what it is drawn over; whole numbers.
        lines: the lines.
        ring: the name and the place of a point that is marked.
        unit: what follows the numbers of the vertical axis.
        within: beyond these the vertical axis never goes; None: it may go anywhere, and be logarithmic.
        span: what the horizontal axis holds besides the points.
        missing: what is said where there is no point.
    """

    title: str
    x_name: str
    lines: Sequence[Line]
    ring: tuple[str, Point] | None = None
    unit: str = ""
    within: tuple[float, float] | None = None
    span: Sequence[float] = ()
    missing: str = "nothing was measured yet"


def picture(title: str, panels: Sequence[Panel]) -> str:
    """The text of an SVG file with panels one above the other.

    Args:
        title: what stands above them; any text.
        panels: what is drawn.
    """
    top, whole = 2 * ROW, shown(title)
    height = top + HEIGHT * len(panels)
    cut = whole if len(whole) <= LONGEST else whole[: LONGEST - 1] + "…"
    return "\n".join([
        *begin_svg(WIDTH, height, whole, f' font-size="{FONT}" fill="{INK}"'),
        f'<rect width="{WIDTH}" height="{height}" fill="{PAPER}"/>',
        f'<text x="{EDGE}" y="{1.4 * ROW:g}" font-weight="bold" font-size="{FONT + 2}">{html.escape(cut)}</text>',
        *(f'<g transform="translate(0 {top + HEIGHT * number})">\n{draw(panel)}\n</g>'
          for number, panel in enumerate(panels)),
        "</svg>\n",
    ])  # fmt: skip


def begin_svg(width: float, height: float, title: str, more: str = "") -> list[str]:
    """The first lines of an SVG file, which is never wider than its surroundings.

    Args:
        width: of the picture, in whole pixels.
        height: likewise.
        title: any text, which readers show or speak.
        more: attributes of the whole picture.
    """
    return [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}"'
        f' height="{height:.0f}" style="max-width:100%;height:auto" role="img" {FACE}{more}>',
        f"<title>{html.escape(title)}</title>",
    ]


def inline(panel: Panel) -> str:
    """A panel as an element of a page, which is as wide as its surroundings."""
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" width="100%" role="img" aria-label="{html.escape(panel.title)}"'
        f' {FACE} font-size="{FONT}" fill="{INK}">\n{draw(panel)}\n</svg>'
    )


def draw(panel: Panel) -> str:
    """The elements of a panel."""
    lines = [line._replace(points=_kept(line.points)) for line in panel.lines if line.points]
    found = [point for line in lines for point in line.points]
    legend, rows = _legend(lines, panel.ring)
    area = _Area(*_scales(panel, found), ROW * (1.85 + rows))
    parts = [f'<text x="{EDGE}" y="{ROW - 5}" font-weight="bold">{html.escape(panel.title)}</text>', *legend]
    parts += _axes(area, panel)
    for line in lines:
        parts += _line(area, line)
    if panel.ring is not None and is_drawn(panel.ring[1][1]):
        x, y = area.at(panel.ring[1])
        parts.append(f'<circle cx="{x}" cy="{y}" r="8" fill="none" stroke="{INK}" stroke-width="2"/>')
    if not found:
        middle = (area.top + HEIGHT - BELOW) / 2
        parts.append(
            f'<text x="{(LEFT + WIDTH - RIGHT) / 2:g}" y="{middle:g}" text-anchor="middle">{panel.missing}</text>'
        )
    return "\n".join(parts)


def thinned(points: Sequence[Point], columns: int = COLUMNS) -> list[Point]:
    """The points of a line that are seen: of each of so many columns the lowest and the highest, and the ends."""
    if len(points) <= 2 * columns:
        return list(points)
    kept = {0, len(points) - 1}
    for column in range(columns):
        numbers = range(column * len(points) // columns, (column + 1) * len(points) // columns)
        kept |= {min(numbers, key=lambda n: points[n][1]), max(numbers, key=lambda n: points[n][1])}
    return [points[number] for number in sorted(kept)]


# ---------------------------------------------------------------- parts of a panel


def _scales(panel: Panel, points: Sequence[Point]) -> tuple[Scale, Scale]:
    """The horizontal and the vertical axis."""
    columns = {*(x for x, _ in points), *panel.span}
    across = even_scale([*columns], count=6, whole=True, tight=True)
    if len(columns) == 1:
        (only,) = columns
        across = Scale(only - 1, only + 1, (only,))
    places = [y for _, y in points if is_drawn(y)]
    if panel.within is None:
        return across, scale_of(places)
    return across, even_scale(places or panel.within, within=panel.within)


class _Area(NamedTuple):
    """The rectangle of the lines."""

    across: Scale
    up: Scale
    top: float

    def at(self, point: Point) -> tuple[str, str]:
        """The place of a point, written out."""
        x = LEFT + self.across.share(point[0]) * (WIDTH - RIGHT - LEFT)
        return f"{x:.1f}", f"{HEIGHT - BELOW - self.up.share(point[1]) * (HEIGHT - BELOW - self.top):.1f}"


def _kept(points: Sequence[Point]) -> list[Point]:
    """The points that are drawn: runs of finite ones thinned, and the first of those that are not between them."""
    runs = _runs(points)
    most = max(1, COLUMNS // max(1, len(runs)))
    return [point for run in runs for point in (thinned(run, most) if is_drawn(run[0][1]) else run[:1])]


def _runs(points: Sequence[Point]) -> list[list[Point]]:
    """The points that follow one another, cut where finite ones meet others."""
    return [list(run) for _, run in groupby(points, key=lambda point: is_drawn(point[1]))]


def _legend(lines: Sequence[Line], ring: tuple[str, Point] | None) -> tuple[list[str], int]:
    """Signs with their names, from left to right and from row to row; and how many rows there are."""
    entries = [
        (line.name, f'<path d="M0 0h26" stroke="{line.color}" stroke-width="3" stroke-dasharray="{line.dashes}"/>')
        for line in lines
    ]
    if ring is not None:
        entries.append((ring[0], f'<circle cx="13" r="8" fill="none" stroke="{INK}" stroke-width="2"/>'))
    if any(not is_drawn(y) for line in lines for _, y in line.points):
        entries.append(("not finite", _cross(13, 0, INK)))
    parts, x, row = [], float(EDGE), 1
    for name, sign in entries:
        width = 34 + LETTER * len(name) + 16
        if x > EDGE and x + width > WIDTH:
            x, row = float(EDGE), row + 1
        place = f'<g transform="translate({x:g} {ROW * (row + 0.75):g})">'
        parts.append(f'{place}{sign}<text x="34" y="6">{html.escape(name)}</text></g>')
        x += width
    return parts, row


def _axes(area: _Area, panel: Panel) -> list[str]:
    """The grid, the numbers beside it, and what the horizontal one counts."""
    left, right, bottom = LEFT, WIDTH - RIGHT, HEIGHT - BELOW
    parts = []
    for tick, text in zip(area.up.ticks, labels(area.up.ticks), strict=True):
        _, y = area.at((area.across.low, tick))
        parts.append(f'<path d="M{left} {y}H{right}" stroke="{GRID}"/>')
        parts.append(f'<text x="{left - 10}" y="{float(y) + 6:.1f}" text-anchor="end">{text}{panel.unit}</text>')
    for tick, text in zip(area.across.ticks, labels(area.across.ticks), strict=True):
        x, _ = area.at((tick, area.up.low))
        parts.append(f'<path d="M{x} {bottom}v6" stroke="{INK}"/>')
        end = float(x) + LETTER * len(text) / 2 > WIDTH
        place = f'x="{WIDTH - 2}" text-anchor="end"' if end else f'x="{x}" text-anchor="middle"'
        parts.append(f'<text {place} y="{bottom + 25}">{text}</text>')
    parts.append(f'<path d="M{left} {bottom}H{right}" stroke="{INK}"/>')
    middle = (left + right) / 2
    return [*parts, f'<text x="{middle:g}" y="{bottom + 49}" text-anchor="middle">{html.escape(panel.x_name)}</text>']


def _line(area: _Area, line: Line) -> list[str]:
    """A line in pieces, its points where they are few or alone, and crosses where it is interrupted."""
    parts, marked = [], len(line.points) <= FEW
    for run in _runs(line.points):
        if not is_drawn(run[0][1]):
            parts += [_cross(float(area.at((x, area.up.high))[0]), area.top, line.color) for x, _ in run]
            continue
        places = [area.at(point) for point in run]
        if len(run) > 1:
            path = "L".join(f"{x} {y}" for x, y in places)
            dashes = f' stroke-dasharray="{line.dashes}"' if line.dashes else ""
            style = f'fill="none" stroke="{line.color}" stroke-width="2.5" stroke-linejoin="round"{dashes}'
            parts.append(f'<path d="M{path}" {style}/>')
        if marked or len(run) == 1:
            parts += [f'<circle cx="{x}" cy="{y}" r="4" fill="{line.color}"/>' for x, y in places]
    return parts


def _cross(x: float, y: float, color: str) -> str:
    size = CROSS
    d = f"M{x - size:g} {y - size:g}l{2 * size:g} {2 * size:g}m0 {-2 * size:g}l{-2 * size:g} {2 * size:g}"
    return f'<path d="{d}" stroke="{color}" stroke-width="2.5"/>'
