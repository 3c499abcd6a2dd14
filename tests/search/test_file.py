"""The file of a search: what is wrong in it is said all at once, each with its place."""

import pytest

from tests.search.small_search import GOOD, SPACE
from vitdsl.errors import Refusal, SpecError
from vitdsl.search.file import Bound, load_search, read_quantity


def test_a_search_is_read():
    search = load_search(GOOD)
    assert search.name == "small"
    assert search.space.size == 9
    assert search.constraints["params"] == Bound(min=1000, max=6_000_000)
    assert search.file.sampler.population == 8
    assert load_search(search.dump() + "budget: {trials: 10}\n").dump() == search.dump()


def test_more_trials_are_the_same_search():
    assert load_search(GOOD).dump() == load_search(GOOD, set={"budget.trials": 20}).dump()
    assert load_search(GOOD).dump() != load_search(GOOD, set={"sampler.population": 20}).dump()


def problems(text: str) -> list[tuple[str, int | None, str]]:
    with pytest.raises(SpecError) as caught:
        load_search(text)
    return [(p.message, p.mark.line if p.mark else None, p.hint or "") for p in caught.value.problems]


def test_everything_that_is_wrong_is_said_at_once():
    text = GOOD.replace("6M", "6 apples").replace("macs: minimize", "macs: least").replace("evolution", "evolutoin")
    found = problems(text.replace("trials: 10", "trials: 0"))
    assert [(message, line) for message, line, _ in found] == [
        ("`max` must be a number, or one with a unit such as 6M, 20ms or 64MB, but is '6 apples'", 11),
        ("`macs` must be maximize or minimize, but is 'least'", 12),
        ("there is no sampler `evolutoin`", 13),
        ("`trials` must be at least 1, but is 0", 14),
    ]
    assert found[2][2] == "did you mean 'evolution'?"


def test_what_nothing_measures():
    found = problems(GOOD.replace("macs: minimize", "acuracy: maximize").replace("{params: {max", "{parms: {max"))
    assert [(message, line) for message, line, _ in found] == [
        ("nothing measures `parms`: it is no cost, and no rung gives it", 11),
        ("nothing measures `acuracy`: it is no cost, and no rung gives it", 12),
    ]
    assert found[0][2] == "did you mean 'params'?"


def test_several_objectives_are_not_pruned():
    found = problems(GOOD + "pruner: median\n")
    assert found == [(
        "with several objectives nothing is pruned: Optuna's pruners judge one value", 15,
        "bound the others by `constraints`",
    )]  # fmt: skip


def test_a_space_that_is_not_there():
    text = GOOD.replace(f"space:{SPACE}", "space: hybrit\n")
    assert problems(text)[0][:2] == ("there is no spec `hybrit`", 2)


def test_a_hole_in_a_search():
    assert problems(GOOD.replace("trials: 10", "trials: {choose: [1, 2]}"))[0][1] == 14


@pytest.mark.parametrize("text", ["6X", "M", "", "-3M", True, None, [1], "1e", "6 M M"])
def test_no_units(text):
    with pytest.raises(Refusal):
        read_quantity(text)
