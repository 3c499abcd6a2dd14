"""Pictures of texts and of colours laid over one photo: as SVG, which is whole in itself, and as PNG."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Sequence
from typing import Any, NamedTuple

from vitdsl.errors import printable
from vitdsl.pages.plot import INK, PAPER, begin_svg

RING = "#00d5ff"


class Text(NamedTuple):
    """A line of text; `y` is its base line. All lengths of a scene are in pixels."""

    x: float
    y: float
    text: str
    size: int = 13
    bold: bool = False
    color: str = INK


class Laid(NamedTuple):
    """The photo, and what is laid over it.

    Attributes:
        x: of its left edge.
        y: of its upper edge.
        width: of the photo there.
        height: likewise.
        colors: uint8 (rows, columns, 4), red, green, blue and opacity, stretched over the photo; None: nothing.
        ring: a place that is marked, from 0 to 1 to the right and downwards; None: none is.
    """

    x: float
    y: float
    width: int
    height: int
    colors: Any = None
    ring: tuple[float, float] | None = None


class Scene(NamedTuple):
    """What is drawn, from the back to the front.

    Attributes:
        title: any text; a reader of the SVG shows it.
        width: of the picture.
        height: of the picture.
        photo: a PIL image in RGB.
        elements: what stands on it.
    """

    title: str
    width: int
    height: int
    photo: Any
    elements: Sequence[Text | Laid]


def as_svg(scene: Scene) -> str:
    """The text of an SVG file; the photo and all colours are in it, and no text is markup."""
    width, height = scene.photo.size
    parts = [
        *begin_svg(scene.width, scene.height, printable(scene.title)),
        f'<defs><image id="photo" width="{width}" height="{height}" href="{_address(scene.photo)}"/></defs>',
        f'<rect width="{scene.width}" height="{scene.height}" fill="{PAPER}"/>',
    ]
    for each in scene.elements:
        parts += [_text(each)] if isinstance(each, Text) else _laid(each, width, height)
    return "\n".join([*parts, "</svg>\n"])


def as_png(scene: Scene) -> bytes:
    """The bytes of a PNG file."""
    from PIL import Image, ImageDraw, ImageFont

    page = Image.new("RGB", (scene.width, scene.height), PAPER)
    draw = ImageDraw.Draw(page)
    sized: dict[tuple[int, int], Any] = {}
    for each in scene.elements:
        if isinstance(each, Text):
            font = ImageFont.load_default(each.size)
            line = each.text.encode("ascii", "backslashreplace").decode()  # the font that Pillow brings has few others
            draw.text((each.x, each.y), line, each.color, font, "ls", stroke_width=0.4 if each.bold else 0)
            continue
        size, corner = (each.width, each.height), (round(each.x), round(each.y))
        if size not in sized:
            sized[size] = scene.photo.resize(size, Image.Resampling.BICUBIC)
        page.paste(sized[size], corner)
        if each.colors is not None:
            colors = Image.fromarray(each.colors, "RGBA").resize(size, Image.Resampling.NEAREST)
            page.paste(colors, corner, colors)
        if each.ring is not None:
            x, y = each.x + each.ring[0] * each.width, each.y + each.ring[1] * each.height
            draw.ellipse((x - 4, y - 4, x + 4, y + 4), outline=RING, width=2)
    return _encoded(page)


def _encoded(image: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, "PNG", optimize=True)
    return file.getvalue()


def _address(image: Any) -> str:
    return f"data:image/png;base64,{base64.b64encode(_encoded(image)).decode()}"


def _text(each: Text) -> str:
    weight = ' font-weight="bold"' if each.bold else ""
    line = html.escape(printable(each.text))
    return f'<text x="{each.x:g}" y="{each.y:g}" font-size="{each.size}" fill="{each.color}"{weight}>{line}</text>'


def _laid(each: Laid, width: int, height: int) -> list[str]:
    scale = f"scale({each.width / width:.6g} {each.height / height:.6g})"
    parts = [f'<use href="#photo" transform="translate({each.x:g} {each.y:g}) {scale}"/>']
    if each.colors is not None:
        from PIL import Image

        address = _address(Image.fromarray(each.colors, "RGBA"))
        place = f'x="{each.x:g}" y="{each.y:g}" width="{each.width}" height="{each.height}"'
        parts.append(f'<image {place} preserveAspectRatio="none" image-rendering="pixelated" href="{address}"/>')
    if each.ring is not None:
        x, y = each.x + each.ring[0] * each.width, each.y + each.ring[1] * each.height
        parts.append(f'<circle cx="{x:g}" cy="{y:g}" r="4" fill="none" stroke="{RING}" stroke-width="2"/>')
    return parts
