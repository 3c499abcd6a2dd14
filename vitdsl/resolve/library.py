"""Defines that are shared by specs: `library.NAME` is `specs/library/NAME.yaml`."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from vitdsl.errors import SpecError, did_you_mean, refuse
from vitdsl.resolve.files import shipped
from vitdsl.syntax.recognise import recognise
from vitdsl.syntax.source import read_file

PREFIX = "library."


def entry(name: str) -> Mapping[str, Any]:
    """The define that `library.NAME` stands for.

    Raises:
        Refusal: there is none of that name, or its file is wrong.
    """
    path = shipped("library") / f"{name.removeprefix(PREFIX)}.yaml"
    known = [PREFIX + other.stem for other in sorted(shipped("library").glob("*.yaml"))]
    if name not in known:
        refuse(f"there is no define `{name}`", did_you_mean(name, known), at=("use",))
    try:
        return _read(path, path.stat().st_mtime_ns)
    except SpecError as error:
        refuse(f"the file of `{name}` is wrong: {error.problems[0].message}", at=("use",))


@lru_cache(maxsize=256)
def _read(path: Path, stamp: int) -> Mapping[str, Any]:
    """The file, read once for each time it was written."""
    return recognise(read_file(path), ())
