"""The table of `docs/models.md`: which specs take which sizes; `python -m tests.compiler.sizes_table` writes it."""

from __future__ import annotations

from pathlib import Path

import vitdsl
from tests.docs.tables import put
from tests.zoo.specs import families, smallest
from vitdsl.compiler.likeness import difference
from vitdsl.errors import ImageError, SpecError

PAGE = Path(__file__).parents[2] / "docs" / "models.md"
BEGIN, END = "<!-- sizes -->\n", "<!-- /sizes -->\n"
MULTIPLES = (1, 2, 4, 8, 16, 32, 224)
FACTORS = ((2, 1), (1, 2), (3, 2), (5, 3))
"""How many multiples more than the spec's own size there are, in rows and columns."""


def builds(name: str, size: tuple[int, int]) -> bool:
    """Whether a model can be built for images of this size."""
    try:
        vitdsl.load(name).graph(size)
    except SpecError:
        return False
    return True


def takes(name: str, size: tuple[int, int]) -> bool:
    """Whether a model of the spec's own size is the same for images of another one."""
    spec = vitdsl.load(name)
    return builds(name, size) and difference(spec.graph(), spec.graph(size), True) is None


def sizes(name: str, number: int) -> list[tuple[int, int]]:
    """Some sizes that differ by multiples of a number from the spec's own."""
    height, width = vitdsl.load(name).model.input.size
    return [(height + a * number, width + b * number) for a, b in FACTORS]


def multiple(name: str, ask) -> int | None:
    """The least number of which every multiple is right."""
    return next((number for number in MULTIPLES if all(ask(name, size) for size in sizes(name, number))), None)


def becomes(name: str, size: tuple[int, int]) -> bool:
    """Whether a model of the spec's own size can be made one for another."""
    model = vitdsl.build(name, device="meta")
    try:
        model.set_input_size(*size)
    except ImageError:
        return False
    return True


def in_words(number: int | None) -> str:
    """What is said of a number."""
    return "its own size" if number is None else "any size" if number == 1 else f"multiples of {number}"


def rows() -> list[str]:
    """A line for each family."""
    found = []
    for name in smallest():
        base = vitdsl.load(name).names[-1]
        count = len(families()[base])
        more = f" and {count - 1} more" if count > 1 else ""
        taken, built = multiple(name, takes), multiple(name, builds)
        made = built if built is None or becomes(name, sizes(name, built)[0]) else None
        found.append(f"| `{name}`{more} | {in_words(taken)} | {in_words(made)} |\n")
    return found


def written(page: str) -> str:
    """The page with the table that the specs give."""
    return put(page, BEGIN, END, rows())


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
