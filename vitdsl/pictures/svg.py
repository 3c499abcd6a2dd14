"""A model as a figure: one SVG file, without scripts and fonts of its own, readable in light and in dark."""

from __future__ import annotations

import html
from collections.abc import Callable
from itertools import pairwise

from vitdsl.pages import cut
from vitdsl.pages.plot import begin_svg
from vitdsl.pictures.boxes import Box, opened
from vitdsl.pictures.geometry import HEADER, LINE, PAD, SHADOW, SIGN, Knot, Label, Look, Placed, place
from vitdsl.pictures.labels import lines_of
from vitdsl.pictures.shares import MEASURES, share_of
from vitdsl.pictures.text import FONT, SMALL, width

LIGHT = {"paper": "#ffffff", "ink": "#1f2933", "soft": "#52606d", "line": "#7b8794", "frame": "#cbd2d9",
         "box": "#f5f7fa", "block": "#ffffff", "heat": "#f0854a"}  # fmt: skip
DARK = {"paper": "#0d1117", "ink": "#e6edf3", "soft": "#aeb8c4", "line": "#8b98a5", "frame": "#3d4753",
        "box": "#1c232c", "block": "#12181f", "heat": "#c2561c"}  # fmt: skip
"""Colours, by what they are for."""
HOTTEST = 0.75
"""The opacity of the largest share's colour."""
MARGIN = 16.0


def svg(root: Box, title: str, heat: str = "macs") -> str:
    """The text of an SVG file.

    Args:
        root: the model.
        title: what stands above it; any text.
        heat: which share of the whole the colours show: `macs`, `params` or `activations`.
    """
    shown_open = opened(root)

    def share(box: Box) -> float:
        return share_of(box, root, heat)

    def lines(box: Box) -> list[str]:
        told = [text for text in (box.note, f"{share(box):.0%}" if share(box) >= 0.005 else "") if text]
        return lines_of(box, "" if box.kind == "sign" else " · ".join(told))

    heading, below = cut(title, 80), f"share of {MEASURES[heat][0]}"
    top = MARGIN + 28
    model = place(root, Look(lambda box: id(box) in shown_open, lines), MARGIN, top)
    shown = [each for each in model.below() if not each.is_open]
    most = max((share(each.box) for each in shown), default=0) or 1
    wide = max(model.width, width(heading, FONT + 2, bold=True), width(below, SMALL) + 170) + 2 * MARGIN
    high = top + model.height + 40 + MARGIN
    return "\n".join([
        *begin_svg(wide, high, heading), _style(),
        f'<rect class="paper" width="{wide:.0f}" height="{high:.0f}" fill="{LIGHT["paper"]}"/>',
        f'<text class="ink" x="{MARGIN}" y="{MARGIN + 13}" font-size="{FONT + 2}" font-weight="bold"'
        f' fill="{LIGHT["ink"]}">{html.escape(heading)}</text>',
        *_inside(model, lambda box: HOTTEST * share(box) / most),
        *_legend(below, most, high - MARGIN - 12),
        "</svg>\n",
    ])  # fmt: skip


def _style() -> str:
    """Dark colours, where they are wanted; light ones stand at the elements, which readers without styles see."""
    fills = "".join(f".{name}{{fill:{DARK[name]}}}" for name in ("paper", "ink", "soft", "box", "block", "heat"))
    rules = f"{fills}.frame{{stroke:{DARK['frame']}}}.line{{stroke:{DARK['line']}}}"
    rules += f".tip{{fill:{DARK['line']}}}.warm{{stop-color:{DARK['heat']}}}"
    warm = f'class="warm" stop-color="{LIGHT["heat"]}"'
    return "\n".join([
        f"<style>@media (prefers-color-scheme:dark){{{rules}}}</style>", "<defs>",
        '<marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="6" markerHeight="6" orient="auto">'
        f'<path class="tip" d="M0 0.5L8 4L0 7.5z" fill="{LIGHT["line"]}"/></marker>',
        f'<linearGradient id="scale"><stop {warm} offset="0" stop-opacity="0"/>'
        f'<stop {warm} offset="1" stop-opacity="{HOTTEST}"/></linearGradient>', "</defs>",
    ])  # fmt: skip


def _inside(placed: Placed, heat: Callable[[Box], float]) -> list[str]:
    """What an open box holds: first its lines, then boxes and labels above them."""
    parts = [_edge(points, tip, placed.box.kind == "model") for points, tip in placed.edges]
    for each in placed.inner:
        parts += _box(each, heat)
    return [*parts, *(_label(label) for each in placed.inner for label in each.labels if label.text),
            *(_label(label) for label in placed.labels if placed.box.kind == "model")]  # fmt: skip


def _box(placed: Placed, heat: Callable[[Box], float]) -> list[str]:
    x, y, wide, high = placed.x, placed.y, placed.width, placed.height
    sign, kind = placed.box.kind == "sign", "block" if placed.is_open else "box"
    radius = SIGN / 2 if sign else 5
    if placed.box.body is not None and not placed.is_open:
        wide, high = wide - SHADOW, high - SHADOW
    place = f'x="{x:.1f}" y="{y:.1f}" width="{wide:.1f}" height="{high:.1f}" rx="{radius:g}"'
    parts = []
    if placed.box.body is not None and not placed.is_open:
        behind = f'x="{x + SHADOW:.1f}" y="{y + SHADOW:.1f}" width="{wide:.1f}" height="{high:.1f}" rx="5"'
        parts.append(f'<rect class="box frame" {behind} fill="{LIGHT["box"]}" stroke="{LIGHT["frame"]}"/>')
    parts.append(f'<rect class="{kind} frame" {place} fill="{LIGHT[kind]}" stroke="{LIGHT["frame"]}"/>')
    if not placed.is_open and heat(placed.box) > 0.004:
        parts.append(f'<rect class="heat" {place} fill="{LIGHT["heat"]}" fill-opacity="{heat(placed.box):.3f}"/>')
    parts += _texts(placed)
    return [*parts, *_inside(placed, heat)] if placed.is_open else parts


def _texts(placed: Placed) -> list[str]:
    """The lines of text in a box: in its middle, or of an open one at the left of its header."""
    x, anchor = placed.x + placed.width / 2, ' text-anchor="middle"'
    if placed.is_open:
        x, anchor = placed.x + PAD, ""
    size = SMALL if placed.box.kind == "sign" else FONT
    bold = ' font-weight="bold"' if placed.is_open else ""
    middle = placed.y + (HEADER / 2 if placed.is_open or len(placed.lines) > 1 else placed.height / 2)
    first, *more = placed.lines
    parts = [f'<text class="ink" x="{x:.1f}" y="{middle + size * 0.35:.1f}"{anchor} font-size="{size:g}"{bold}'
             f' fill="{LIGHT["ink"]}">{html.escape(first)}</text>']  # fmt: skip
    for number, text in enumerate(more, 1):
        y = middle + number * LINE + SMALL * 0.35 - 1
        tone = "soft" if placed.is_open else "ink"  # a closed box may be warm, where soft texts are hard to read
        parts.append(f'<text class="{tone}" x="{x:.1f}" y="{y:.1f}"{anchor} font-size="{SMALL:g}"'
                     f' fill="{LIGHT[tone]}">{html.escape(text)}</text>')  # fmt: skip
    return parts


def _label(label: Label) -> str:
    """A text on a ground of its own, which interrupts the line that it stands on."""
    wide = width(label.text, label.size) + 6
    ground = (f'<rect class="block" x="{label.x - wide / 2:.1f}" y="{label.y - 8:.1f}" width="{wide:.1f}" height="16"'
              f' rx="4" fill="{LIGHT["block"]}"/>')  # fmt: skip
    return (f'{ground}<text class="soft" x="{label.x:.1f}" y="{label.y + label.size * 0.35:.1f}" text-anchor="middle"'
            f' font-size="{label.size:g}" fill="{LIGHT["soft"]}">{html.escape(label.text)}</text>')  # fmt: skip


def _edge(points: list[Knot], tip: bool, right: bool) -> str:
    end = ' marker-end="url(#tip)"' if tip else ""
    line = path(points, right)
    return f'<path class="line" d="{line}" fill="none" stroke="{LIGHT["line"]}" stroke-width="1.3"{end}/>'


def path(points: list[Knot], right: bool) -> str:
    """A line through points: straight where one of both is the same, else bent, first and last along the flow."""
    text = f"M{points[0][0]:.1f} {points[0][1]:.1f}"
    for (x, y), (u, v) in pairwise(points):
        if abs(x - u) < 0.05 or abs(y - v) < 0.05:
            text += f"L{u:.1f} {v:.1f}"
        elif right:
            text += f"C{(x + u) / 2:.1f} {y:.1f} {(x + u) / 2:.1f} {v:.1f} {u:.1f} {v:.1f}"
        else:
            text += f"C{x:.1f} {(y + v) / 2:.1f} {u:.1f} {(y + v) / 2:.1f} {u:.1f} {v:.1f}"
    return text


def _legend(text: str, most: float, y: float) -> list[str]:
    """What the colours mean."""
    x = MARGIN + width(text, SMALL) + 8
    soft = f'class="soft" y="{y + 9:.1f}" font-size="{SMALL:g}" fill="{LIGHT["soft"]}"'
    return [
        f'<text {soft} x="{MARGIN}">{text}</text>', f'<text {soft} x="{x + 124:.1f}">{most:.0%}</text>',
        f'<rect class="frame" x="{x:.1f}" y="{y:.1f}" width="118" height="11" rx="3" fill="url(#scale)"'
        f' stroke="{LIGHT["frame"]}"/>',
    ]  # fmt: skip
