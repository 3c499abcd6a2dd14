"""Tables are resized by their grids: what a state dict says of them, and what shapes tell where it says nothing."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import pytest
import torch
from torch import Tensor

import vitdsl
from vitdsl.checkpoints.files import write_weights
from vitdsl.checkpoints.fitting import first_convolutions, fit_channels, resizers
from vitdsl.compiler.model import VisionModel

POSITIONS = ["learned", "on_keys", "relative_bias", "offset_bias", "relative_2d"]
TURNED = [position for position in POSITIONS if position != "relative_2d"]  # which has a table for each direction
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


def said_of(source: VisionModel, position: str):
    """What is to be warned of, where weights do not say for which grid they are."""
    height, width = source.image_size
    if height == width or position == "relative_2d":  # whose tables are for one length each
        return nullcontext()
    return pytest.warns(UserWarning, match=r"do not say for which grid `\S+` is made; \d+x\d+ is assumed. `size=")


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
    with said_of(source, position):
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


# ---------------------------------------------------------------- files


def safetensors(path: Path, model: VisionModel) -> Path:
    write_weights(path / "w.safetensors", model.state_dict())
    return path / "w.safetensors"


def pickled(path: Path, model: VisionModel) -> Path:
    torch.save(model.state_dict(), path / "w.pth")
    return path / "w.pth"


def contained(path: Path, model: VisionModel) -> Path:
    torch.save({"state": {"model": model.state_dict()}, "epoch": 3}, path / "w.pth")
    return path / "w.pth"


def wrapped(path: Path, model: VisionModel) -> Path:
    write_weights(path / "w.safetensors", torch.nn.DataParallel(model).state_dict())
    return path / "w.safetensors"


FILES = [safetensors, pickled, contained, wrapped]


@pytest.mark.parametrize("position", POSITIONS)
@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("new", [(16, 32), (48, 32), (32, 16)])
def test_files_say_for_which_grid_their_tables_are(position, file, new, tmp_path):
    source = made(position, (32, 16))
    model, expected = made(position, new), made(position, new)
    vitdsl.load_weights(expected, source.state_dict())
    report = vitdsl.load_weights(model, file(tmp_path, source))
    assert bool(report.resized) == (new != (32, 16))
    for key, table in tables(model).items():
        assert torch.equal(table, tables(expected)[key])
        if new == (16, 32):
            assert not torch.equal(table, source.state_dict()[key])


@pytest.mark.parametrize("position", TURNED)
def test_tables_of_which_nothing_is_said_are_warned_of_and_a_size_says_it(position):
    source, model, expected = made(position, (32, 16)), made(position, (16, 32)), made(position, (16, 32))
    foreign = dict(source.state_dict())
    with said_of(source, position):
        assert vitdsl.load_weights(model, foreign).resized == ()
    assert vitdsl.load_weights(model, foreign, size=(16, 32)).resized == ()
    assert vitdsl.load_weights(model, foreign, size=(32, 16)).resized == tuple(tables(model))
    vitdsl.load_weights(expected, source.state_dict())
    for key, table in tables(model).items():
        assert torch.equal(table, tables(expected)[key])


@pytest.mark.parametrize("position", TURNED)
def test_a_size_says_what_no_shape_says(position):
    source, model, expected = made(position, (12, 20)), made(position, (16, 24)), made(position, (16, 24))
    foreign = dict(source.state_dict())
    with pytest.raises(vitdsl.CheckpointError, match=r"`size=\(h, w\)`, or `--weights-size HxW`, says for which size"):
        vitdsl.load_weights(model, foreign)
    vitdsl.load_weights(model, foreign, size=(12, 20))
    vitdsl.load_weights(expected, source.state_dict())
    for key, table in tables(model).items():
        assert torch.equal(table, tables(expected)[key])


@pytest.mark.parametrize("position", TURNED)
def test_a_size_that_is_not_that_of_the_weights_is_refused(position):
    source, model = made(position, (32, 16)), made(position, (16, 32))
    with pytest.raises(vitdsl.CheckpointError, match=r"is made for \d+x\d+, and this size would make it \d+x\d+"):
        vitdsl.load_weights(model, source.state_dict(), size=(16, 32))
    with pytest.raises(vitdsl.CheckpointError, match=r"Its grid is said to be \d+x\d+, which has \d+ entries"):
        vitdsl.load_weights(model, dict(source.state_dict()), size=(16, 16))


def test_weights_of_a_spec_that_was_edited_take_the_grid_of_that_spec(tmp_path):
    small = {"stages[0].depth": 1, "input.size": [64, 32]}
    source = vitdsl.build(vitdsl.load("deit_tiny", small)).state_dict()
    model = vitdsl.build(vitdsl.load("deit_tiny", {**small, "classes": 7, "input.size": [32, 64]}))
    for state, how in ((source, {}), (dict(source), {"size": (64, 32)})):
        report = vitdsl.load_weights(model, state, partial=True, base="deit_tiny", **how)
        assert report.resized == ("stages.0.position.weight",)


@pytest.mark.parametrize("layout", ["official", "timm"])
def test_converted_weights_say_their_grid_still(layout, tmp_path):
    """PiT's table is a map there, whose shape says its grid."""
    for name, depth in (
        ("pit_ti", {f"stages[{index}].depth": 1 for index in range(3)}),
        ("deit_tiny", {"stages[0].depth": 1}),
    ):
        spec = vitdsl.load(name, {**depth, "input.size": [64, 32]})
        other = vitdsl.load(name, {**depth, "input.size": [32, 64]})
        source = vitdsl.build(spec)
        model, expected = vitdsl.build(other), vitdsl.build(other)
        vitdsl.load_weights(expected, source.state_dict())
        write_weights(tmp_path / "w.safetensors", vitdsl.convert(source.state_dict(), spec, to=layout))
        theirs = vitdsl.convert(source.state_dict(), spec, to=layout)
        for weights in (tmp_path / "w.safetensors", theirs, dict(theirs) if name == "pit_ti" else theirs):
            assert vitdsl.load_weights(model, weights, layout).resized == ("stages.0.position.weight",)
            key = "stages.0.position.weight"
            assert torch.equal(model.state_dict()[key], expected.state_dict()[key])


@pytest.mark.parametrize("grid", [(3, 3), (0, 8), (8,), (2, 2, 8), "ab", None, (4.0, 8.0), (True, 32)])
def test_a_grid_that_cannot_be_is_refused(grid):
    source, model = made("learned", (32, 16)), made("learned", (32, 16))
    state = source.state_dict()
    state._metadata["stages.0.position"]["grids"] = {"weight": grid}
    with pytest.raises(vitdsl.CheckpointError, match="grid"):
        vitdsl.load_weights(model, state)


# ---------------------------------------------------------------- channels


def test_what_each_way_of_channels_keeps():
    kernel = torch.randn(4, 3, 2, 2, dtype=torch.float64)
    rgb, grey = torch.randn(1, 3, 2, 2, dtype=torch.float64), torch.randn(1, 1, 2, 2, dtype=torch.float64)

    def run(kernels: Tensor, image: Tensor) -> Tensor:
        return torch.nn.functional.conv2d(image, kernels)

    def close(found: Tensor, expected: Tensor) -> bool:
        return (found - expected).abs().max().item() < 1e-12

    assert close(run(fit_channels(kernel, 6, "repeat"), torch.cat([rgb, rgb], 1)), run(kernel, rgb))
    for channels in (1, 5):
        image = grey.expand(-1, channels, -1, -1)
        assert close(run(fit_channels(kernel, channels, "mean"), image), run(kernel, grey.expand(-1, 3, -1, -1)))
    image = torch.cat([rgb, torch.randn(1, 2, 2, 2, dtype=torch.float64)], 1)
    assert close(run(fit_channels(kernel, 5, "first"), image), run(kernel, rgb))
    assert torch.equal(fit_channels(kernel, 2, "first"), kernel[:, :2])


@pytest.mark.parametrize(("name", "count"), [("deit_tiny", 1), ("crossvit_tiny", 2), ("cvt13", 1), ("resnet18", 1)])
def test_first_convolutions_are_those_that_read_the_image(name, count):
    model = vitdsl.build(name, device="meta")
    found = first_convolutions(model)
    assert len(found) == count
    assert all(model.state_dict()[key].shape[1] == 3 for key in found)
