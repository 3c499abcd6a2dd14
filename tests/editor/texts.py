"""Texts as they are while somebody writes a spec: parts of good ones, and good ones with a slip of the hand."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

from vitdsl.resolve.files import shipped

KEYS = "abchxyz{}[]:,-#'\"$() \n\t0129&*!|>é😀"


def shipped_text(name: str) -> str:
    return (shipped() / f"{name}.yaml").read_text(encoding="utf-8")


def typed(text: str, count: int) -> Iterator[str]:
    """A text that is written from its beginning to its end, at so many moments."""
    yield from (text[: len(text) * step // count] for step in range(count + 1))


def slips(text: str, count: int, seed: int) -> Iterator[str]:
    """A text in which a sign is missing, or another one, or one too many; or a line is moved, gone, or there twice."""
    rng = random.Random(seed)
    for _ in range(count):
        at = rng.randrange(len(text))
        start = text.rfind("\n", 0, at) + 1
        end = text.find("\n", at) + 1 or len(text)
        yield rng.choice([
            text[:at] + text[at + 1 :],
            text[:at] + rng.choice(KEYS) + text[at + 1 :],
            text[:at] + rng.choice(KEYS) + text[at:],
            text[:start] + " " + text[start:],
            text[:start] + text[end:],
            text[:start] + text[start:end] * 2 + text[end:],
        ])  # fmt: skip


FOLDER = Path(__file__).parents[1] / "errors"
WRONG = sorted(FOLDER.glob("*.yaml"))
"""Specs that are wrong, each in its way."""
