"""Pairs of written and module paths."""

from __future__ import annotations

import vitdsl
from tests.graph.test_printing import SMALL
from vitdsl.graph.paths import paths


def test_paths_pair_what_is_written_with_modules() -> None:
    assert paths(vitdsl.load(SMALL)) == [
        ("define.half.body[0].conv", "stages.0.tokenizer.0.conv"),
        ("stages[0].tokens", "stages.0.tokens"),
        ("stages[0].block[0].mixer", "stages.0.block.{n}.0.mixer"),
        ("stages[0].block[0].pre", "stages.0.block.{n}.0.pre"),
        ("stages[0].block[1].mlp", "stages.0.block.{n}.1.mlp"),
        ("stages[0].block[1].pre", "stages.0.block.{n}.1.pre"),
        ("head.norm", "head.norm"),
        ("head.pool", "head.classifier"),
    ]
