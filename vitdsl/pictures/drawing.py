"""Draws a spec, as the ending of the file says: a figure, a page, or Mermaid."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vitdsl.errors import InputError
from vitdsl.graph.summary import total_of
from vitdsl.pictures.opening import open_spec
from vitdsl.pictures.shares import MEASURES
from vitdsl.resolve.files import write_text
from vitdsl.spec import Spec, load

ENDINGS = (".svg", ".html", ".md")
"""Of files that can be drawn."""


def draw(
    spec: Spec | str | Path | Mapping[str, Any],
    path: str | Path,
    size: int | tuple[int, int] | None = None,
    heat: str = "macs",
) -> Path:
    """Writes a picture of a spec's architecture.

    Args:
        spec: a spec without open holes, or what `load` takes.
        path: of the file: `.svg` is a figure, `.html` a page whose boxes can be folded and searched, `.md` Mermaid.
        size: of the image, in place of the spec's: a side, or (height, width), in pixels.
        heat: what the colours of a figure stand for: `macs`, `params` or `activations`; a page lets its reader choose.

    Returns:
        The path.

    Raises:
        SpecError: the spec is wrong, or has open holes.
        InputError: the file has another ending, or there is no such measure.
        OSError: the file cannot be written; what was there is as it was.
    """
    path = Path(path)
    if path.suffix not in ENDINGS:
        raise InputError(f"'{path}' ends in none of {', '.join(ENDINGS)}", code="E610")
    write_text(path, drawn(spec if isinstance(spec, Spec) else load(spec), path.suffix, size, heat))
    return path


def drawn(spec: Spec, ending: str, size: int | tuple[int, int] | None = None, heat: str = "macs") -> str:
    """The text of a picture.

    Args:
        spec: a spec without open holes.
        ending: one of `ENDINGS`.
        size: of the image, in place of the spec's.
        heat: what the colours of a figure stand for.

    Raises:
        SpecError: the spec has open holes, or does not fit the size.
        InputError: there is no such measure.
    """
    if heat not in MEASURES:
        raise InputError(f"'{heat}' is none of {', '.join(MEASURES)}", code="E205")
    root, analysis = open_spec(spec, size), spec.analyze(size)
    if ending == ".html":
        from vitdsl.pictures.page import page

        return page(root, spec.name, analysis, str((spec.model.paper or {}).get("title", "")))
    if ending == ".md":
        from vitdsl.pictures.mermaid import mermaid

        return mermaid(root)
    from vitdsl.pictures.svg import svg

    return svg(root, f"{spec.name} · {total_of(analysis)}", heat)
