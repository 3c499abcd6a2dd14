"""Options that several commands take."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

SpecName = Annotated[str, typer.Argument(metavar="SPEC", help="A spec: a file, or the name of a shipped one.")]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="PATH=VALUE", help="Put a value in, as `stages[2].depth=12`; may be repeated."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Debug = Annotated[
    bool, typer.Option("--debug", help="Check the graph itself: values, features, costs, paths; for work on vitdsl.")
]
ImageSize = Annotated[
    str | None, typer.Option("--size", metavar="H[xW]", help="Size of the image, in place of the spec's.")
]


def image_size(text: str | None, option: str = "--size") -> int | tuple[int, int] | None:
    """A side, or height and width, as `--size` gives them."""
    if text is None:
        return None
    sides = text.lower().replace("×", "x").split("x")
    if len(sides) > 2 or not all(side.isdecimal() and 0 < int(side) < 10**6 for side in sides):
        raise typer.BadParameter(f"'{text}' is not a size, such as 256 or 256x192", param_hint=option)
    height, *width = (int(side) for side in sides)
    return (height, width[0]) if width else height


def to_write(path: Path | None, option: str, *endings: str) -> None:
    """Refuses a file that could not be written, or has none of some endings, before any work is done."""
    if path is None:
        return
    if path.suffix not in endings:
        raise typer.BadParameter(f"'{path}' does not end in {' or '.join(endings)}", param_hint=option)
    if not path.parent.is_dir():
        raise typer.BadParameter(f"there is no folder '{path.parent}'", param_hint=option)
