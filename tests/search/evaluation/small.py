"""A small spec, evaluations of another package, and what is said of wrong ones."""

from typing import Literal

import pytest
import torch

from vitdsl.errors import Refusal
from vitdsl.search.evaluation import Evaluation, read_evaluation

SPEC = """
input: {size: 8, channels: 1, mean: [0.5], std: [0.5]}
classes: 10
stages:
  - tokenizer: {type: patch, size: 2, dim: 16}
    depth: 2
    block: [{mixer: {type: global, heads: 2}}, {mlp: {ratio: 2}}]
    norm: layer
head: {pool: mean}
"""


class Doubled(Evaluation):
    """An evaluation of another package."""

    type: Literal["doubled"] = "doubled"

    def names(self):
        return ("doubled",)

    def measure(self, candidate):
        return {"doubled": 2.0 * candidate.costs.params}


def steps(candidate, by=1):
    return candidate.costs.params + by


def several(candidate):
    return {"one": 1, "two": torch.tensor(2.0)}


def wordy(candidate):
    return "much"


def refusals(raw):
    with pytest.raises(Refusal) as caught:
        read_evaluation(raw)
    return caught.value.items
