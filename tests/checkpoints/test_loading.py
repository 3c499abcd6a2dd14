"""Weights into models: strict, resized where only a grid differs, refused with everything that is wrong."""

import pytest
import torch
from torch import Tensor

import vitdsl
from tests.checkpoints.messages import messages
from tests.parity import fingerprint
from vitdsl.checkpoints.files import write_weights
from vitdsl.layers.positions import LearnedPosition
from vitdsl.layers.relative import OffsetBias, RelativeBias
from vitdsl.spec import Spec

SMALL = {"stages[0].depth": 2}
WINDOWS = """
name: small_windows
input: {size: %d}
classes: 5
stages:
  - tokenizer: {type: patch, size: 4, dim: 8}
    depth: 2
    block: [{windows: {size: %d}, mixer: {type: global, heads: 2, position: relative_bias}}, {mlp: {ratio: 2}}]
  - body: [{mixer: {type: global, heads: 2, position: offset_bias}}, {mlp: {ratio: 2}}]
head: {pool: mean}
"""
COUNTED = """
name: counted
input: {size: 8}
classes: 3
stages: [{tokenizer: {conv: {dim: 4, kernel: 2, stride: 2, norm: batch}}}]
head: {pool: mean}
"""
DERIVED = """
extends: deit_tiny
name: my_own
set: {"stages[0].depth": 2}
"""


def small(**more: object) -> Spec:
    return vitdsl.load("deit_tiny", {**SMALL, **more})


@pytest.fixture
def theirs() -> dict[str, Tensor]:
    """A state dict of a DeiT of two blocks, with the authors' names."""
    state = fingerprint.filled_state_dict(fingerprint.load("deit_tiny")["state"])
    return {key: value for key, value in state.items() if not key.startswith("blocks.") or int(key.split(".")[1]) < 2}


def test_layouts_are_told_apart(theirs):
    ours = vitdsl.convert(theirs, small())
    assert list(ours) == list(vitdsl.build(small()).state_dict())
    assert vitdsl.convert(theirs, small(), "official").keys() == ours.keys()
    assert vitdsl.convert(ours, small()).keys() == ours.keys()
    back = vitdsl.convert(ours, small(), to="official")
    assert back.keys() == theirs.keys()
    assert all(torch.equal(back[key], theirs[key]) for key in theirs)


def test_one_foreign_layout_becomes_another(theirs):
    assert vitdsl.convert(theirs, small(), "official", to="timm").keys() == theirs.keys()


def test_unknown_layouts_are_refused(theirs):
    with pytest.raises(vitdsl.CheckpointError, match=r"no layout `torchvision`.* `ours`, `official`, `timm`"):
        vitdsl.convert(theirs, small(), "torchvision")


def test_keys_that_fit_no_layout_are_refused(theirs):
    del theirs["norm.bias"]
    with pytest.raises(vitdsl.CheckpointError, match="fit none of the layouts") as error:
        vitdsl.convert(theirs, small())
    assert "`official`: 1 missing (`norm.bias`), 0 unexpected." in messages(error.value)


def test_a_spec_that_extends_another_is_served_by_its_tables(theirs):
    spec = vitdsl.load(DERIVED)
    assert spec.names == ("my_own", "deit_tiny")
    report = vitdsl.load_weights(vitdsl.build(spec), theirs)
    assert len(report.copied) == len(theirs)
    assert vitdsl.load("deit_tiny_distilled", {"name": "x"}).names == ("x", "deit_tiny_distilled", "deit_tiny")


def test_files_are_loaded(theirs, tmp_path):
    write_weights(tmp_path / "weights.safetensors", theirs)
    model = vitdsl.build(small())
    report = vitdsl.load_weights(model, tmp_path / "weights.safetensors", "official")
    assert str(report) == f"copied: {len(theirs)}"
    assert torch.equal(model.head.classifier.bias, theirs["head.bias"].float())
    torch.save({"model": theirs}, tmp_path / "weights.pth")
    assert vitdsl.load_weights(vitdsl.build(small()), tmp_path / "weights.pth") == report


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_models_on_meta_come_to_life(theirs, dtype):
    model = vitdsl.build(small(), device="meta").to(dtype)
    vitdsl.load_weights(model, theirs)
    assert {(tensor.device.type, tensor.dtype) for tensor in model.state_dict().values()} == {("cpu", dtype)}
    assert all(parameter.requires_grad for parameter in model.parameters())
    theirs["head.bias"].zero_()
    assert model.head.classifier.bias.abs().sum() > 0


def test_buffers_that_no_checkpoint_holds_come_to_life():
    full = vitdsl.build(WINDOWS % (32, 4)).eval()
    model = vitdsl.build(WINDOWS % (32, 4), device="meta").eval()
    vitdsl.load_weights(model, full.state_dict())
    x = torch.randn(2, 3, 32, 32)
    assert torch.equal(model(x), full(x))


def test_learned_positions_are_resized(theirs):
    model = vitdsl.build(small(**{"input.size": 160})).double()
    report = vitdsl.load_weights(model, theirs)
    assert report.resized == ("stages.0.position.weight",)
    assert len(report.copied) == len(theirs) - 1
    assert "resized: 1 (stages.0.position.weight)" in str(report)
    wanted = LearnedPosition.resize(theirs["pos_embed"], 1, (14, 14), (10, 10))
    assert torch.equal(model.stages.get_submodule("0").position.weight, wanted)


def test_relative_tables_are_resized():
    old = vitdsl.build(WINDOWS % (32, 4)).state_dict()
    model = vitdsl.build(WINDOWS % (48, 3))
    report = vitdsl.load_weights(model, old)
    new = model.state_dict()
    relative = [f"stages.0.block.{i}.0.mixer.position.weight" for i in (0, 1)]
    assert report.resized == (*relative, "stages.1.body.0.mixer.position.weight")
    for key in relative:
        assert torch.equal(new[key], RelativeBias.resize(old[key], (4, 4), (3, 3)))
    assert torch.equal(new[report.resized[2]], OffsetBias.resize(old[report.resized[2]], (8, 8), (12, 12)))


def test_all_that_does_not_fit_is_listed_and_nothing_changes(theirs):
    model = vitdsl.build(small())
    before = {key: value.clone() for key, value in model.state_dict().items()}
    theirs["pos_embed"] = torch.zeros(1, 198, 192)
    theirs["head.bias"] = torch.zeros(10)
    theirs["norm.bias_"] = theirs.pop("norm.bias")
    with pytest.raises(vitdsl.CheckpointError) as error:
        vitdsl.load_weights(model, theirs, "official")
    text = str(error.value)
    assert len(error.value.problems) == 4
    assert "`stages.0.position.weight` has shape [1, 197, 192], found `pos_embed` of shape [1, 198, 192]" in text
    assert "`head.classifier.bias` has shape [1000], found `head.bias` of shape [10]" in text
    assert "Their key `norm.bias` is missing" in text
    assert "Their key `norm.bias_` of shape [192] is unexpected" in text
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


def test_integers_are_no_weights(theirs):
    theirs["head.bias"] = torch.zeros(1000, dtype=torch.long)
    with pytest.raises(vitdsl.CheckpointError, match=r"`head.classifier.bias` holds torch.float32, found torch.int64"):
        vitdsl.load_weights(vitdsl.build(small()), theirs)


def test_counters_that_lack_start_at_zero():
    state = vitdsl.build(COUNTED).state_dict()
    counter = next(key for key in state if key.endswith("num_batches_tracked"))
    del state[counter]
    model = vitdsl.build(COUNTED, device="meta")
    assert vitdsl.load_weights(model, state).new == (counter,)
    assert model.state_dict()[counter] == 0


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16])
def test_numbers_that_are_none_are_refused_by_name(theirs, value, dtype):
    model = vitdsl.build(small())
    before = {key: tensor.clone() for key, tensor in model.state_dict().items()}
    wrong = {key: tensor.to(dtype) for key, tensor in theirs.items()}
    wrong["norm.bias"][3:5] = value
    with pytest.raises(vitdsl.CheckpointError) as caught:
        vitdsl.load_weights(model, wrong)
    assert messages(caught.value) == (
        "Our `stages.0.norm.bias` gets 2 of 192 numbers that are NaN or infinite as torch.float32.",
    )
    assert all(torch.equal(tensor, before[key]) for key, tensor in model.state_dict().items())


def test_numbers_that_are_too_large_for_the_models_type_are_refused(theirs):
    theirs["norm.bias"][3] = 1e39
    for dtype in (torch.float32, torch.float16):
        with pytest.raises(vitdsl.CheckpointError, match=f"1 of 192 numbers that are NaN or infinite as {dtype}"):
            vitdsl.load_weights(vitdsl.build(small()).to(dtype), theirs)
    vitdsl.load_weights(vitdsl.build(small()).double(), theirs)


def test_numbers_of_eight_bits_are_weights(theirs):
    wrong = {key: tensor.to(torch.float8_e5m2) for key, tensor in theirs.items()}
    assert vitdsl.load_weights(vitdsl.build(small()), wrong).new == ()
    wrong["norm.bias"] = torch.full((192,), torch.inf).to(torch.float8_e5m2)
    with pytest.raises(vitdsl.CheckpointError, match="192 of 192 numbers"):
        vitdsl.load_weights(vitdsl.build(small()), wrong)


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "model.", "module._orig_mod.", "model.module."])
@pytest.mark.parametrize("layout", [None, "official", "ours"])
def test_what_wrappers_put_before_all_keys_is_cut_off(theirs, prefix, layout):
    state = theirs if layout != "ours" else vitdsl.convert(theirs, small())
    wrapped = {prefix + key: value for key, value in state.items()}
    for source in (wrapped, {"state_dict": wrapped, "epoch": 3}):
        assert len(vitdsl.load_weights(vitdsl.build(small()), source, layout).copied) == len(state)
    assert vitdsl.convert(wrapped, small(), layout).keys() == vitdsl.build(small()).state_dict().keys()


def test_averaged_models_are_read(theirs):
    averaged = torch.optim.swa_utils.AveragedModel(vitdsl.build(small()))
    assert len(vitdsl.load_weights(vitdsl.build(small()), averaged.state_dict()).copied) == len(theirs)
    compiled = torch.compile(vitdsl.build(small()))
    assert len(vitdsl.load_weights(vitdsl.build(small()), compiled.state_dict()).copied) == len(theirs)


def test_two_containers_are_chosen_between(theirs, tmp_path):
    other = {key: value * 2 for key, value in theirs.items()}
    torch.save({"model": theirs, "model_ema": other}, tmp_path / "w.pth")
    for source in (tmp_path / "w.pth", {"model": theirs, "model_ema": other}):
        with pytest.raises(vitdsl.CheckpointError, match=r"`model` .* and `model_ema` .* say which with `container`"):
            vitdsl.load_weights(vitdsl.build(small()), source)
        model = vitdsl.build(small()).double()
        vitdsl.load_weights(model, source, container="model_ema")
        assert torch.equal(model.head.classifier.bias, other["head.bias"])
