"""Proposals: in memory, screened, new, and better than by lot where a sampler knows what was found."""

import math
import statistics

import optuna
import pytest
from optuna.trial import TrialState, create_trial

import vitdsl
from tests.search.small_search import GOOD
from tests.search.studies import BEST, SPACE, toy
from vitdsl import SpecError
from vitdsl.search.file import Bound, load_search
from vitdsl.search.ledger import Ledger
from vitdsl.search.proposals import KNOWN, SHAPE, Proposer, Screen, violation
from vitdsl.search.samplers import parameters_of
from vitdsl.space.space import Space
from vitdsl.units import format_measure

SAMPLERS = {
    "random": "random",
    "evolution": "{type: evolution, population: 10, sample: 4}",
    "nsga2": "{type: nsga2, population_size: 10}",
    "tpe": "{type: tpe, n_startup_trials: 10}",
}


def value_of(decisions):
    from search_plugin import value_of

    return value_of(decisions)


def run(search, count, values=lambda spec: [value_of(spec.decisions)], worker="0"):
    """Judges so many proposals in memory; gives the study."""
    study = optuna.create_study(directions=list(search.file.objectives.values()))
    proposer = Proposer(search, worker)
    for _ in range(count):
        found = proposer.propose(Ledger(study.get_trials(deepcopy=False)))
        if found is None:
            break
        study.add_trial(create_trial(
            state=TrialState.COMPLETE, values=values(found.spec), params=found.params,
            distributions=found.distributions, user_attrs=found.attributes(), system_attrs=found.system,
        ))  # fmt: skip
    return study


@pytest.mark.usefixtures("plugin")
@pytest.mark.parametrize("sampler", ["evolution", "nsga2", "tpe"])
def test_what_was_found_leads_to_better(sampler):
    later = []
    for seed in range(3):
        values = [trial.value for trial in run(toy(sampler=SAMPLERS[sampler], seed=str(seed)), 60).get_trials()]
        later.append(statistics.mean(values[30:]) - statistics.mean(values[:10]))
    # by lot, this mean of three differences has a deviation of 0.15
    assert statistics.mean(later) > 0.5


@pytest.mark.usefixtures("plugin")
def test_by_lot_nothing_is_learnt_and_everything_is_drawn():
    values = [trial.value for trial in run(toy(), 200).get_trials()]
    assert abs(statistics.mean(values[100:]) - statistics.mean(values[:100])) < 0.3
    assert max(values) > 0.8 * BEST


@pytest.mark.usefixtures("plugin")
@pytest.mark.parametrize("sampler", SAMPLERS)
def test_nothing_is_proposed_twice_and_the_same_seed_proposes_the_same(sampler):
    trials = run(toy(sampler=SAMPLERS[sampler]), 40).get_trials()
    hashes = [trial.user_attrs["hash"] for trial in trials]
    assert len(set(hashes)) == 40
    assert hashes[:25] == [trial.user_attrs["hash"] for trial in run(toy(sampler=SAMPLERS[sampler]), 25).get_trials()]
    assert hashes[0] != run(toy(sampler=SAMPLERS[sampler]), 1, worker="1").get_trials()[0].user_attrs["hash"]


@pytest.mark.usefixtures("plugin")
def test_trials_hold_their_decisions_as_parameters():
    search = toy()
    for trial in run(search, 5).get_trials():
        spec = search.space.replay(trial.user_attrs["decisions"])
        assert spec.hash == trial.user_attrs["hash"]
        assert spec.dump() == trial.user_attrs["spec"]
        assert trial.user_attrs["measures"]["macs"] == spec.analyze().macs
        assert parameters_of(search.space, spec)[0] == trial.params
        assert set(trial.params.values()) == set(trial.user_attrs["decisions"].values())
    assert trial.distributions["stages[0].depth"] == optuna.distributions.IntDistribution(1, 6)
    ratio = next(
        value for value in trial.distributions.values() if isinstance(value, optuna.distributions.FloatDistribution)
    )
    assert (ratio.low, ratio.high, ratio.step) == (1, 4, 0.5)


@pytest.mark.usefixtures("plugin")
def test_generations_go_on_in_the_mirror():
    trials = run(toy(sampler=SAMPLERS["nsga2"]), 45).get_trials()
    generations = [
        value for trial in trials for key, value in trial.system_attrs.items() if key.endswith(":generation")
    ]
    assert generations == sorted(generations)
    assert generations[-1] == 4


@pytest.mark.usefixtures("plugin")
@pytest.mark.parametrize("sampler", ["evolution", "nsga2", "tpe"])
def test_several_objectives(sampler):
    search = toy(sampler=SAMPLERS[sampler], objectives="{score: maximize, macs: minimize}")
    study = run(search, 60, lambda spec: [value_of(spec.decisions), spec.analyze().macs])
    first, last = (
        statistics.mean(trial.values[0] - math.log10(trial.values[1]) for trial in part)
        for part in (study.get_trials()[:10], study.get_trials()[-20:])
    )
    assert len(study.best_trials) > 5
    assert last > first


def tiny(**more):
    space = (
        SPACE.replace("{range: [1, 6]}", "2").replace("{range: [1, 4, 0.5]}", "2").replace("[8, 16, 24, 32]", "[8, 12]")
    )
    lines = "".join(f"{key}: {value}\n" for key, value in more.items())
    return load_search(f"name: tiny\nspace:{space}objectives: {{macs: minimize}}\nbudget: {{trials: 99}}\n{lines}")


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_space_is_gone_through_to_its_end(sampler):
    search = tiny(sampler=SAMPLERS[sampler])
    trials = run(search, 99, lambda spec: [spec.analyze().macs]).get_trials()
    assert len(trials) == search.space.size == 18
    assert len({trial.user_attrs["hash"] for trial in trials}) == 18
    assert sum(trial.user_attrs["refused"].get(KNOWN, 0) for trial in trials) > 0


def test_what_fits_of_a_space_is_gone_through():
    macs = sorted(spec.analyze().macs for spec in Space(tiny().space.spec))
    search = tiny(constraints=f"{{macs: {{max: {macs[6]}}}}}")
    study = run(search, 99, lambda spec: [spec.analyze().macs])
    assert sorted(trial.value for trial in study.get_trials()) == [value for value in macs if value <= macs[6]]


def test_where_nothing_fits_it_is_said_what_refuses():
    search = tiny(constraints="{params: {max: 10}, macs: {max: 1G}}")
    with pytest.raises(SpecError, match=r"nothing in the space .* fits: .* none was accepted; params > 10: 300"):
        run(search, 1)


def test_refused_candidates_are_counted_by_reason():
    macs = sorted(spec.analyze().macs for spec in Space(tiny().space.spec))
    search = tiny(constraints=f"{{macs: {{max: {macs[0]}}}}}", seed="3")
    trial = run(search, 1, lambda spec: [spec.analyze().macs]).get_trials()[0]
    ((reason, count),) = trial.user_attrs["refused"].items()
    assert reason == f"macs > {format_measure(macs[0])}"
    assert count > 0


def test_bounds_hold_at_their_ends():
    bounds = {"params": Bound(min=10, max=20), "latency": Bound(max=0.02)}
    assert violation(bounds, {"params": 10}) is None
    assert violation(bounds, {"params": 20, "latency": 0.02}) is None
    assert violation(bounds, {"params": 21}) == "params > 20"
    assert violation(bounds, {"params": 9}) == "params < 10"
    assert violation(bounds, {"params": 15, "latency": float("nan")}) == "latency > 20ms"


def test_a_screen_counts_what_it_refuses():
    search = load_search(GOOD)
    least, most = sorted({spec.analyze().params for spec in _fitting(search)})[:2]
    screen = Screen({"params": Bound(max=least)})
    accepted = [spec for spec in (screen.accept(lambda s=s: search.space.sample(s)) for s in range(300)) if spec]
    assert {spec.analyze().params for spec in accepted} == {least}
    assert screen.count == 300
    assert screen.refused.keys() == {SHAPE, f"params > {format_measure(least)}"}
    assert len(accepted) + screen.refused.total() == 300
    assert "heads" in screen.verdict()
    assert most > least


def _fitting(search):
    for spec in search.space:
        try:
            spec.analyze()
        except vitdsl.SpecError:
            continue
        yield spec
