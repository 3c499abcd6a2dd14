"""YAML 1.2 read into plain values that know where they stand.

The values of plain scalars are those of YAML 1.2's core schema; tags, anchors and aliases are refused; size, depth and
number of values are bounded. Nothing here knows what a model is.
"""

from __future__ import annotations

import re
import stat
from itertools import islice
from pathlib import Path
from typing import Any

from vitdsl.errors import MAX_PROBLEMS, Mark, Problem, Source, SpecError, near
from vitdsl.syntax.yaml_parser import EventReader

MAX_BYTES = 1 << 20
# U+0085, U+2028 and U+2029 print, but YAML 1.1 breaks lines at them and no editor does: positions would be wrong
_NOT_ALLOWED = re.compile("[^\t\n\r\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")


def read(text: str | bytes, name: str) -> Any:
    """Read one YAML document.

    Args:
        text: the document; bytes are UTF-8.
        name: what messages call it, usually its path.

    Returns:
        A `Map`, a `Seq` or a scalar: str, int, float, bool or None.

    Raises:
        SpecError: with everything that is wrong, as far as the text could be read.
    """
    size = len(text) if isinstance(text, bytes) else len(text.encode("utf-8", "surrogatepass"))
    if size > MAX_BYTES:
        raise SpecError(Problem("the file is larger than 1 MiB", mark=Mark(Source(name, ""), 1, 1), code="E502"))
    source = Source(name, (text if isinstance(text, str) else _decode(text, name)).removeprefix("\ufeff"))
    strange = [
        Problem(
            f"the character U+{ord(found[0]):04X} is not allowed",
            mark=_mark_at(source, found.start()),
            hint="delete it",
            code="E103",
        )
        for found in islice(_NOT_ALLOWED.finditer(source.text), MAX_PROBLEMS)
    ]
    if strange:
        raise SpecError(strange)
    return EventReader(source).read()


def read_file(path: str | Path) -> Any:
    """Read the YAML file at a path; see `read`.

    Raises:
        SpecError: also where there is no such file, or where it is no text.
    """
    path, name = Path(path), str(path)
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise SpecError(f"{name}: this is a directory, not a file", "E102")
        if not stat.S_ISREG(mode):
            raise SpecError(f"{name}: this is not a regular file", "E102")
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        folder = path.parent
        hint = f"there is no folder {str(folder)!r} either"
        if folder.is_dir():
            candidate = near(path.name, (other.name for other in folder.iterdir()))
            hint = f"did you mean {str(folder / candidate)!r}?" if candidate else ""
        raise SpecError(Problem(f"{name}: there is no such file", hint=hint, code="E101")) from None
    except (OSError, ValueError) as error:
        if isinstance(error, SpecError):
            raise
        reason = getattr(error, "strerror", None) or str(error)
        raise SpecError(f"{name}: this file cannot be read: {reason}", "E102") from None
    return read(data, name)


def _decode(data: bytes, name: str) -> str:
    """Decode UTF-8, or say what the bytes are instead."""
    begin = Mark(Source(name, ""), 1, 1)
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise SpecError(Problem("the file is UTF-16, not UTF-8", mark=begin, hint="save it as UTF-8", code="E103"))
    if b"\0" in data:
        raise SpecError(Problem("this is a binary file, not YAML", mark=begin, code="E103"))
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        source = Source(name, data.decode(errors="replace").removeprefix("\ufeff"))
        mark = _mark_at(source, len(data[: error.start].decode().removeprefix("\ufeff")))
        message = f"the byte 0x{data[error.start]:02x} is not UTF-8"
        raise SpecError(Problem(message, mark=mark, hint="save it as UTF-8", code="E103")) from None


def _mark_at(source: Source, offset: int) -> Mark:
    """Position of a character counted from the beginning of the text."""
    lines = Source("", source.text[:offset] + "x").lines
    return Mark(source, len(lines), len(lines[-1]))
