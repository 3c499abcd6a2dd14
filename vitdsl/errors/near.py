"""Which known name a wrong one was probably meant to be."""

from __future__ import annotations

import ast
import difflib
import itertools
import re
from collections.abc import Iterable

_FEW = 8
_LONGEST_NAME = 80
_NEAR = 0.61  # of difflib's ratio; at its usual 0.6, `vars` would be near `layers`


def near(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that `name` was probably meant to be, or None; case does not count.

    A known word of the name is near, the last one first (`size` for `patch_size`). Of several names that are equally
    near, it is the one that begins alike: what is mistyped is rather the end.
    """
    if len(name) > _LONGEST_NAME:  # difflib is quadratic, and no name is that long
        return None
    by_folded: dict[str, str] = {}
    for candidate in sorted(known):
        by_folded.setdefault(candidate.casefold(), candidate)
    folded = name.casefold()
    words = [word for word in reversed(folded.split("_")) if word in by_folded]
    if words:
        return by_folded[words[0]]

    def likeness(candidate: str) -> tuple[float, int]:
        ratio = difflib.SequenceMatcher(None, candidate, folded).ratio()
        same = itertools.takewhile(bool, map(str.__eq__, candidate, folded))
        return ratio, sum(same)

    found = max(difflib.get_close_matches(folded, by_folded, cutoff=_NEAR), key=likeness, default=None)
    return None if found is None else by_folded[found]


def one_of(names: Iterable[str]) -> str:
    """Return the names, sorted and separated by commas."""
    return ", ".join(sorted(set(names)))


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return a hint: the near name as a question, or without one all that are known, where they are few."""
    names = set(known)
    candidate = near(name, names)
    if candidate is not None:
        return f"did you mean {candidate!r}?"
    return f"known: {one_of(names)}" if 0 < len(names) <= _FEW else ""


def meant(hint: str) -> str | None:
    """The name that a hint of `did_you_mean` asks for, or None."""
    found = re.match(r"did you mean (?P<name>'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"|`[^`]+`)\?", hint)
    if found is None:
        return None
    return found["name"][1:-1] if found["name"][0] == "`" else ast.literal_eval(found["name"])
