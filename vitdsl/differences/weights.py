"""Which weights of one model fit another: by key and shape."""

from __future__ import annotations

import sys
from typing import NamedTuple

from vitdsl.differences.patterns import Pattern, patterns
from vitdsl.spec import Spec

FIT, OTHER, ONLY_A, ONLY_B = "fit", "other shape", "only in A", "only in B"
Shape = tuple[int, ...]


class Weights(NamedTuple):
    """The keys of two models.

    Attributes:
        words: of each key one of `FIT`, `OTHER`, `ONLY_A` and `ONLY_B`.
        shapes: the two shapes of each key of another shape.
    """

    words: dict[str, str]
    shapes: dict[str, tuple[Shape, Shape]]

    def count(self, word: str) -> int:
        """The number of keys of which that is so."""
        return sum(each == word for each in self.words.values())

    def patterns(self) -> list[Pattern]:
        """The keys as patterns."""
        return patterns(self.words)


def weights(a: Spec, b: Spec, size: int | tuple[int, int] | None = None) -> Weights:
    """Compares the keys of two models, for images of their sizes or of another.

    Raises:
        SpecError: one of them cannot be built.
    """
    first, second = shapes_of(a, size), shapes_of(b, size)
    words = {}
    for key in (*first, *(key for key in second if key not in first)):
        words[key] = ONLY_B if key not in first else ONLY_A if key not in second else (
            FIT if first[key] == second[key] else OTHER
        )  # fmt: skip
    return Weights(words, {key: (first[key], second[key]) for key, word in words.items() if word == OTHER})


def shapes_of(spec: Spec, size: int | tuple[int, int] | None) -> dict[str, Shape]:
    """The shape of each weight and stored table of a model, by key; none is made."""
    from vitdsl.compiler.build import build

    state = build(spec, "meta", size=size, max_params=sys.maxsize).state_dict()
    return {key: tuple(tensor.shape) for key, tensor in state.items()}
