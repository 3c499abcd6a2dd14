"""`docs/parts.md` is that of the shipped specs, and what serves one paper has a reason."""

from __future__ import annotations

from tests.zoo.make_parts import PAGE, REASONS, alone, page, usage
from tests.zoo.specs import families


def test_the_page_is_not_stale() -> None:
    found, expected = PAGE.read_text(encoding="utf-8").splitlines(), page().splitlines()
    assert found == expected, "stale: `python -m tests.zoo.make_parts` writes it"


def test_what_serves_one_paper_has_a_reason() -> None:
    single = {name for used in usage() for name in alone(used)}
    assert single - REASONS.keys() == set()
    assert REASONS.keys() - single == set(), "reasons of what several papers use, or none"


def test_no_layer_is_named_after_a_model() -> None:
    models = {name.partition("_")[0].rstrip("0123456789") for name in families()} - {"simple"}
    assert not [layer for layer in usage().layers for model in models if model in layer.lower()]


def test_operators_of_one_paper_do_not_become_more() -> None:
    """One in ten is not reached; another one wants a better rule, not a longer list."""
    assert len(alone(usage().operators)) <= 9
