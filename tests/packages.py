"""Packages with parts, as installing them leaves them on the path."""

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vitdsl.memo import forget
from vitdsl.parts import registry

FORM = '''
from typing import ClassVar, Literal
from vitdsl.parts.base import Form, Norm

class {name}(Form):
    """A linear map, as an item."""
    family: ClassVar[str] = "{family}"
    type: Literal["{type}"] = "{type}"
    dim: int | None = None
    norm: Norm = None

    def expand(self):
        return {{"linear": {{"dim": self.dim, "norm": self.norm}}}}
'''


@contextmanager
def installed(folder: Path, package: str, code: str = "", **parts: str) -> Iterator[None]:
    """Within, a package is installed whose parts are linear maps; those of other packages and ours stay.

    Args:
        folder: an empty one, which becomes a place of installed packages.
        package: its name.
        code: of its module, where its parts are others.
        parts: the family of each part by type; a part whose family is its own name is a role.
    """
    metadata = folder / f"{package}-0.1.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 0.1\n")
    entries = [f"{kind} = {package}:{kind.title()}" for kind in parts]
    (metadata / "entry_points.txt").write_text("\n".join(["[vitdsl.parts]", *entries]) + "\n")
    text = [FORM.format(name=kind.title(), family=family, type=kind) for kind, family in parts.items()]
    (folder / f"{package}.py").write_text(code or "".join(text))
    sys.path.insert(0, str(folder))
    renew()
    try:
        yield
    finally:
        sys.path.remove(str(folder))
        sys.modules.pop(package, None)
        renew()


def renew() -> None:
    """The registry looks for parts anew."""
    importlib.invalidate_caches()
    for each in vars(registry).values():
        if hasattr(each, "cache_clear"):
            each.cache_clear()
    forget()
