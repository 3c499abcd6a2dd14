"""What rows do to tensors, in the tables that are shipped; and the buffers that they compute."""

import pytest
import torch
from torch.nn.functional import unfold

from vitdsl.checkpoints import operations
from vitdsl.checkpoints.operations import offset_bias_index, relative_position_index, shifted_window_mask
from vitdsl.checkpoints.tables import tables_for


def converted(spec, layout, key, tensor):
    """One tensor of theirs, as the row that makes our `key` gives it."""
    (row,) = [row for row in tables_for(spec)[layout].moves if row.match(key) is not None]
    return operations.forward(row, [tensor])[0]


def test_relative_position_index_is_timms():
    timm = pytest.importorskip("timm")
    model = timm.create_model("swin_tiny_patch4_window7_224")
    buffers, parameters = dict(model.named_buffers()), dict(model.named_parameters())
    for key in [key for key in buffers if key.endswith("relative_position_index")]:
        table = parameters[key.replace("position_index", "position_bias_table")]
        assert torch.equal(relative_position_index(table), buffers[key])
    for stage, key in enumerate(["layers.0.blocks.1", "layers.1.blocks.1", "layers.2.blocks.5"]):
        table = parameters[f"{key}.attn.relative_position_bias_table"]
        mask = shifted_window_mask(table, grid=56 // 2**stage, shift=3)
        assert mask.dtype == table.dtype
        assert torch.equal(mask, buffers[f"{key}.attn_mask"])


def test_offset_bias_index_is_timms():
    timm = pytest.importorskip("timm")
    model = timm.create_model("levit_128s")
    parameters = dict(model.named_parameters())
    found = [(key, value) for key, value in model.named_buffers() if key.endswith("attention_bias_idxs")]
    assert len(found) == 11
    for key, index in found:
        biases = parameters[key.replace("bias_idxs", "biases")]
        assert torch.equal(offset_bias_index(biases, 2 if "downsample" in key else 1), index)


@pytest.mark.parametrize("layout", ["official", "timm"])
def test_merged_patches_are_unfolded_in_our_order(layout):
    x_bchw, weight = torch.randn(2, 3, 6, 4).double(), torch.randn(5, 12).double()
    corners = [x_bchw[:, :, row::2, column::2] for column in (0, 1) for row in (0, 1)]
    theirs = torch.cat(corners, 1).flatten(2)
    ours = unfold(x_bchw, 2, stride=2)
    assert torch.equal(converted("swin_tiny", layout, "stages.1.tokenizer.1.norm.bias", theirs[0, :, 0]), ours[0, :, 0])
    turned = converted("swin_tiny", layout, "stages.1.tokenizer.2.linear.weight", weight)
    assert torch.allclose(turned @ ours, weight @ theirs, rtol=1e-12)


@pytest.mark.parametrize("layout", ["official", "timm"])
def test_words_are_unfolded_in_our_order(layout):
    x_bchw, weight = torch.randn(2, 3, 8, 4).double(), torch.randn(5, 48).double()
    words = x_bchw.reshape(2, 3, 2, 4, 1, 4).permute(0, 2, 4, 3, 5, 1)
    theirs = words.reshape(2, 2, 48).transpose(1, 2)
    ours = unfold(x_bchw, 4, stride=4)
    for key in ("stages.1.tokenizer.2.linear.weight", "stages.2.block.7.2.2.linear.weight"):
        assert torch.allclose(converted("tnt_small", layout, key, weight) @ ours, weight @ theirs, rtol=1e-12)
    for key in ("stages.1.tokenizer.1.norm.bias", "stages.2.block.7.2.1.norm.bias"):
        assert torch.equal(converted("tnt_small", layout, key, theirs[0, :, 1]), ours[0, :, 1])
