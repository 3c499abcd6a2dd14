"""Shared defines: `library.NAME` is the file `specs/library/NAME.yaml`."""

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
    """The define of `library.NAME`.

    Raises:
        Refusal: there is no such define, or its file is invalid.
    """
    path = shipped("library") / f"{name.removeprefix(PREFIX)}.yaml"
    known = [PREFIX + other.stem for other in sorted(shipped("library").glob("*.yaml"))]
    if name not in known:
        refuse(f"there is no define `{name}`", did_you_mean(name, known), ("use",), "E303")
    try:
        return _read(path, path.stat().st_mtime_ns)
    except SpecError as error:
        refuse(f"the file of `{name}` is wrong: {error.problems[0].message}", at=("use",), code="E303")


@lru_cache(maxsize=256)
def _read(path: Path, stamp: int) -> Mapping[str, Any]:
    """The define in a file; `stamp` is the time of its last change, so that a changed file is read again."""
    return recognise(read_file(path), ())
