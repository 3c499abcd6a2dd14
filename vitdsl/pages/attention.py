"""The picture of attention maps: a row for each mixer, in it a photo for each head, with the map laid over it."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from vitdsl.compiler.attention import AttentionMap
from vitdsl.graph.operators import OpenWindows
from vitdsl.pages import shown
from vitdsl.pages.plot import INK
from vitdsl.pages.scene import Laid, Scene, Text

EDGE, SIDE, GAP, LARGE = 24, 112, 8, 224
"""Margins, the longer side of a head's photo, what is between photos, and the longer side of large ones."""
LABEL, FEWEST, MOST = 290, 5, 12
"""The width of the words before a row; at least, and at most, so many heads stand in a row."""
CAPTION, LETTER = 18, 0.56
"""The height of the line below a head; the width of a letter, in heights of a line."""
ALARM = "#b3261e"
POSITIVE = ((0, 0, 4), (87, 16, 110), (188, 55, 84), (249, 142, 9), (252, 255, 164))
NEGATIVE = ((0, 0, 4), (16, 56, 130), (40, 110, 200), (110, 175, 240), (210, 235, 255))
"""Colours of weights from 0 to the largest, and to the largest below 0."""
FAINTEST, DENSEST = 110, 215
"""Opacity of weight 0, and of the largest."""
UNSEEN = (31, 41, 51, 225)
"""Colour and opacity of what is no key of this query."""
LEGEND = (
    "Each square is a key. Dark: weight 0; bright: the largest weight of the head, which stands below it;"
    " blue: below 0; slate: no key of this query."
)

Place = tuple[float, float]
"""Of the image, from 0 to 1: downwards, to the right."""


class Asked(NamedTuple):
    """An attention map, as one query sees it.

    Attributes:
        path: of the mixer.
        query: what asks, in words.
        over: (heads, rows, columns), the weights of the keys on their grid, NaN where there is no key of this query;
            None: the keys have no grid.
        ring: the place that asks, or None.
        notes: what a reader must know besides, in words.
        shares: whether weights are shares of 1.
    """

    path: str
    query: str
    over: Tensor | None
    ring: Place | None
    notes: tuple[str, ...]
    shares: bool


# ---------------------------------------------------------------- queries


def ask(found: AttentionMap, at: Place | None = None) -> Asked:
    """The map of one image as one query sees it.

    Args:
        found: the map; of several images, that of the first.
        at: the place of the query. None, or where queries have no grid: the class token, else the mean over queries.
    """
    weights = found.weights[0].detach().double().cpu()
    weights_ghqk = weights if found.windows else weights[None]
    queries_gq, keys_gk = (x if found.windows else x[None] for x in (found.query_places(), found.key_places()))
    grid, ring = found.query_grid, None
    if at is not None and grid is not None:
        row, column = (min(int(share * length), length - 1) for share, length in zip(at, grid, strict=True))
        (window, index), *_ = (queries_gq == row * grid[1] + column).nonzero().tolist()
        query, rows = f"position {row},{column} of {grid[0]}x{grid[1]}", {window: weights_ghqk[window, :, index]}
        ring = ((column + 0.5) / grid[1], (row + 0.5) / grid[0])
    elif found.queries.tokens:
        token = "cls" if "cls" in found.queries.tokens else found.queries.tokens[0]
        query, rows = f"token {token}", {0: weights_ghqk[0, :, found.queries.tokens.index(token)]}
    else:
        query = "mean over the queries of each window" if found.windows else "mean over all queries"
        asking = queries_gq >= 0 if grid is not None else torch.ones_like(queries_gq, dtype=torch.bool)
        rows = {g: weights_ghqk[g][:, asks].mean(1) for g, asks in enumerate(asking) if asks.any()}
    return Asked(found.path, query, _placed(found, rows, keys_gk), ring, tuple(_notes(found)), found.softmax)


def _placed(found: AttentionMap, rows: dict[int, Tensor], keys_gk: Tensor) -> Tensor | None:
    """The weights of keys, by window, on the grid of the keys."""
    grid = found.key_grid
    if grid is None:
        return None
    heads = len(next(iter(rows.values())))
    over = torch.full((heads, grid[0] * grid[1]), torch.nan, dtype=torch.float64)
    for window, row_hk in rows.items():
        there = keys_gk[window] >= 0
        over[:, keys_gk[window][there]] = row_hk[:, there]
    return over.view(heads, *grid)


def _notes(found: AttentionMap) -> Iterator[str]:
    if found.windows:
        yield ", in ".join(map(_in_words, reversed(found.windows)))
    if found.keys.grid is None:
        yield f"its {found.keys.num_tokens} keys are on no grid, and cannot be laid over a photo"
    elif found.keys.tokens:
        yield f"keys {', '.join(found.keys.tokens)} not drawn"
    if not found.softmax:
        yield "no plain softmax"


def _in_words(windows: OpenWindows) -> str:
    size, shift = (f"{rows}x{columns}" for rows, columns in (windows.size, windows.shift))
    return f"windows of {size}" + (f", shifted by {shift}" if any(windows.shift) else "")


# ---------------------------------------------------------------- the picture


def picture(
    name: str, photo: Any, maps: Sequence[Asked], rollout: Asked | str, remarks: Sequence[str] = (), alarm: str = ""
) -> Scene:
    """The picture of a model's attention.

    Args:
        name: of the spec.
        photo: the image that the model sees, as a PIL image.
        maps: what is drawn.
        rollout: attention rollout, or why there is none.
        remarks: lines below the title.
        alarm: a line above these that nobody should miss.
    """
    heads = [len(each.over) for each in maps if each.over is not None]
    page = _Page(photo.convert("RGB"), max(FEWEST, min(MOST, max(heads, default=0))))
    page.write(f"{name}: attention maps", size=20, bold=True)
    if alarm:
        page.write(alarm, size=15, color=ALARM, bold=True)
    for text in (*remarks, LEGEND):
        page.write(text)
    page.add_rollout(rollout)
    for each in maps:
        page.add_row(each)
    return Scene(f"{name}: attention maps", page.width, round(page.y + EDGE), page.photo, page.elements)


class _Page:
    """A picture that grows downwards.

    Attributes:
        photo: the image that the model sees.
        across: how many heads stand in a row.
        elements: what stands on the page.
        width: of the page.
        y: the lower edge of what stands on it.
    """

    def __init__(self, photo: Any, across: int) -> None:
        self.photo, self.across, self.elements = photo, across, list[Text | Laid]()
        self.width = 2 * EDGE + LABEL + across * (SIDE + GAP) - GAP
        self.y = float(EDGE - GAP)

    def write(
        self, text: str, x: float = EDGE, width: float = 0, size: int = 13, bold: bool = False, color: str = INK
    ) -> None:
        """Adds a text, in as many lines as it needs; `width` 0 is all that there is."""
        letters = int((width or self.width - EDGE - x) / (LETTER * size))
        for line in textwrap.wrap(shown(text), letters):
            self.y += size + 6
            self.elements.append(Text(x, self.y, line, size, bold, color))

    def add_rollout(self, rollout: Asked | str) -> None:
        """Adds the photo, and beside it the rollout, or why there is none."""
        top = self.y = self.y + 2 * GAP
        size = self._size(LARGE)
        self.elements.append(Laid(EDGE, top, *size))
        x = EDGE + size[0] + GAP
        if isinstance(rollout, Asked) and rollout.over is not None:
            colors, largest = paint(rollout.over[0])
            self.elements.append(Laid(x, top, *size, colors, rollout.ring))
            x += size[0] + GAP
            words = "; ".join((f"query: {rollout.query}", *rollout.notes, f"largest: {100 * largest:.3g}%"))
        else:
            words = str(rollout)
        self.write("Attention rollout", x, bold=True)
        self.write(words, x)
        self.y = max(self.y, top + size[1]) + 2 * GAP

    def add_row(self, asked: Asked) -> None:
        """Adds the map of a mixer: its name, and a photo for each head."""
        top = self.y
        self.write(asked.path, width=LABEL, bold=True)
        self.write("; ".join((f"query: {asked.query}", *asked.notes)), width=LABEL)
        width, height = self._size(SIDE)
        bottom = top
        for head, over in enumerate(() if asked.over is None else asked.over):
            line, place = divmod(head, self.across)
            x, y = EDGE + LABEL + place * (SIDE + GAP), top + line * (height + CAPTION + GAP)
            colors, largest = paint(over)
            self.elements.append(Laid(x, y, width, height, colors, asked.ring))
            value = f"{100 * largest:.3g}%" if asked.shares else f"{largest:.3g}"
            self.elements.append(Text(x, y + height + 13, f"head {head}: {value}", 11))
            bottom = y + height + CAPTION
        self.y = max(self.y, bottom) + GAP

    def _size(self, side: int) -> tuple[int, int]:
        """Width and height of the photo where its longer side has this length."""
        width, height = self.photo.size
        scale = side / max(width, height)
        return max(1, round(width * scale)), max(1, round(height * scale))


def paint(over_hw: Tensor) -> tuple[Any, float]:
    """The colours of weights, uint8 (rows, columns, 4), and the weight that is largest, its sign apart."""
    weights = over_hw.numpy()
    seen = ~np.isnan(weights)
    largest = weights[seen][np.abs(weights[seen]).argmax()] if seen.any() else 0.0
    shares = np.where(seen, weights, 0) / (abs(largest) or 1.0)
    scale = np.linspace(0, 1, len(POSITIVE))
    colors = np.empty((*weights.shape, 4))
    for channel in range(3):
        up, down = ([color[channel] for color in each] for each in (POSITIVE, NEGATIVE))
        colors[..., channel] = np.where(shares < 0, np.interp(-shares, scale, down), np.interp(shares, scale, up))
    colors[..., 3] = FAINTEST + (DENSEST - FAINTEST) * np.abs(shares)
    colors[~seen] = UNSEEN
    return colors.round().astype(np.uint8), float(largest)
