"""Small specs that have what losses read, and recipes of one loss."""

from __future__ import annotations

from typing import Any

import torch

from vitdsl.spec import Spec, load
from vitdsl.training.loading import Batch
from vitdsl.training.recipe import Recipe, load_recipe

CLASSES = 5
SIZE = (16, 24)
GRID = (4, 6)
FORMS: dict[str, dict[str, Any]] = {
    "single": {"head": {"pool": "mean"}},
    "distilled": {
        "tokens": ["cls", "dist"],
        "head": {"outputs": {"cls": [{"pool": "cls"}, "classifier"], "dist": [{"pool": "dist"}, "classifier"]},
                 "merge": "mean", "training": ["cls", "dist"]},
    },
    "tokens": {
        "tokens": ["cls"],
        "head": {"outputs": {"cls": [{"pool": "cls"}, "classifier"],
                             "aux": [{"from": "grid"}, "classifier", {"write": "token_logits"}, {"pool": "max"}]},
                 "merge": {"cls": 1, "aux": 0.5}, "training": ["cls", "token_logits"]},
    },
    "patches": {
        "tokens": ["cls"],
        "head": {"outputs": {"cls": [{"pool": "cls"}, "classifier"],
                             "patch": [{"from": "grid"}, {"point": "patches"}, {"pool": "mean"}, "classifier"]},
                 "merge": {"cls": 1}, "training": ["cls", "patch"]},
    },
}  # fmt: skip
"""What differs: extra tokens, and the head."""


def spec_of(form: str, **changes: Any) -> Spec:
    """Two blocks of attention behind a patch embedding, with points at the embedding, at maps and before blocks."""
    given = {**FORMS[form], **changes}
    stage: dict[str, Any] = {
        "depth": 2,
        "block": [{"mixer": {"type": "global", "heads": 2, "maps": {"after": [{"point": "attention"}]}}},
                  {"mlp": {"ratio": 2}}],
        "norm": "layer",
    }  # fmt: skip
    if "tokens" in given:
        stage["tokens"] = given["tokens"]
    first = {
        "tokenizer": {"type": "patch", "size": 4, "dim": 12},
        "body": [{"point": "mix_token"}, {"point": "embedding"}],
    }
    return load({
        "name": f"{form}_spec", "input": {"size": list(SIZE), "channels": 3, "crop": 1.0}, "classes": CLASSES,
        "stages": [first, stage], "head": given["head"],
    })  # fmt: skip


def recipe_of(losses: Any = None, **given: Any) -> Recipe:
    """A recipe with these losses."""
    text = {"epochs": 2, "batch": 4, "smoothing": 0.1, "optimizer": {"learning_rate": 1e-3}, **given}
    return load_recipe({**text, "losses": losses or {"labels": "cross_entropy"}})


def batch_of(count: int = 4, dtype: torch.dtype = torch.float64) -> Batch:
    """Images of noise, with a class each."""
    images = torch.randn(count, 3, *SIZE, generator=torch.Generator().manual_seed(7), dtype=dtype)
    boxes, flips = torch.tensor([[0.0, 0.0, 1.0, 1.0]] * count), torch.zeros(count, 2, dtype=torch.bool)
    labels = torch.arange(count) * 2 % CLASSES
    nothing = torch.zeros(0, dtype=torch.int64)
    return Batch(images, labels, torch.arange(count), boxes, flips, torch.ones(count, dtype=torch.bool), nothing)
