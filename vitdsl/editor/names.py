"""What a file and those that it extends give names to: defines, variables, streams, tokens, outputs."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from vitdsl.editor.nodes import Entry, Node
from vitdsl.editor.outline import Outline
from vitdsl.editor.values import CURSOR, outline_of, plain
from vitdsl.errors import SpecError
from vitdsl.parts.registry import DEFAULT_TYPES
from vitdsl.resolve.edit import Root
from vitdsl.resolve.extends import MAX_EXTENDS
from vitdsl.resolve.files import find, shipped, text_of
from vitdsl.resolve.library import PREFIX
from vitdsl.syntax.names import is_name
from vitdsl.syntax.tree import Map


class Named(NamedTuple):
    """Where something gets its name: the file, its outline, the name, and what is called so."""

    path: Path
    outline: Outline
    name: Node
    value: Node


class Names:
    """The names of a file; those of nearer files hide those of files that they extend.

    Args:
        path: of the file.
        outline: of its text.
        root: the kind of the file.

    Attributes:
        files: the file and those that it extends, nearest first.
        defines: by name.
        variables: by name.
        streams: by name, the first that writes each.
        tokens: by name.
        outputs: of the head, by name.
    """

    def __init__(self, path: Path, outline: Outline, root: Root) -> None:
        self.files: list[tuple[Path, Outline]] = [*_chain(path, outline, root)]
        self.defines: dict[str, Named] = {}
        self.variables: dict[str, Named] = {}
        self.streams: dict[str, Named] = {}
        self.tokens: dict[str, Named] = {}
        self.outputs: dict[str, Named] = {}
        for file, each in self.files:
            for place, entry in each.root.walk():
                self._note(file, each, place, entry)

    def _note(self, file: Path, outline: Outline, place: tuple[Any, ...], entry: Entry) -> None:
        tables = {("define",): self.defines, ("vars",): self.variables, ("head", "outputs"): self.outputs}
        table = tables.get(place[:-1])
        if table is not None and entry.key is not None:
            _keep(table, Named(file, outline, entry.key, entry.value))
        if place[-1] in ("write", "stream") and entry.value.kind == "text":
            _keep(self.streams, Named(file, outline, entry.value, entry.value))
        if place[-1] == "tokens":
            each = [entry.value] if entry.value.kind == "text" else [inner.value for inner in entry.value.entries]
            for node in each if entry.value.kind != "mapping" else ():
                _keep(self.tokens, Named(file, outline, node, node))

    def define(self, name: str) -> Named | None:
        """A define of the file, or of the library."""
        if not name.startswith(PREFIX):
            return self.defines.get(name)
        path = shipped("library") / f"{name.removeprefix(PREFIX)}.yaml"
        text = text_of(path) if name in library() else None
        return None if text is None else whole(path, outline_of(text))

    @cached_property
    def defines_as_written(self) -> Map:
        """The defines of the file and of those that it extends, as plain values."""
        return Map({name: plain(named.value) for name, named in self.defines.items()})

    def arguments(self, name: Any) -> dict[str, Named]:
        """The arguments of a define, by name."""
        return arguments(self.define(name) if isinstance(name, str) else None)

    def default_type(self, family: str) -> str | None:
        """The type of parts without a `type`, as the nearest file's defaults or the language have it."""
        for _, outline in self.files:
            own = outline.root.at(("defaults", family))
            named = own.get("type") if own is not None and own.kind == "mapping" else own
            if named is not None and named.kind == "text" and CURSOR not in named.text:
                return named.text
        return DEFAULT_TYPES.get(family)


def whole(path: Path, outline: Outline) -> Named:
    """A define that is a file of its own."""
    return Named(path, outline, Node("text", 0, 0, path.stem), outline.root)


def arguments(define: Named | None) -> dict[str, Named]:
    """The arguments of a define, by name."""
    if define is None:
        return {}
    args, optional = define.value.get("args"), define.value.get("optional")
    nodes = [entry.value for entry in args.entries] if args is not None and args.kind == "list" else []
    pairs = [(node, node) for node in nodes if node.kind == "text"]
    if optional is not None and optional.kind == "mapping":
        pairs += [(entry.key, entry.value) for entry in optional.entries if entry.key is not None]
    return {key.text: Named(define.path, define.outline, key, value) for key, value in pairs if is_name(key.text)}


def library() -> list[str]:
    """The names of the defines in the library."""
    return [PREFIX + path.stem for path in sorted(shipped("library").glob("*.yaml"))]


def _keep(table: dict[str, Named], named: Named) -> None:
    """Adds what has a name, unless a nearer file has it, or it is just being written."""
    name = named.name.text.removesuffix("[]")
    if named.name.kind == "text" and is_name(name):
        table.setdefault(name, named)


def _chain(path: Path, outline: Outline, root: Root) -> Iterator[tuple[Path, Outline]]:
    """A file and those that it extends, as far as they can be found."""
    seen: set[Path] = set()
    while path not in seen and len(seen) <= MAX_EXTENDS:
        seen.add(path)
        yield path, outline
        name = outline.root.get("extends")
        if name is None or name.kind != "text" or CURSOR in name.text:
            return
        try:
            path = find(name.text, path.parent, root)
        except (SpecError, OSError, ValueError):
            return
        text = text_of(path)
        if text is None:
            return
        outline = outline_of(text)
