"""Photos that a command is given."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import typer

from vitdsl.errors import InputError, Problem
from vitdsl.syntax.limits import PIXELS

Use = Callable[[Any], Any]
"""Makes something of a PIL image, which is closed then."""


def photo_opener(option: str) -> Callable[[Path, Use], Any]:
    """A function that opens a photo, uses it, and closes it.

    Args:
        option: what names photos, in messages.

    Raises:
        BadParameter: Pillow is not installed.
    """
    try:
        from PIL import Image, UnidentifiedImageError
    except ImportError:
        raise typer.BadParameter("photos need Pillow: pip install 'vitdsl[predict]'", param_hint=option) from None
    Image.MAX_IMAGE_PIXELS = None  # the bound below is ours, which says how to raise it

    def open_photo(path: Path, use: Use) -> Any:
        try:
            with Image.open(path) as photo:
                if (found := photo.width * photo.height) > PIXELS.allowed:
                    message, hint = PIXELS.fault(found)
                    raise InputError(Problem(f"{path}: {message}", hint=hint, code="E501"))
                return use(photo)
        except UnidentifiedImageError:
            raise OSError(None, "not a photo that Pillow can read", str(path)) from None

    return open_photo
