"""A model as a small Mermaid diagram: stages, what they hold, kinds of blocks with their repeats."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import count

from vitdsl.pages import cut
from vitdsl.pictures.boxes import BORDER, Box, End
from vitdsl.pictures.labels import lines_of, shapes_of
from vitdsl.pictures.words import shape_of

LONGEST = 60
_PLAIN = re.compile(r"[A-Za-z0-9_ .,:+×·–-]")
KINDS = 4
"""At most so many parts of a block are named."""


def mermaid(root: Box) -> str:
    """A Markdown text with one block of Mermaid."""
    return "\n".join(["```mermaid", "flowchart TD", *_Diagram().lines(root), "```", ""])


def quoted(text: str) -> str:
    """A text as Mermaid has it within quotes: all but letters, digits and a few signs are written as their codes."""
    return "".join(sign if _PLAIN.match(sign) else f"#{ord(sign)};" for sign in cut(text, LONGEST))


class _Diagram:
    def __init__(self) -> None:
        self._numbers = count()
        self._stages: dict[int, str] = {}

    def lines(self, root: Box) -> Iterator[str]:
        """A subgraph for each stage, with what it holds, and the edges."""
        assert root.body is not None
        names = []
        for port in root.body.entries:
            names.append(name := self._name())
            yield f'  {name}(["{quoted(f"{port.name} {shape_of(port.feature)}")}"])'
        ends = []
        for port in root.body.exits:
            ends.append(name := self._name())
            yield f'  {name}(["{quoted(port.name.lstrip("@"))}"])'
        for stage in root.body.boxes:
            yield from self._stage(stage)
        for net in root.body.nets:
            out = End(net.source.box, net.source.port)
            source = names[out.port] if out.box == BORDER else self._stages[id(root.body.boxes[out.box])]
            told = "-->" if out.box == BORDER else f'-- "{quoted(_shape(root.body.boxes[out.box], out.port))}" -->'
            for box, port in net.targets:
                target = ends[port] if box == BORDER else self._stages[id(root.body.boxes[box])]
                yield f"  {source} {told} {target}"

    def _name(self) -> str:
        return f"n{next(self._numbers)}"

    def _stage(self, stage: Box) -> Iterator[str]:
        """A stage with what it holds, but for its signs."""
        shown = [box for box in (stage.body.boxes if stage.body else ()) if box.kind != "sign"]
        names = [self._name() for _ in shown] or [self._name()]
        name = self._name()
        self._stages[id(stage)] = name
        yield f'  subgraph {name}["{quoted(stage.title)}"]'
        yield "    direction TB"
        if not shown:
            yield f'    {names[0]}["{quoted("nothing")}"]'
        for own, box in zip(names, shown, strict=False):
            yield f'    {own}["{quoted(_words(box))}"]'
        yield from self._edges(stage, dict(zip(map(id, shown), names, strict=False)))
        yield "  end"

    def _edges(self, stage: Box, names: dict[int, str]) -> Iterator[str]:
        """Edges between boxes that are shown, past those that are not."""
        assert stage.body is not None
        reads: dict[int, set[int]] = {}
        for net in stage.body.nets:
            for box, _ in net.targets:
                reads.setdefault(box, set()).add(net.source.box)
        sources: dict[int, set[int]] = {}
        for number, box in enumerate(stage.body.boxes):
            found: set[int] = set()
            for other in reads.get(number, ()):
                if other != BORDER:
                    found |= {other} if id(stage.body.boxes[other]) in names else sources[other]
            sources[number] = found
            if id(box) in names:
                yield from (f"    {names[id(stage.body.boxes[other])]} --> {names[id(box)]}" for other in sorted(found))


def _shape(stage: Box, port: int) -> str:
    return shapes_of(stage, {port})[port]


def _words(box: Box) -> str:
    """A box in words; of a block the titles of what it holds, each once."""
    title = lines_of(box)[0]
    if box.kind != "block" or box.body is None:
        return title
    titles = dict.fromkeys(each.title for each in box.body.boxes if each.kind in ("part", "block"))
    titles = titles or dict.fromkeys(each.title for each in box.body.boxes if each.kind == "operator")
    more = ", …" if len(titles) > KINDS else ""
    return f"{title}: {', '.join([*titles][:KINDS])}{more}"
