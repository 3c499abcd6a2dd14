"""Written paths, such as `stages[2].block[0].mixer.heads`.

A path is spelled alike in `set`, in search decisions and in errors. Its segments are keys and indexes; `block@7[0]` is
the first item of the eighth repetition of `block`. A key that holds one of the signs of this notation is written as
`["the key"]`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from vitdsl.errors import Mark, Problem, Source, SpecError

MAX_SEGMENTS = 128
"""Of a written path; no file is nested as deep."""
_NAME = re.compile(r"[^\s.\[\]@\"'\\]+")
_INDEX = re.compile(r"\[([0-9]{1,9})\]")
_QUOTED = re.compile(r"\[(\"(?:[^\"\\]|\\.)*\")\]")
_REPETITION = re.compile(r"@([0-9]{1,9})(?![0-9])")


@dataclass(frozen=True, slots=True)
class Repetition:
    """Path segment `@7`: the eighth repetition of what the segment before it names."""

    index: int


class Key(str):
    """Last segment of a path where the key itself is wrong, not its value."""

    __slots__ = ()


Segment = str | int | Repetition


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
        if text.startswith(".", position) and segments:
            position += 1
        elif segments and text[position] not in "[@":
            raise _refused(text, position, name, "'.', '[' or '@' is expected here")
        segment, position = _segment(text, position, position > begin or not segments, bool(segments))
        if segment is None:
            raise _refused(text, position, name, _expected(text, position))
        segments.append(segment)
        if len(segments) > MAX_SEGMENTS:
            raise _refused(text, begin, name, f"a path has at most {MAX_SEGMENTS} segments")
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


def _segment(text: str, position: int, named: bool, repeatable: bool) -> tuple[Segment | None, int]:
    """The segment that begins at a position, and where it ends; None where none does."""
    if named and (match := _NAME.match(text, position)):
        return match[0], match.end()
    if named and position:  # only a name may follow a dot
        return None, position
    if match := _INDEX.match(text, position):
        return int(match[1]), match.end()
    if match := _QUOTED.match(text, position):
        try:
            return json.loads(match[1], strict=False), match.end()
        except ValueError:
            return None, position
    if repeatable and (match := _REPETITION.match(text, position)):
        return Repetition(int(match[1])), match.end()
    return None, position


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


def _refused(text: str, position: int, name: str, message: str) -> SpecError:
    mark = Mark(Source(name, text), 1, position + 1)
    return SpecError(Problem(message, mark=mark, hint="a path looks like stages[2].block[0].mixer.heads"))
