"""The words of timm's policies: what may stand in them. Neither timm nor torch is loaded."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import NamedTuple

from vitdsl.errors import did_you_mean

THREE = "three"
FIXED = ("original", "originalr", "v0", "v0r", "3a", THREE)
"""Policies that were searched for, or written down, each with the noise of its magnitudes alone."""
SETS = {"weights": 15, "3a": None, "3aw": 14}
"""Sets of operations for `rand`, and of how many a photo can have different ones; None: they may be equal."""


class _Word(NamedTuple):
    """A word of a policy: what its number may be, and what it says."""

    read: Callable[[str], float]
    fits: Callable[[float], bool]
    wanted: str
    meaning: str


_MAGNITUDE = _Word(int, lambda value: value >= 0, "a whole number of at least 0", "magnitude")
_COUNT = _Word(int, lambda value: value >= 1, "a whole number of at least 1", "operations a photo")
_NOISE = _Word(float, lambda value: value >= 0, "at least 0", "deviation of magnitudes")
_TRUTH = _Word(int, lambda value: value in (0, 1), "0 or 1", "")
WORDS: dict[str, dict[str, _Word]] = {
    "rand": {
        "m": _MAGNITUDE,
        "n": _COUNT,
        "p": _Word(float, lambda value: 0 <= value <= 1, "from 0 to 1", "probability of each operation"),
        "mstd": _NOISE,
        "mmax": _COUNT._replace(meaning="largest magnitude"),
        "inc": _TRUTH._replace(meaning="whether all operations grow with the magnitude"),
    },
    "augmix": {
        "m": _MAGNITUDE,
        "w": _COUNT._replace(meaning="chains"),
        "d": _COUNT._replace(meaning="operations of a chain"),
        "a": _Word(float, lambda value: value > 0, "more than 0", "parameter of the shares"),
        "b": _TRUTH._replace(meaning="whether chains are blended"),
        "mstd": _NOISE,
    },
    **{name: {"mstd": _NOISE} for name in FIXED},
}
"""By policy, what may stand behind it, each with a number: `rand-m9-mstd0.5-inc1`."""


def policy_fault(policy: str) -> tuple[str, str] | None:
    """What is wrong with a policy, and the remedy; None: nothing.

    Args:
        policy: as `rand-m9-mstd0.5-inc1`, in the words of `timm.data.auto_augment`; or `three`.
    """
    name, *words = policy.split("-")
    if name not in WORDS:
        return f"there is no policy `{name}`", did_you_mean(name, WORDS)
    for word in words:
        if (fault := _word_fault(name, word)) is not None:
            return fault
    most = min((SETS[word[1:]] or math.inf for word in words if name == "rand" and word[0] == "t"), default=math.inf)
    count = max((int(word[1:]) for word in words if re.fullmatch(r"n\d+", word)), default=0)
    return (f"`rand` draws {count} different operations of {most}", f"`n{most}` at most") if count > most else None


def _word_fault(name: str, word: str) -> tuple[str, str] | None:
    if name == "rand" and word.startswith("t"):
        wanted = did_you_mean(word[1:], SETS)
        return None if word[1:] in SETS else (f"there is no set of operations `{word[1:]}` for `rand`", wanted)
    found = re.fullmatch(r"([a-z]+)(\d.*)", word)
    known = WORDS[name]
    if found is None or found[1] not in known:
        ways = "; ".join(f"`{key}`: {each.meaning}" for key, each in known.items())
        return f"`{word}` says nothing to the policy `{name}`", f"{ways}; each with its number"
    wanted = known[found[1]]
    try:
        fits = wanted.fits(wanted.read(found[2]))
    except ValueError:
        fits = False
    return None if fits else (f"`{found[1]}` of the policy `{name}` must be {wanted.wanted}, but is {found[2]}", "")
