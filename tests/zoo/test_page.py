"""`docs/zoo.md` is that of the shipped specs."""

from tests.zoo.make_page import PAGE, condensed, page


def test_the_page_is_not_stale() -> None:
    found, expected = PAGE.read_text(encoding="utf-8").splitlines(), page().splitlines()
    assert found == expected, "stale: `python -m tests.zoo.make_page` writes it"


def test_axes_are_condensed() -> None:
    row = {"module": "a", "bank": "49 tokens by conv", "selection": "all", "kernel": "point-wise, 3 heads",
           "activation": "softmax", "size": "1x1"}  # fmt: skip
    other = {**row, "bank": "16 tokens by conv", "kernel": "point-wise, 6 heads"}
    assert condensed([row, other, row]) == "point-wise, softmax, over all of 49, 16 tokens by conv"
    window = {**row, "selection": "own window of 7x7·96", "bank": "49 tokens"}
    assert condensed([window]) == "point-wise, softmax, over its own window of 49 tokens"
    dynamic = {**row, "bank": "4 learned kernels", "selection": "per image", "kernel": "full", "size": "3x3"}
    assert condensed([dynamic]) == "full 3x3, softmax, per image, 4 learned kernels"
    assert condensed([]) == "-"
