"""Searches that mean harm: refused, or shown so that no text becomes markup or is obeyed by a terminal."""

import pytest

from tests.evidence.fuzz import many
from tests.search.hostile import TERMINAL, drawn, judge
from vitdsl.search.progress import line_of

pytestmark = pytest.mark.usefixtures("plugin")


def test_hostile_searches() -> None:
    assert sum(judge(number) is not None for number in range(12)) > 6


@pytest.mark.full
def test_many_hostile_searches() -> None:
    assert many(1000, 200, searches=True) == {}


@pytest.mark.parametrize("kind", ["error", "pruned", "given_up"])
@pytest.mark.parametrize("text", TERMINAL)
def test_a_terminal_does_not_obey_the_line_of_a_trial(kind: str, text: str) -> None:
    search, study = drawn(1)
    trial = study.get_trials()[0]
    trial.user_attrs = {kind: text}
    assert line_of(search, trial).isprintable()
