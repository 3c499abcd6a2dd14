"""The evaluations: found by file name or entry point, and imported when they are first named."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from vitdsl.errors import did_you_mean, refuse
from vitdsl.fields.messages import describe
from vitdsl.search.evaluation.base import Evaluation

ENTRY_POINTS = "vitdsl.evaluations"
HERE = Path(__file__).parent
SHARED_FILES = {"__init__", "base", "measuring", "registry"}


@cache
def files() -> dict[str, str]:
    """The module of each evaluation of this package, by type."""
    stems = sorted(path.stem for path in HERE.glob("*.py") if path.stem not in SHARED_FILES)
    return {stem: f"vitdsl.search.evaluation.{stem}" for stem in stems}


@cache
def installed() -> dict[str, metadata.EntryPoint]:
    """Entry points of other packages: evaluations by type, and functions for `{type: function}` by name."""
    return {entry.name: entry for entry in metadata.entry_points(group=ENTRY_POINTS)}


@cache
def evaluation_class(name: str) -> type[Evaluation] | None:
    """The class of a type, or None where no installed evaluation has that name."""
    if name in files():
        module = importlib.import_module(files()[name])
        return next(
            value for value in vars(module).values()
            if isinstance(value, type) and issubclass(value, Evaluation) and value.__module__ == module.__name__
        )  # fmt: skip
    target = installed()[name].load() if name in installed() else None
    return target if isinstance(target, type) and issubclass(target, Evaluation) else None


def read_evaluation(raw: Any) -> Evaluation:
    """The evaluation of a mapping with `type`, or of a bare type.

    Raises:
        Refusal: there is none of that type, or a field does not fit.
    """
    if isinstance(raw, Evaluation):
        return raw
    fields = {"type": raw} if isinstance(raw, str) else raw
    if not isinstance(fields, dict) or not isinstance(fields.get("type"), str):
        hint = f"known: {', '.join(_known())}"
        refuse(f"an evaluation is a name, or a mapping with `type`, but this is {describe(raw)}", hint, code="E203")
    cls = evaluation_class(fields["type"])
    if cls is None:
        at = () if isinstance(raw, str) else ("type",)
        refuse(f"there is no evaluation `{fields['type']}`", _hint(fields["type"]), at, code="E206")
    return cls.read(fields, None)  # type: ignore[arg-type]


def with_defaults(rungs: Sequence[Evaluation]) -> tuple[Evaluation, ...]:
    """Rungs with the defaults that depend on the other rungs (`Evaluation.among`)."""
    return tuple(rung.among(rungs) for rung in rungs)


def _known() -> list[str]:
    return sorted({*files(), *(name for name in installed() if evaluation_class(name) is not None)})


def _hint(name: str) -> str:
    """The hint for an unknown type."""
    if name in installed():
        return f"`{name}` is a function: write {{type: function, function: {name}}}"
    return did_you_mean(name, _known())
