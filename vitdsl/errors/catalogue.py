"""What the codes of errors mean: a file in `explanations/` for each group, read when a code is asked for."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import NamedTuple

from vitdsl.errors import InputError, Problem, did_you_mean

FOLDER = Path(__file__).with_name("explanations")
_HEADING = re.compile(r"^## (?P<code>[EW]\d{3}): (?P<title>.+)$", re.MULTILINE)


class Explanation(NamedTuple):
    """What a code means.

    Args:
        code: such as `E201`.
        title: what is wrong, in a few words.
        group: the title of the codes that begin alike.
        text: what it means, why it is refused and what to do, as Markdown.
    """

    code: str
    title: str
    group: str
    text: str


@cache
def explanations() -> dict[str, Explanation]:
    """All codes in order, each with its explanation."""
    found = (each for path in sorted(FOLDER.glob("*.md")) for each in _read(path.read_text(encoding="utf-8")))
    return {each.code: each for each in found}


def _read(text: str) -> list[Explanation]:
    """The explanations of one file: a title, then each code with its text below."""
    first, *parts = _HEADING.split(text)
    group = first.strip().removeprefix("# ")
    triples = zip(parts[::3], parts[1::3], parts[2::3], strict=True)
    return [Explanation(code, title, group, body.strip()) for code, title, body in triples]


def explanation(code: str) -> Explanation:
    """The explanation of a code; case does not count.

    Raises:
        InputError: there is no such code.
    """
    known = explanations()
    wanted = code.strip().upper()
    if wanted not in known:
        hint = did_you_mean(wanted, known) or "`vitdsl explain` lists all codes"
        raise InputError(Problem(f"there is no code `{code}`", hint=hint, code="E205"))
    return known[wanted]
