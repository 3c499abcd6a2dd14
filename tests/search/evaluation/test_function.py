"""Functions of other packages."""

import pytest

from tests.search.evaluation.small import SPEC, refusals
from vitdsl.errors import SpecError
from vitdsl.search.candidate import Candidate
from vitdsl.search.evaluation import read_evaluation
from vitdsl.spec import load

# ---------------------------------------------------------------- functions


@pytest.mark.usefixtures("_installed")
def test_a_function_of_another_package():
    candidate = Candidate(load(SPEC))
    made = read_evaluation({"type": "function", "function": "steps", "options": {"by": 3}})
    assert made.names() == ("steps",)
    assert made.measure(candidate) == {"steps": candidate.costs.params + 3.0}
    made = read_evaluation({"type": "function", "function": "several", "gives": ["two", "one"]})
    assert made.measure(candidate) == {"two": 2.0, "one": 1.0}


@pytest.mark.usefixtures("_installed")
def test_functions_that_cannot_be_called():
    at, said, hint, code = refusals({"type": "function", "function": "os.system"})[0]
    assert at == ("function",)
    assert said == "no installed package offers `os.system` in the entry point group `vitdsl.evaluations`"
    assert (hint, code) == ("known: doubled, several, steps, wordy", "E908")
    assert refusals({"type": "function", "function": "doubled"})[0][2] == "write {type: doubled}"
    assert refusals({"type": "function", "function": "steps", "options": 3})[0][1] == (
        "`options` must be a mapping, but is 3"
    )


@pytest.mark.usefixtures("_installed")
@pytest.mark.parametrize(
    ("fields", "said"),
    [({"function": "several"}, "must give several, but gave a mapping with one, two"),
     ({"function": "several", "gives": ["one"]}, "must give one, but gave a mapping with one, two"),
     ({"function": "steps", "gives": ["a", "b"]}, "must give a, b, but gave "),
     ({"function": "wordy"}, "`wordy` of `wordy` must be a number, but is 'much'")],
)  # fmt: skip
def test_functions_that_give_something_else(fields, said):
    with pytest.raises(SpecError, match=said):
        read_evaluation({"type": "function", **fields}).measure(Candidate(load(SPEC)))
