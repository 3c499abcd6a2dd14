"""Pairs of written and module paths."""

from __future__ import annotations

import vitdsl
from tests.graph.test_printing import SMALL
from vitdsl.graph.paths import paths, written_path
from vitdsl.syntax.paths import format_path


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


def test_a_module_comes_from_the_item_that_it_is_below() -> None:
    """Every module has a place, and the place of the part of an item is that of all modules below it."""
    spec = vitdsl.load(SMALL)
    found = {path: format_path(written_path(spec, path)) for path, node, _ in spec.graph().frame.nodes() if node.path}
    assert found["stages.0.tokenizer.0.conv"] == "define.half.body[0].conv"
    assert found["stages.0.block.1.0.mixer.attend"] == "stages[0].block[0].mixer"
    assert found["stages.0.block.0.1.mlp.fc2"] == "stages[0].block[1].mlp"
    assert found["head.classifier"] == "head.pool"
    assert format_path(written_path(spec, "nowhere")) == "stages"
