"""How evaluations are found, here and in other packages."""

import pytest

from tests.search.evaluation.small import SPEC, refusals
from vitdsl.search.candidate import Candidate
from vitdsl.search.evaluation import evaluation_class, read_evaluation, registry
from vitdsl.spec import load

# ---------------------------------------------------------------- found by name


def test_all_types_are_found_by_their_file():
    assert set(registry.files()) == {"function", "latency", "memory", "proxies", "train"}
    for name in registry.files():
        cls = evaluation_class(name)
        assert cls is not None
        assert cls.fields["type"].default == name


@pytest.mark.usefixtures("_installed")
def test_an_evaluation_of_another_package():
    made = read_evaluation("doubled")
    candidate = Candidate(load(SPEC))
    assert made.measure(candidate) == {"doubled": 2.0 * candidate.costs.params}
    assert refusals({"type": "doubled", "by": 2}) == [(("by",), "unknown key `by`", "known: type", "E201")]


@pytest.mark.usefixtures("_installed")
def test_what_is_no_evaluation():
    assert refusals("trian") == [((), "there is no evaluation `trian`", "did you mean 'train'?", "E206")]
    message = "there is no evaluation `memroy`"
    assert refusals({"type": "memroy"}) == [(("type",), message, "did you mean 'memory'?", "E206")]
    assert refusals({"type": "steps"})[0][2] == "`steps` is a function: write {type: function, function: steps}"
    _, said, hint, _ = refusals([1])[0]
    assert said == "an evaluation is a name, or a mapping with `type`, but this is [1]"
    assert hint == "known: doubled, function, latency, memory, proxies, train"
