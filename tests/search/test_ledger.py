"""What counts of a study's trials, what is owed another try, and which of two is the one that is judged."""

import pytest
from optuna.trial import FrozenTrial, TrialState

from vitdsl.search.ledger import Ledger, origin, refusals


def trials(*written):
    """Trials of (state, hash, more user attributes, numbers that it is a retry of)."""
    made = []
    for number, (state, name, more, history) in enumerate(written):
        made.append(FrozenTrial(
            number=number, state=TrialState[state], value=1.0 if state == "COMPLETE" else None, datetime_start=None,
            datetime_complete=None, params={}, distributions={},
            user_attrs=({"hash": name} if name else {}) | more,
            system_attrs={"retry_history": history} if history else {}, intermediate_values={}, trial_id=number,
        ))  # fmt: skip
    return made


def trial(state, name="", history=(), **more):
    return state, name, more, list(history)


def test_what_counts_and_what_lives():
    ledger = Ledger(trials(
        trial("COMPLETE", "a"), trial("PRUNED", "b"), trial("FAIL", "c"), trial("RUNNING", "d"), trial("WAITING", "e"),
        trial("FAIL", "f", given_up="rung 0 failed"), trial("RUNNING"), trial("FAIL"),
    ))  # fmt: skip
    assert ledger.finished == 2
    assert [other.number for other in ledger.live] == [0, 1, 2, 3, 4]
    assert [other.number for other in ledger.killed()] == [2]
    assert ledger.known == {"a": 0, "b": 1, "c": 2, "d": 3, "e": 4, "f": 5}


def test_a_retry_stands_for_what_it_retries():
    ledger = Ledger(trials(
        trial("FAIL", "a"), trial("COMPLETE", "b"), trial("FAIL", "a", [0]), trial("WAITING", "a", [0, 2]),
    ))  # fmt: skip
    assert [other.number for other in ledger.live] == [1, 3]
    assert ledger.killed() == []
    assert origin(ledger.trials[3]) == 0


def test_what_kills_its_workers_is_given_up():
    written = [trial("FAIL", "a", range(number)) for number in range(3)]
    assert [other.number for other in Ledger(trials(*written), retries=3).killed()] == [2]
    ledger = Ledger(trials(*written), retries=2)
    assert ledger.killed() == ledger.live == []
    assert "a" in ledger.known


def test_of_equal_candidates_the_lower_number_lives():
    ledger = Ledger(trials(trial("RUNNING", "a"), trial("RUNNING", "a"), trial("RUNNING", "b")))
    assert [ledger.twin(other) for other in ledger.trials] == [None, 0, None]


@pytest.mark.parametrize(("first", "twin"), [
    (trial("COMPLETE", "a"), 0), (trial("PRUNED", "a"), 0), (trial("WAITING", "a"), 0), (trial("FAIL", "a"), 0),
    (trial("FAIL", "a", given_up="surplus"), None), (trial("FAIL", "a", given_up="rung 0 failed"), None),
])  # fmt: skip
def test_what_has_given_up_is_no_twin(first, twin):
    ledger = Ledger(trials(first, trial("RUNNING", "a")))
    assert ledger.twin(ledger.trials[1]) == twin


def test_two_retries_of_one_trial_are_equal_candidates():
    ledger = Ledger(trials(trial("FAIL", "a"), trial("WAITING", "a", [0]), trial("RUNNING", "a", [0])))
    assert ledger.twin(ledger.trials[2]) == 1


def test_the_budget_is_spent_in_the_order_of_the_first_numbers():
    ledger = Ledger(trials(
        trial("FAIL", "a"), trial("COMPLETE", "b"), trial("RUNNING", "c"), trial("RUNNING", "a", [0]),
    ))  # fmt: skip
    assert not ledger.surplus(ledger.trials[1], 2)
    assert ledger.surplus(ledger.trials[2], 2)
    assert not ledger.surplus(ledger.trials[3], 2)


def test_what_gave_up_for_another_may_be_proposed_again():
    ledger = Ledger(trials(trial("FAIL", "a", given_up="surplus"), trial("FAIL", "b", given_up="duplicate of trial 9")))
    assert ledger.known == {}


def test_failures_in_a_row():
    wrong = {"error": "train: no", "given_up": "rung 0 failed"}
    ledger = Ledger(trials(
        trial("FAIL", "a", **wrong), trial("COMPLETE", "b"), trial("FAIL", "c", **wrong), trial("FAIL", "d"),
        trial("FAIL", "e", **wrong), trial("RUNNING", "f"),
    ))  # fmt: skip
    assert ledger.failures() == ["train: no", "train: no"]
    assert ledger.failures(since=3) == ["train: no"]


def test_refusals_are_added_up_and_not_for_retries():
    found = trials(
        trial("FAIL", "a", refused={"params > 6M": 3}), trial("COMPLETE", "a", [0], refused={"params > 6M": 3}),
        trial("COMPLETE", "b", refused={"params > 6M": 1, "macs > 1G": 9}),
    )  # fmt: skip
    assert refusals(found) == {"macs > 1G": 9, "params > 6M": 4}
