"""One text as an editor has it: its outline, its kind, its names, and what `check` finds in it; each found once."""

from __future__ import annotations

import re
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from vitdsl.checking import Report, report
from vitdsl.editor import nodes
from vitdsl.editor.grammar import Site, lead
from vitdsl.editor.names import Names
from vitdsl.editor.outline import Outline
from vitdsl.editor.places import root_of, root_place
from vitdsl.editor.values import outline_of, plain
from vitdsl.errors import Mark, SpecError
from vitdsl.resolve.files import find
from vitdsl.validate import Stage
from vitdsl.validate.hints import kind_of

_SAYS_SO = re.compile(r"\A\ufeff?(?:[ \t]*(?:#[^\r\n]*)?(?:\r\n|\r|\n))*?[ \t]*#[^\r\n]*\bvitdsl\b", re.IGNORECASE)
OWN_KEYS = {"recipe": ("epochs", "optimizer"), "search": ("space", "objectives")}
"""Keys that are all at the root of a file of ours of a kind, and hardly of another program's."""


class Span(NamedTuple):
    """A part of a text: offsets of its first character and behind its last one."""

    start: int
    end: int


class Document:
    """A text that is open in an editor.

    Args:
        path: of the file, which need not exist.
        text: the text, as it is now.
    """

    def __init__(self, path: Path, text: str) -> None:
        self.path, self.text = path, text
        self.outline: Outline = outline_of(text)

    @cached_property
    def kind(self) -> str:
        """The kind of the file, by the keys at its root; `spec` where they do not say."""
        root = self.outline.root
        kind = kind_of(dict.fromkeys(root.keys()))
        of_recipe = kind == "spec" and root.get("stages") is None and not _found(root, self.path, "spec")
        return "recipe" if of_recipe and _found(root, self.path, "recipe") else kind

    @cached_property
    def names(self) -> Names:
        """What the file and those that it extends give names to."""
        return Names(self.path, self.outline, root_place(self.kind))

    @cached_property
    def report(self) -> Report:
        """What `check` finds in the text. The text must be held in place of the file (`resolve.files.hold`)."""
        return report(str(self.path))

    @cached_property
    def plain(self) -> Any:
        """The plain value of the text, with the defines of the files that it extends."""
        value = plain(self.outline.root)
        if self.kind == "spec" and isinstance(value, dict) and (defines := self.names.defines_as_written):
            value["define"] = defines
        return value

    def site(self, path: nodes.Path) -> Site:
        """What may stand at a path of the text."""
        return lead(root_of(self.kind, self.names.defines_as_written), self.plain, path, self.names)

    def offset_of(self, mark: Mark | None) -> int | None:
        """The offset of a mark; None where it points into another text."""
        if mark is None or mark.source.name != str(self.path):
            return None
        begins = mark.line == 1 and self.text.startswith("\ufeff")
        return self.outline.offset(mark.line - 1, mark.column - 1 + begins)

    @cached_property
    def tokens(self) -> dict[int, nodes.Node]:
        """Keys and texts, by the offset at which they begin."""
        found = {}
        for node in self.outline.nodes():
            if node.kind == "text":
                found.setdefault(node.start, node)
        return found

    @cached_property
    def starts(self) -> dict[int, nodes.Node]:
        """Values that are no keys, by the offset at which they begin; of several the outermost."""
        found = {self.outline.root.start: self.outline.root}
        for _, entry in self.outline.root.walk():
            if entry.value.kind != "nothing":
                found.setdefault(entry.value.start, entry.value)
        return found

    def span(self, offset: int) -> Span:
        """What an editor underlines for a fault at an offset: a key, a text, or brackets; never more than a line."""
        line_end = self.outline.line_end(self.outline.position(offset)[0])
        node = self.tokens.get(offset) or self.starts.get(offset)
        end = node.end if node is not None else offset + 1
        return Span(offset, min(max(end, offset + 1), max(line_end, offset)))


def is_ours(document: Document) -> bool:
    """Whether a YAML file is one of vitdsl's: a comment above its first line says so, or its keys do.

    Other programs have files with `stages` and `extends` too; so `stages` must hold what a stage has, and `extends`
    must name a file of ours.
    """
    if _SAYS_SO.match(document.text):
        return True
    root = document.outline.root
    keys = set(root.keys())
    stages = root.get("stages")
    if stages is not None:
        first = stages.get(0)
        own = {*Stage.fields_by_key, "use"} - {"name"}
        return stages.kind == "list" and first is not None and not own.isdisjoint(first.keys())
    if any(keys.issuperset(own) for own in OWN_KEYS.values()):
        return True
    if "extends" in keys:
        return any(_found(root, document.path, kind) for kind in ("spec", "recipe"))
    return document.kind == "define" and {"args", "body"} <= keys


def _found(root: nodes.Node, path: Path, kind: str) -> bool:
    """Whether a file extends a file of a kind, which is there."""
    name = root.get("extends")
    if name is None or name.kind != "text":
        return False
    try:
        return find(name.text, path.parent, root_place(kind)).is_file()
    except (SpecError, OSError, ValueError):
        return False
