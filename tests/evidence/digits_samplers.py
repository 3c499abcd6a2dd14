"""Each sampler against random at equal evaluations, on the table of the digits space, by 200 seeds.

`python -m tests.evidence.digits_samplers` reads digits_table.csv and writes digits_samplers.csv. An evaluation looks an
accuracy (the mean of the trained seeds) up; the proposals are those that `vitdsl search` makes, but for the database.
`regret` is the best accuracy of the table less the best found so far; `less_than_random` is the mean, over seeds, of
random's regret less the sampler's, with a 95 % bootstrap interval.
"""

from __future__ import annotations

import time

import numpy as np
import optuna

from tests.evidence import table
from tests.evidence.digits_table import SEEDS
from vitdsl.search.file import load_search
from vitdsl.search.ledger import Ledger
from vitdsl.search.proposals import Proposer

RUNS = range(200)
TRIALS = 48
SHOWN = (12, 24, 48)
SAMPLERS = {
    "random": {"type": "random"},
    "evolution": {"type": "evolution", "population": 10, "sample": 4, "mutation": 0.8},
    "nsga2": {"type": "nsga2", "population_size": 10},
    "tpe": {"type": "tpe", "n_startup_trials": 10},
}
DRAWS = 2_000


def regrets(sampler: dict, seed: int, accuracy: dict[str, float]) -> list[float]:
    """The regret after each evaluation of one search."""
    file = {"constraints": None, "rungs": [], "pruner": "none", "sampler": sampler, "seed": seed}
    search = load_search("digits", set=file | {"objectives": {"macs": "maximize"}})
    proposer, trials, found = Proposer(search), [], []
    for number in range(TRIALS):
        proposal = proposer.propose(Ledger(trials))
        assert proposal is not None
        value = accuracy[proposal.spec.hash]
        trial = optuna.create_trial(
            params=proposal.params, distributions=proposal.distributions, values=[value],
            user_attrs=proposal.attributes(), system_attrs=proposal.system,
        )  # fmt: skip
        trial.number = trial._trial_id = number
        trials.append(trial)
        found.append(value)
    return (max(accuracy.values()) - np.maximum.accumulate(found)).tolist()


def interval(values: np.ndarray) -> tuple[float, float]:
    """The middle 95 % of means of seeds drawn again with replacement."""
    rng = np.random.default_rng(0)
    low, high = np.quantile(rng.choice(values, (DRAWS, len(values))).mean(1), [0.025, 0.975])
    return float(low), float(high)


def main() -> None:
    """Makes the table."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    began = time.perf_counter()
    accuracy = {
        row["hash"]: float(np.mean([float(row[f"accuracy_{seed}"]) for seed in SEEDS]))
        for row in table.read("digits_table.csv")
    }
    found = {}
    for name, sampler in SAMPLERS.items():
        found[name] = np.array([regrets(sampler, seed, accuracy) for seed in RUNS])
        print(name, found[name].mean(0)[[shown - 1 for shown in SHOWN]], time.perf_counter() - began, flush=True)
    rows = []
    for shown in SHOWN:
        for name, values in found.items():
            at = values[:, shown - 1]
            low, high = interval(at)
            gain = found["random"][:, shown - 1] - at
            gain_low, gain_high = interval(gain)
            row = {"evaluations": shown, "sampler": name, "regret": at.mean(), "low": low, "high": high}
            row |= {"less_than_random": gain.mean(), "gain_low": gain_low, "gain_high": gain_high}
            rows.append({key: f"{value:.4f}" if isinstance(value, float) else value for key, value in row.items()})
    print(table.write("digits_samplers.csv", rows, RUNS, time.perf_counter() - began))


if __name__ == "__main__":
    main()
