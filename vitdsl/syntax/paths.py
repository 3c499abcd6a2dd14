"""Written paths, such as `stages[2].block[0].mixer.heads`.

A path is spelled alike in `set`, in search decisions and in errors. Its segments are keys and indexes; `block@7[0]` is
the first item of the eighth repetition of `block`. A key that holds one of the signs of this notation is written as
`["the key"]`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache, partial

from vitdsl.errors import Mark, Problem, Source, SpecError

MAX_SEGMENTS = 128
"""Of a written path; no file is nested as deep."""
_NAME = re.compile(r"[^\s.\[\]@\"'\\]+")
_SEGMENT = re.compile(
    rf"(?P<name>{_NAME.pattern})|\[(?P<index>[0-9]{{1,9}})\]"
    r"|\[(?P<key>\"(?:[^\"\\]|\\.)*\")\]|@(?P<repetition>[0-9]{1,9})(?![0-9])"
)


@dataclass(frozen=True, slots=True)
class Repetition:
    """Path segment `@7`: the eighth repetition of what the segment before it names."""

    index: int


class Key(str):
    """Last segment of a path where the key itself is wrong, not its value."""

    __slots__ = ()


Segment = str | int | Repetition
_READ: dict[str, Callable[[str], Segment]] = {
    "name": str,
    "index": int,
    "key": partial(json.loads, strict=False),
    "repetition": lambda text: Repetition(int(text)),
}


@lru_cache(maxsize=4096)
def parse_path(text: str, name: str = "path") -> tuple[Segment, ...]:
    """Read a written path.

    Args:
        text: such as `stages[2].block@7[0].mixer.heads`.
        name: what an error calls the text; `--set`, or the name of a file.

    Returns:
        Keys as str, indexes as int, repetitions as `Repetition`.

    Raises:
        SpecError: naming the column in the text.
    """
    segments: list[Segment] = []
    position = 0
    while position < len(text) or not segments:
        begin = position
        dotted = text.startswith(".", position) and bool(segments)
        if segments and text[position] not in ".[@":
            raise _refused(text, position, name, "'.', '[' or '@' is expected here")
        position += dotted
        segment = _SEGMENT.match(text, position)
        kind = segment.lastgroup or "" if segment else ""
        if not segment or (kind != "name" if dotted else kind == "repetition" and not segments):
            raise _refused(text, position, name, _expected(text, position))
        try:
            segments.append(_READ[kind](segment[kind]))
        except ValueError:
            raise _refused(text, position, name, _expected(text, position)) from None
        position = segment.end()
        if len(segments) > MAX_SEGMENTS:
            raise _refused(text, begin, name, f"a path has at most {MAX_SEGMENTS} segments", "E507")
    return tuple(segments)


def format_path(segments: Iterable[Segment]) -> str:
    """Return the written path of keys, indexes and repetitions; `parse_path` reads it back."""
    text = ""
    for segment in segments:
        if isinstance(segment, Repetition):
            text += f"@{segment.index}"
        elif isinstance(segment, int):
            text += f"[{segment}]"
        elif _NAME.fullmatch(segment) and segment.isprintable():
            text += f".{segment}" if text else segment
        else:
            text += f"[{json.dumps(segment, ensure_ascii=not segment.isprintable())}]"
    return text


def _expected(text: str, position: int) -> str:
    if not text:
        return "the path is empty"
    if position == len(text):
        return "the path ends with a '.'"
    if text[position] == "[" and (not position or text[position - 1] != "."):
        return "'[' is followed by an index from 0, or a key in double quotes, and ']'"
    if text[position] == "@" and position and text[position - 1] != ".":
        return "'@' is followed by the number of a repetition, from 0"
    return "a key is expected here"


def _refused(text: str, position: int, name: str, message: str, code: str = "E112") -> SpecError:
    mark = Mark(Source(name, text), 1, position + 1)
    hint = "a path looks like stages[2].block[0].mixer.heads"
    return SpecError(Problem(message, mark=mark, hint=hint, code=code))
