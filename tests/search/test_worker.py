"""A worker: rungs, pruning, failing candidates, what was measured before, and what others took away."""

import statistics
import threading
import time

import optuna
import pytest
from optuna.trial import TrialState

from tests.search.studies import job, logging, states, toy, trials_of
from vitdsl import SpecError
from vitdsl.search.file import load_search
from vitdsl.search.ledger import Ledger
from vitdsl.search.proposals import Proposer
from vitdsl.search.storage import open_storage
from vitdsl.search.study import ledger_of, portable, study_in, study_of, sweep
from vitdsl.search.trial import TrialRunner
from vitdsl.search.worker import EXHAUSTED, SPENT, TIME, work

pytestmark = pytest.mark.usefixtures("plugin")


def worked(search, path, **more):
    """Runs one worker here; gives why it ended and the trials."""
    with study_of(search, path):
        pass
    return work(job(search, path, **more)), trials_of(path)


def lines(path):
    return path.read_text(encoding="utf-8").split("\n")[:-1]


def two_rungs(log, first="share: 0.5", second="share: 1.0"):
    rung = "{{type: function, function: score, options: {{log: '{}', {}}}}}"
    return f"[{rung.format(log, first)}, {rung.format(log, second)}]"


def test_a_search_to_its_end(tmp_path):
    reason, trials = worked(toy(12), tmp_path / "toy.db")
    assert reason == SPENT
    assert states(trials) == {"COMPLETE": 12}
    assert len({trial.user_attrs["hash"] for trial in trials}) == 12
    for trial in trials:
        assert trial.values == [trial.user_attrs["measures"]["score"]]
        assert trial.user_attrs["rung"] == 0
        assert {"params", "macs", "activation_bytes"} < set(trial.user_attrs["measures"])


def test_a_search_goes_on_where_it_was(tmp_path):
    log = tmp_path / "log"
    whole = [trial.user_attrs["hash"] for trial in worked(toy(9), tmp_path / "whole.db")[1]]
    worked(toy(5, rungs=logging(log)), tmp_path / "toy.db")
    reason, trials = worked(toy(9, rungs=logging(log)), tmp_path / "toy.db")
    assert reason == SPENT
    assert [trial.user_attrs["hash"] for trial in trials] == whole
    assert sorted(line.split()[1] for line in lines(log) if line.startswith("begin")) == sorted(whole)


def test_costs_alone_may_be_wanted(tmp_path):
    _, trials = worked(toy(4, objectives="{macs: minimize, params: minimize}", rungs="[]"), tmp_path / "toy.db")
    assert states(trials) == {"COMPLETE": 4}
    assert trials[0].values == [trials[0].user_attrs["measures"][name] for name in ("macs", "params")]


def test_a_small_space_ends_before_the_budget(tmp_path):
    small = {"vars.dim": 8, "stages[0].depth": 2, "stages[0].block[1].mlp.ratio": 2}
    text = portable(toy(99, objectives="{macs: minimize}", rungs="[]"))
    search = load_search(text, {f"space.{key}": value for key, value in small.items()})
    reason, trials = worked(search, tmp_path / "toy.db")
    assert reason == EXHAUSTED
    assert states(trials) == {"COMPLETE": 9}


def test_the_time_is_up(tmp_path):
    reason, trials = worked(toy(10_000), tmp_path / "toy.db", seconds=1.0)
    assert reason == TIME
    assert 0 < len(trials) < 10_000
    assert set(states(trials)) == {"COMPLETE"}


def test_a_measured_constraint_prunes(tmp_path):
    log = tmp_path / "log"
    search = toy(10, rungs=two_rungs(log), constraints="{score: {min: 1.5}}")
    _, trials = worked(search, tmp_path / "toy.db")
    pruned = [trial for trial in trials if trial.state is TrialState.PRUNED]
    assert 0 < len(pruned) < 10
    assert len(trials) == 10
    for trial in trials:
        assert (trial.user_attrs["measures"]["score"] < 1.5) == (trial.state is TrialState.PRUNED)
        assert trial.user_attrs.get("pruned") == ("score < 1.5" if trial in pruned else None)
        assert trial.user_attrs["rung"] == (0 if trial in pruned else 1)
    assert len(lines(log)) == 2 * (10 + 10 - len(pruned))


@pytest.mark.parametrize("pruner", [
    "{type: median, n_startup_trials: 3}", "{type: halving, reduction_factor: 2}",
    "{type: hyperband, reduction_factor: 2}",
])  # fmt: skip
def test_pruners_of_optuna_end_the_worse(tmp_path, pruner):
    _, trials = worked(toy(16, rungs=two_rungs(tmp_path / "log"), pruner=pruner), tmp_path / "toy.db")
    by = {state: [t for t in trials if t.state is state] for state in (TrialState.COMPLETE, TrialState.PRUNED)}
    assert len(trials) == 16 == sum(map(len, by.values()))
    mean = {
        state: statistics.mean(t.user_attrs["measures"]["score"] / (1 + t.user_attrs["rung"]) for t in found)
        for state, found in by.items()
    }
    assert mean[TrialState.COMPLETE] > mean[TrialState.PRUNED]
    assert all(t.user_attrs["pruned"].endswith("after rung 0") for t in by[TrialState.PRUNED])


def test_what_is_not_a_number_is_pruned(tmp_path):
    _, trials = worked(toy(3, rungs="[{type: function, function: nothing, gives: [score]}]"), tmp_path / "toy.db")
    assert states(trials) == {"PRUNED": 3}
    assert {trial.user_attrs["pruned"] for trial in trials} == {"score is not a number"}


def test_candidates_that_fail_do_not_count(tmp_path):
    rungs = "[{type: function, function: broken, gives: [score], options: {depth: 4}}]"
    reason, trials = worked(toy(5, rungs=rungs), tmp_path / "toy.db")
    assert reason == SPENT
    assert states(trials)["COMPLETE"] == 5
    failed = [trial for trial in trials if trial.state is TrialState.FAIL]
    assert failed
    assert {trial.user_attrs["error"] for trial in failed} == {"function: ValueError: this one is broken"}
    assert len({trial.user_attrs["hash"] for trial in trials}) == len(trials)


def test_where_every_candidate_fails_it_is_said(tmp_path):
    with pytest.raises(
        SpecError, match=r"the last 10 candidates failed, .*\n  function: ValueError: this one is broken"
    ):
        worked(toy(12, rungs="[{type: function, function: broken, gives: [score]}]"), tmp_path / "toy.db")
    assert states(trials_of(tmp_path / "toy.db")) == {"FAIL": 10}
    # another run tries ten others, before it says the same
    with pytest.raises(SpecError, match="the last 10 candidates failed"):
        worked(toy(12, rungs="[{type: function, function: broken, gives: [score]}]"), tmp_path / "toy.db")
    assert states(trials_of(tmp_path / "toy.db")) == {"FAIL": 20}


def test_a_fault_of_the_evaluation_is_not_hidden(tmp_path):
    rungs = "[{type: function, function: broken, gives: [score], options: {kind: TypeError}}]"
    with pytest.raises(TypeError, match="this one is broken"):
        worked(toy(12, rungs=rungs), tmp_path / "toy.db")
    # when it is mended, the candidate is judged
    assert len(Ledger(trials_of(tmp_path / "toy.db")).killed()) == 1


def queued(search, study, **attributes):
    """A candidate in the queue, as another worker left it."""
    found = Proposer(search, "7").propose(ledger_of(study))
    study.add_trial(optuna.create_trial(
        state=TrialState.WAITING, params=found.params, distributions=found.distributions,
        user_attrs=found.attributes() | attributes,
    ))  # fmt: skip
    return found


def test_a_retry_goes_on_after_the_last_rung_that_was_done(tmp_path):
    log = tmp_path / "log"
    search = toy(1, rungs=two_rungs(log))
    with study_of(search, tmp_path / "toy.db") as study:
        found = queued(search, study, rung=0)
        done = {**found.attributes()["measures"], "score": 0.25}
        study.add_trial(optuna.create_trial(state=TrialState.FAIL, user_attrs={"given_up": "of no account"}))
    with open_storage(tmp_path / "toy.db") as storage:
        storage.set_trial_user_attr(1, "measures", done)
    _, trials = worked(search, tmp_path / "toy.db")
    assert [line.split()[2] for line in lines(log)] == ["1.0", "1.0"]
    assert trials[0].state is TrialState.COMPLETE
    assert trials[0].intermediate_values == {0: 0.25, 1: trials[0].value}


def test_of_two_equal_candidates_one_is_judged(tmp_path):
    log = tmp_path / "log"
    search = toy(3, rungs=logging(log))
    with study_of(search, tmp_path / "toy.db") as study:
        found = queued(search, study)
        study.add_trial(optuna.create_trial(state=TrialState.WAITING, user_attrs=found.attributes()))
    _, trials = worked(search, tmp_path / "toy.db")
    assert trials[0].state is TrialState.COMPLETE
    assert trials[1].state is TrialState.FAIL
    assert trials[1].user_attrs["given_up"] == "duplicate of trial 0"
    assert states(trials) == {"COMPLETE": 3, "FAIL": 1}
    assert len(lines(log)) == 6


def test_surplus_candidates_are_not_judged(tmp_path):
    search = toy(2)
    with study_of(search, tmp_path / "toy.db") as study:
        for _ in range(4):
            queued(search, study)
        run_trial = TrialRunner(study, search)
        study.optimize(run_trial, n_trials=4)
        assert [trial.user_attrs.get("given_up") for trial in study.get_trials()] == [None, None, "surplus", "surplus"]
    assert worked(search, tmp_path / "toy.db")[0] == SPENT


def test_a_trial_with_nothing_in_it_is_not_judged(tmp_path):
    with study_of(toy(2), tmp_path / "toy.db") as study:
        study.optimize(TrialRunner(study, toy(2)), n_trials=1)
        assert study.get_trials()[0].user_attrs == {"given_up": "nothing was waiting"}


def test_a_trial_that_others_took_away_is_left_to_them(tmp_path):
    """A worker that was taken for dead comes back, and its trial is another one's by now."""
    search = toy(2, rungs="[{type: function, function: score, options: {seconds: 0.6}}]")
    with study_of(search, tmp_path / "toy.db"):
        pass
    thread = threading.Thread(target=work, args=(job(search, tmp_path / "toy.db"),))
    thread.start()
    with study_of(search, tmp_path / "toy.db") as study:
        until = time.monotonic() + 20
        while not (running := [t for t in study.get_trials() if t.state is TrialState.RUNNING]):
            assert time.monotonic() < until
            time.sleep(0.02)
        study.tell(running[0].number, state=TrialState.FAIL)
        thread.join(60)
        trials = study.get_trials()
    assert states(trials) == {"COMPLETE": 2, "FAIL": 1}
    same = [trial for trial in trials if trial.user_attrs["hash"] == trials[0].user_attrs["hash"]]
    assert [trial.user_attrs.get("retry_of") for trial in same] == [None, 0]


def test_what_died_without_a_sign_of_life_is_tried_again(tmp_path):
    """Killed between its start and its first sign; and between its end and the note that it is to be retried."""
    search = toy(4)
    with study_of(search, tmp_path / "toy.db", 1, 1) as study, open_storage(tmp_path / "toy.db", 1, 1) as storage:
        own = study_in(storage, search)
        first, second = queued(search, own), queued(search, own)
        storage.set_trial_state_values(1, TrialState.RUNNING)
        storage.set_trial_state_values(2, TrialState.FAIL)
        assert sweep(own, storage, 1).killed() == own.get_trials()[1:2]
        time.sleep(2.1)
        assert sweep(own, storage, 1).killed() == []
        trials = study.get_trials()
    assert [trial.state.name for trial in trials] == ["FAIL", "FAIL", "WAITING", "WAITING"]
    again = {(trial.user_attrs["retry_of"], trial.user_attrs["hash"]) for trial in trials[2:]}
    assert again == {(0, first.spec.hash), (1, second.spec.hash)}
    assert states(worked(search, tmp_path / "toy.db")[1]) == {"COMPLETE": 4, "FAIL": 2}


def test_checkpoints_of_the_pruned_are_removed(tmp_path):
    search = toy(12, rungs=two_rungs(tmp_path / "log"), constraints="{score: {min: 1.5}}")
    _, trials = worked(search, tmp_path / "toy.db", folder=str(tmp_path / "candidates"))
    kept = {trial.user_attrs["hash"] for trial in trials if trial.state is TrialState.COMPLETE}
    assert {path.name for path in (tmp_path / "candidates").iterdir()} == kept


def test_a_portable_search_is_the_same():
    search = toy(constraints="{score: {min: 1.5}}", sampler="tpe")
    other = load_search(portable(search))
    assert other.space.spec.hash == search.space.spec.hash
    assert other.file.replace(space=None, name=None) == search.file.replace(space=None, name=None)
    assert other.name == "toy"
