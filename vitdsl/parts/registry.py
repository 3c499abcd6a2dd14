"""Which parts there are: found by file name, imported when first named; others come through entry points."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any, get_args

from vitdsl.parts.base import Part, Primitive

ENTRY_POINTS = "vitdsl.parts"
HERE = Path(__file__).parent
COMPOSITE = ("body", "parallel", "use")
"""Roles that hold bodies."""
DEFAULT_TYPES = {"norm": "layer", "mlp": "mlp"}
"""What a family is where a mapping has no `type` and the spec no default."""
SHARED_FILES = {"attention", "mixer"}
"""Files under `forms` that hold what several parts share."""


@cache
def files() -> dict[str, str]:
    """Module of each part of ours, by type."""
    found = {}
    for folder in ("primitives", "forms"):
        for path in (HERE / folder).iterdir():
            name = path.stem.rstrip("_")
            if path.suffix == ".py" and path.stem not in {"__init__", *SHARED_FILES}:
                found[name] = f"vitdsl.parts.{folder}.{path.stem}"
    return found


@cache
def _entries() -> tuple[Any, ...]:
    """Entry points of parts of other installed packages."""
    if not any(map(_names_parts, _installed())):
        return ()
    from importlib import metadata

    return tuple(metadata.entry_points(group=ENTRY_POINTS))


@cache
def foreign() -> dict[str, Any]:
    """Entry points of parts of other installed packages, by type."""
    return {entry.name: entry for entry in _entries()}


def hidden() -> list[tuple[str, str, str]]:
    """Installed parts that no spec can name, since another has their name: the name, their package, and whose it is."""
    found = []
    for entry in _entries():
        package, other = (each.dist.name if each.dist else each.module for each in (entry, foreign()[entry.name]))
        if entry.name in files() or entry is not foreign()[entry.name]:
            found.append((entry.name, package, "vitdsl" if entry.name in files() else other))
    return found


def _installed() -> Iterator[Path]:
    """Where installed packages say what they are, and what on the path is no folder and may hold any.

    Looked through before `importlib.metadata`, which takes as long to import as a spec to be read.
    """
    for entry in map(Path, dict.fromkeys(sys.path)):
        if entry.is_dir():
            yield from (path for path in entry.iterdir() if path.suffix in (".dist-info", ".egg-info", ".egg"))
        elif entry.exists():
            yield entry


def _names_parts(place: Path) -> bool:
    """Whether a package may have entry points of ours."""
    file = place / "entry_points.txt"
    if place.suffix in (".dist-info", ".egg-info") and place.is_dir():
        return file.is_file() and ENTRY_POINTS.encode() in file.read_bytes()
    return place.suffix != ".egg-info"  # a file of that name is old and has no entry points


@cache
def part_class(name: str) -> type[Part] | None:
    """The class of a type, or None where no installed part has that name."""
    if name in files():
        return _declared(importlib.import_module(files()[name]), name)
    if name in foreign():
        return foreign()[name].load()
    return None


def _declared(module: ModuleType, name: str) -> type[Part]:
    """The part that a file is named after: by its type, or by its family where one class has all types."""
    classes = [
        value for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, Part) and value.__module__ == module.__name__
    ]  # fmt: skip
    exact = [cls for cls in classes if cls.fields["type"].default == name]
    return (exact or [cls for cls in classes if cls.family == name])[0]


def family_of(op: Primitive) -> str:
    """The family of the part that an operator stands for."""
    part = part_class(op.of_part) if op.of_part else op
    assert part is not None
    return part.family


@cache
def all_parts() -> dict[str, type[Part]]:
    """Every installed part, by type; imports all of them."""
    found = {name: part_class(name) for name in sorted({*files(), *foreign()})}
    return {name: cls for name, cls in found.items() if cls is not None}


@cache
def family(name: str) -> dict[str, type[Part]]:
    """The parts of one family that a spec can name, by type."""
    return {kind: cls for kind, cls in all_parts().items() if cls.family == name}


@cache
def class_of(family_name: str, kind: str) -> type[Part] | None:
    """The class that reads `{type: kind}` where a part of this family is expected."""
    single = part_class(family_name) if family_name not in DEFAULT_TYPES else None
    if single is not None and single.family == family_name:
        return single
    cls = part_class(kind)
    return cls if cls is not None and cls.family == family_name else None


def long_form(family_name: str, value: Any) -> Any:
    """The mapping that a bare value of a part stands for: `layer` is `{type: layer}`, and `96` of a `linear` its `dim`.

    What stands for no mapping is given back.
    """
    single = class_of(family_name, family_name) if family_name not in DEFAULT_TYPES else None
    if single is not None and single.shorthand not in ("", "type"):
        return {single.shorthand: value}
    return {"type": value} if isinstance(value, str) else value


def is_type(family_name: str, name: str) -> bool:
    """Whether `{type: name}` is a part of this family that is called otherwise than the family."""
    cls = class_of(family_name, name)
    return name != family_name and cls is not None and name in get_args(cls.fields["type"].annotation)


def types_of(family_name: str) -> tuple[str, ...]:
    """Every `type` that a part of this family may have."""
    found = [get_args(cls.fields["type"].annotation) or (kind,) for kind, cls in family(family_name).items()]
    return tuple(str(kind) for kinds in found for kind in kinds)


def family_with(kind: str) -> str | None:
    """The family that has parts of this type, and is not called so; None where a spec can name none."""
    for cls in all_parts().values():
        if cls.family not in ("internal", kind) and is_type(cls.family, kind):
            return cls.family
    return None


ROLES = (
    "mixer", "mlp", "conv", "linear", "norm", "activation", "pool", "unfold", "fold", "resize", "scale", "dropout",
    "point", "classifier",
)  # fmt: skip
"""Roles of the language; every part whose family is its own name is a role too (`peg`, `squeeze`)."""


@cache
def is_role(name: str) -> bool:
    """Whether an item can have this role."""
    if name in ROLES:
        return True
    cls = part_class(name)
    return cls is not None and cls.family == name


@cache
def roles() -> tuple[str, ...]:
    """All roles that hold a part."""
    own = [name for name, cls in all_parts().items() if cls.family == name and name not in ROLES]
    return (*ROLES, *own)
