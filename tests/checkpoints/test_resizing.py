"""Tables are resized by their grids: what a state dict says of them, and what shapes tell where it says nothing."""

from __future__ import annotations

import pytest
import torch

import vitdsl
from vitdsl.checkpoints.resizing import resizers
from vitdsl.compiler.model import VisionModel

POSITIONS = ["learned", "on_keys", "relative_bias", "offset_bias", "relative_2d"]
SIZES = [(32, 16), (16, 32), (32, 48), (48, 32), (32, 32)]


def made(position: str, size: tuple[int, int]) -> VisionModel:
    """A small model with one kind of table; what its grid is, its class token behind it is not."""
    torch.manual_seed(0)
    stage: dict = {"tokenizer": {"type": "patch", "size": 4, "dim": 16}}
    mixer: dict = {"type": "global", "heads": 2}
    if position == "learned":
        stage |= {"tokens": ["cls"], "position": "learned"}
    else:
        mixer["position"] = position
    spec = {"name": "s", "classes": 5, "stages": [{**stage, "body": [{"mixer": mixer}]}], "head": {"pool": "mean"}}
    model = vitdsl.build(spec, size=size)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter)
    return model


def tables(model: VisionModel) -> dict[str, torch.Tensor]:
    return {key: model.state_dict()[key] for key in resizers(model)}


@pytest.mark.parametrize("position", POSITIONS)
@pytest.mark.parametrize("old", SIZES)
@pytest.mark.parametrize("new", SIZES)
def test_a_state_dict_says_for_which_grid_its_tables_are(position, old, new):
    source, model = made(position, old), made(position, new)
    report = vitdsl.load_weights(model, source.state_dict())
    changed = {key: resizer for key, resizer in resizers(model).items() if resizer.table.grid != _grid(source, key)}
    assert set(report.resized) == set(changed)
    for key, table in tables(model).items():
        rule = resizers(model)[key].table
        wanted = rule.resize(source.state_dict()[key], _grid(source, key), rule.grid)
        assert torch.equal(table, wanted)


def _grid(model: VisionModel, key: str):
    return resizers(model)[key].table.grid


@pytest.mark.parametrize("position", POSITIONS)
def test_a_turned_table_has_the_same_shape_and_is_resized_by_load_state_dict_too(position):
    source, model, loaded = made(position, (32, 16)), made(position, (16, 32)), made(position, (16, 32))
    if position == "relative_2d":
        with pytest.raises(RuntimeError, match="size mismatch"):
            model.load_state_dict(source.state_dict())
        return
    model.load_state_dict(source.state_dict())
    vitdsl.load_weights(loaded, source.state_dict())
    for key, table in tables(model).items():
        assert torch.equal(table, tables(loaded)[key])
        assert not torch.equal(table, source.state_dict()[key])


@pytest.mark.parametrize("position", POSITIONS)
@pytest.mark.parametrize(("old", "new"), [((32, 16), (64, 32)), ((32, 32), (32, 48)), ((32, 48), (64, 96))])
def test_shapes_tell_a_square_or_the_aspect_of_the_model(position, old, new):
    source, model, loaded = made(position, old), made(position, new), made(position, new)
    vitdsl.load_weights(model, dict(source.state_dict()))
    vitdsl.load_weights(loaded, source.state_dict())
    for key, table in tables(model).items():
        assert torch.equal(table, tables(loaded)[key])


def test_what_no_shape_tells_is_refused():
    """16 places are 4x4, and 2x8 beside a model of 4x16."""
    source, model = made("offset_bias", (8, 32)), made("offset_bias", (16, 64))
    with pytest.raises(vitdsl.CheckpointError, match=r"has shape \[2, 64\], found"):
        vitdsl.load_weights(model, dict(source.state_dict()))
    with pytest.raises(vitdsl.CheckpointError, match=r"has shape \[2, 24\], found"):
        vitdsl.load_weights(made("offset_bias", (16, 24)), dict(made("offset_bias", (12, 20)).state_dict()))
