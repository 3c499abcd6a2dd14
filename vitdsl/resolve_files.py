"""Where the files of specs are."""

from __future__ import annotations

from functools import cache
from pathlib import Path


@cache
def shipped(folder: str = "") -> Path:
    """Where the shipped specs are: beside the sources, or in the wheel."""
    here = Path(__file__).parent
    root = here / "_specs" if (here / "_specs").is_dir() else here.parent / "specs"
    return root / folder if folder else root
