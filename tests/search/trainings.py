"""A small spec and how it is trained."""

from vitdsl.search.evaluation import read_evaluation

SPEC = """
input: {size: 8, channels: 1, mean: [0.5], std: [0.5], crop: 1.0}
classes: 10
stages:
  - tokenizer: {type: patch, size: 2, dim: 16}
    body:
      - {conv: {kernel: 3, norm: batch}, drop_path: 0.2}
      - {mlp: {ratio: 1}}
    norm: layer
head: {pool: mean}
"""
RULE = {"type": "train", "batch": 128, "learning_rate": 0.02}


def trained(candidate, **fields):
    return read_evaluation({**RULE, **fields}).measure(candidate)
