"""Studies of made-up candidates."""

import json

import optuna
from optuna.trial import TrialState, create_trial

from vitdsl.search.file import load_search
from vitdsl.search.proposals import costs_of

SEARCH = """
name: {name}
space:
  input: {{size: 8, channels: 1, mean: [0.5], std: [0.5]}}
  classes: 10
  stages:
    - tokenizer: {{type: patch, size: 2, dim: {{choose: [8, 16, 32]}}}}
      depth: {{range: [1, 4]}}
      block: {{choose: {{attention: [{{mixer: {{type: global, heads: {{choose: [1, 2]}}}}}}, {{mlp: {{ratio: 2}}}}], plain: [{{mlp: {{ratio: 2}}}}]}}}}
  head: {{pool: mean}}
objectives: {objectives}
rungs:
  - {{type: proxies, names: [dss, az_nas]}}
  - {{type: train, epochs: 1}}
  - {{type: train, epochs: 3}}
budget: {{trials: 40}}
"""  # noqa: E501
EVIL = "</script><script>alert('<!--')</script><img src=x onerror=alert(1)>&amp;\u2028"


def search_of(name="digits", objectives="{accuracy: maximize}"):
    return load_search(SEARCH.format(name=json.dumps(name), objectives=objectives))


def study_of(search, trials):
    """A study of trials given as (state, measures beside the costs); each is another architecture."""
    study = optuna.create_study(directions=list(search.file.objectives.values()))
    seen = set()
    seeds = (seed for seed in range(10_000) if (h := search.space.sample(seed).hash) not in seen and not seen.add(h))
    for (state, measures), seed in zip(trials, seeds, strict=False):
        spec = search.space.sample(seed)
        measures = {**costs_of(spec.analyze()), **measures}
        values = [measures[name] for name in search.file.objectives] if state == "COMPLETE" else None
        attributes = {"decisions": dict(spec.decisions), "spec": spec.dump(), "hash": spec.hash, "measures": measures}
        study.add_trial(create_trial(
            state=TrialState[state], values=values, user_attrs={**attributes, "rung": 2, "refused": {"params > 9k": 3}}
        ))  # fmt: skip
    return study


MANY = [
    ("COMPLETE", {"dss": float(number), "accuracy": 0.5 + 0.01 * number, "loss": 1.0, "seconds": 2.0})
    for number in range(12)
]
