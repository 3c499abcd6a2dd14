"""Names of files are one segment each, whatever a spec is called."""

import pytest

from tests.hostile import NAMES
from vitdsl.syntax.names import file_name, is_name, name_fault, title_fault

LONG = "x" * 101


@pytest.mark.parametrize("name", [*NAMES, "", ".", "..", "../x", "/etc/x", "a/b", "a\\b", "con:x", LONG])
def test_a_file_name_is_one_segment(name):
    made = file_name(name, ".db")
    assert made.endswith(".db")
    assert len(made) > 3
    assert made.isascii()
    assert made.isprintable()
    assert not set('/\\:*?"<>| ').intersection(made)
    assert not made.startswith((".", "-"))


@pytest.mark.parametrize("name", ["vit", "t2t-vit.14", "2d_vit", "x" * 100])
def test_a_right_name_stays(name):
    assert title_fault(name) == ""
    assert file_name(name, ".yaml") == f"{name}.yaml"


@pytest.mark.parametrize("name", ["a b", "é", "ａ", "1a", "", "a-b", "a\n", "x" * 65])
def test_what_is_no_name(name):
    assert not is_name(name)
    assert name_fault(name).startswith("must ")
