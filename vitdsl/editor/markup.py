"""Text for hovers: prose of ours as markdown, and what stands in files as code, which no viewer obeys."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from vitdsl.errors import printable

_CODE = re.compile(r"(`+[^`]*`+)")
_SIGNS = re.compile(r"([\\*_\[\]<>#|~&]|^[-+=](?=[ \t-])|^\d+(?=[.)]))", re.MULTILINE)


class Block(NamedTuple):
    """A paragraph of a hover; `code` where it shows what stands in a file."""

    text: str
    code: bool = False


def markdown(blocks: Iterable[Block]) -> str:
    """The blocks as markdown."""
    return "\n\n".join(_fenced(block.text) if block.code else _escaped(block.text) for block in blocks)


def plain_text(blocks: Iterable[Block]) -> str:
    """The blocks as text without markup."""
    return "\n\n".join(_lines(block.text) for block in blocks)


def _lines(text: str) -> str:
    return "\n".join(printable(line) for line in text.split("\n"))


def _fenced(text: str) -> str:
    """Code between fences that are longer than any in it."""
    longest = max((len(found) for found in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}yaml\n{_lines(text)}\n{fence}"


def _escaped(text: str) -> str:
    """Prose; the signs of markdown in it are escaped, except backticks in pairs."""
    pieces = _CODE.split(_lines(text))
    made = "".join(piece if index % 2 else _SIGNS.sub(r"\\\1", piece) for index, piece in enumerate(pieces))
    return made.replace("\n", "  \n")
