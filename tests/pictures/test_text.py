"""Widths of texts are at least those of a wide font."""

import pytest

from tests.hostile import NAMES
from vitdsl.pages import cut
from vitdsl.pictures.text import width


@pytest.mark.parametrize("text", NAMES)
def test_a_text_is_cut_and_printable(text):
    for most in (1, 5, 40):
        found = cut(text, most)
        assert len(found) <= most
        assert found.isprintable()
    assert len(cut("x" * 50, 40)) == 40
    assert cut("x" * 40, 40) == "x" * 40


def test_widths_add_up_and_grow_with_the_size():
    assert width("ab") == width("a") + width("b")
    assert width("conv 7×7", 26) == 2 * width("conv 7×7", 13)
    assert width("") == 0
    assert width("ab", bold=True) > width("ab")
    assert width("中") > width("W") > width("a") > width("i") > 0
