"""Costs come from the graph: whatever is edited, they are those of the module that is built."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

import vitdsl

EDITS: list[tuple[str, dict[str, Any], int | None]] = [
    ("cvt13", {}, None),
    ("cvt13", {"stages[2].depth": 3, "stages[0].tokenizer.conv.dim": 96}, None),
    ("cvt13", {"define.encoder.body[1].mlp.ratio": 2, "stages[1].block.heads": 6}, 160),
    ("deit_tiny_distilled", {"stages[0].tokenizer.dim": 96, "stages[0].depth": 2}, 96),
    ("t2t_vit_14", {"stages[2].depth": 1, "stages[2].tokenizer.dim": 192}, 128),
    ("cait_xxs24", {"stages[0].depth": 2, "stages[1].depth": 1}, 64),
    ("refiner_vit_s", {"stages[0].body[2].repeat": 1}, 112),
    ("swin_tiny", {"stages[2].depth": 2}, None),
    ("crossvit_tiny", {"stages[2].depth": 1, "stages[2].block[1].repeat": 2}, None),
    ("tnt_small", {"stages[2].depth": 1}, 112),
    ("ceit_tiny", {"stages[0].depth": 2}, 96),
    ("levit_128s", {"stages[0].body[4].repeat": 1}, 128),
]


def counted(model: torch.nn.Module, size: tuple[int, int]) -> int:
    """Multiply-adds of one image that torch counts."""
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model.eval()(torch.empty(1, 3, *size, device="meta"))
    return counter.get_total_flops() // 2


@pytest.mark.parametrize(("name", "edit", "size"), EDITS)
def test_costs_are_those_of_the_built_module(name: str, edit: dict[str, Any], size: int | None) -> None:
    edit = {**edit, **({"input.size": size} if size else {})}
    spec = vitdsl.load(name, set=edit)
    model = vitdsl.build(spec, device="meta")
    found = spec.analyze()
    assert found.trainable_params == sum(p.numel() for p in model.parameters())
    assert found.macs == counted(model, spec.model.input.size)


def test_the_size_may_be_given_apart_from_the_spec() -> None:
    spec = vitdsl.load("deit_tiny")
    assert spec.analyze(size=384).cost == spec.analyze(size=(384, 384)).cost
    assert spec.analyze(size=384).macs == vitdsl.load("deit_tiny", set={"input.size": 384}).analyze().macs
    assert spec.analyze(size=384).macs > 2 * spec.analyze().macs


def test_stages_and_nodes_sum_to_the_whole() -> None:
    for name in ("cvt13", "crossvit_tiny", "refiner_vit_s"):
        found = vitdsl.load(name).analyze()
        for part in ("params", "trainable_params", "macs", "activation_bytes"):
            whole = getattr(found, part)
            assert sum(getattr(stage.cost, part) for stage in found.stages) == whole
            assert sum(getattr(node.cost, part) for node in found.nodes()) == whole


def test_module_paths_of_the_graph_are_those_of_the_state_dict() -> None:
    for name in ("cvt13", "levit_128s", "tnt_small"):
        spec = vitdsl.load(name)
        owners = {key.rpartition(".")[0] for key, _ in vitdsl.build(spec, device="meta").named_parameters()}
        assert owners == {node.path for node in spec.analyze().nodes() if node.cost.trainable_params}


@pytest.mark.parametrize("name", ["cvt13", "swin_tiny", "refiner_vit_s", "crossvit_tiny", "ceit_tiny"])
def test_memos_change_nothing(name: str) -> None:
    first = vitdsl.load(name, set={"name": "warm"}).graph()
    again = vitdsl.load(name, set={"name": "again"}).graph()
    from vitdsl.memo import forget

    forget()
    fresh = vitdsl.load(name, set={"name": "fresh"}).graph()
    assert str(first) == str(again) == str(fresh)


def test_an_error_has_its_place_whether_or_not_its_surroundings_were_seen() -> None:
    places = []
    for depth in (3, 3, 4):
        with pytest.raises(vitdsl.SpecError) as caught:
            vitdsl.load("cvt13", set={"stages[1].block.heads": 5, "stages[2].depth": depth}).graph()
        problem = caught.value.problems[0]
        places.append(
            (problem.message, problem.path, problem.line, problem.column, [note[0] for note in problem.notes])
        )
    assert places[0] == places[1] == places[2]
    assert places[0][1] == "define.encoder.body[0].mixer.heads"
    assert places[0][4] == ["used here, at stages[1].block"]


def test_what_no_output_reaches_is_named() -> None:
    found = vitdsl.load("ceit_tiny").analyze().unreached
    assert found[0] == "stages.0.block.11.1.0.mlp.fc1"
    assert len(found) == 6
    assert vitdsl.load("deit_tiny").analyze().unreached == ()
    found = vitdsl.load("cvt13").analyze().unreached
    assert found == ("stages.2.block.9.0.mixer.projection.q", "stages.2.block.9.0.mixer.projection.q.norm")
