"""vit-pytorch's ViT and SimpleViT, which norm their patches and have fewer biases: shipped specs, edited to be them."""

from __future__ import annotations

from importlib import import_module
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor, nn

import vitdsl
from tests.parity import fingerprint
from tests.parity.packages import fill
from vitdsl.checkpoints.convert import to_ours
from vitdsl.checkpoints.tables import parse_table


class Edited(NamedTuple):
    """A model of vit-pytorch, and how a shipped spec becomes it.

    Attributes:
        name: module and class.
        width: of its tokens.
        heads: of 64 each.
        edits: what is set in the spec.
        rows: of the table of keys, beside those that both have.
    """

    name: str
    width: int
    heads: int
    edits: dict[str, Any]
    rows: tuple[str, ...]


def patches(width: int) -> list[Any]:
    """Normed before and after their linear map."""
    return [{"unfold": 16}, {"norm": "layer"}, {"linear": width}, {"norm": "layer"}]


BLOCK = "stages[0].block"
BOTH: dict[str, Any] = {"defaults.norm": {"type": "layer", "eps": 1e-5}, f"{BLOCK}[0].mixer.qkv_bias": False}
CASES = {
    "vit_tiny16": Edited(
        "vit.ViT",
        192,
        3,
        {**BOTH, "stages[0].tokenizer": patches(192)},
        (
            "transformer.layers.{i}.0.to_out.0.{p} -> stages.0.block.{i}.0.mixer.out.{p}",
            "transformer.layers.{i}.1.net.1.{p} -> stages.0.block.{i}.1.mlp.fc1.{p}",
            "transformer.layers.{i}.1.net.4.{p} -> stages.0.block.{i}.1.mlp.fc2.{p}",
            "mlp_head.{p} -> head.classifier.{p}",
        ),
    ),
    "simple_vit_small16": Edited(
        "simple_vit.SimpleViT",
        384,
        6,
        {
            **BOTH,
            "stages[0].tokenizer": patches(384),
            f"{BLOCK}[0].mixer.out": {"bias": False},
            "defaults.mlp.activation": "gelu",
        },
        (
            "transformer.layers.{i}.0.to_out.{p} -> stages.0.block.{i}.0.mixer.out.{p}",
            "transformer.layers.{i}.1.net.1.{p} -> stages.0.block.{i}.1.mlp.fc1.{p}",
            "transformer.layers.{i}.1.net.3.{p} -> stages.0.block.{i}.1.mlp.fc2.{p}",
            "linear_head.{p} -> head.classifier.{p}",
        ),
    ),
}
TOKENS = [
    {"from": "cls_token", "to": "stages.0.tokens.cls", "pattern": "one c -> 1 one c", "only": "vit_tiny16"},
    {"from": "pos_embedding", "to": "stages.0.position.weight", "pattern": "n c -> 1 n c", "only": "vit_tiny16"},
]
COMMON = [
    # theirs flattens patches as (row, column, c), ours as (c, row, column)
    {
        "from": "to_patch_embedding.1.{p}",
        "to": "stages.0.tokenizer.1.norm.{p}",
        "pattern": "(row column c) -> (c row column)",
        "sizes": {"row": 16, "column": 16},
    },
    {
        "from": "to_patch_embedding.2.weight",
        "to": "stages.0.tokenizer.2.linear.weight",
        "pattern": "o (row column c) -> o (c row column)",
        "sizes": {"row": 16, "column": 16},
    },
    "to_patch_embedding.2.bias -> stages.0.tokenizer.2.linear.bias",
    "to_patch_embedding.3.{p} -> stages.0.tokenizer.3.norm.{p}",
    "transformer.layers.{i}.0.norm.{p} -> stages.0.block.{i}.0.pre.{p}",
    "transformer.layers.{i}.0.to_qkv.{p} -> stages.0.block.{i}.0.mixer.qkv.{p}",
    "transformer.layers.{i}.1.net.0.{p} -> stages.0.block.{i}.1.pre.{p}",
    "transformer.norm.{p} -> stages.0.norm.{p}",
]


def filled(case: Edited) -> tuple[nn.Module, dict[str, Tensor]]:
    """Theirs, made in float64; SimpleViT rounds its positions to float32, which are no buffer."""
    file, _, name = case.name.partition(".")
    module: Any = import_module(f"vit_pytorch.{file}")
    torch.set_default_dtype(torch.float64)
    try:
        sizes = {"dim": case.width, "depth": 12, "heads": case.heads, "mlp_dim": 4 * case.width}
        model = getattr(module, name)(image_size=224, patch_size=16, num_classes=1000, **sizes).eval()
        if name == "SimpleViT":
            model.pos_embedding = module.posemb_sincos_2d(14, 14, case.width, dtype=torch.float64)
    finally:
        torch.set_default_dtype(torch.float32)
    state = model.state_dict()
    fill(state)
    return model, state


@pytest.mark.parametrize("spec", CASES)
def test_edited_spec_is_theirs(spec: str) -> None:
    case = CASES[spec]
    theirs, state = filled(case)
    table = parse_table(
        {
            "layout": "vit_pytorch",
            "specs": list(CASES),
            "source": "lucidrains/vit-pytorch",
            "rows": [*TOKENS, *COMMON, *case.rows],
        }
    )
    model = vitdsl.build(vitdsl.load(spec, case.edits)).double().eval()
    assert sum(p.numel() for p in model.parameters()) == sum(p.numel() for p in theirs.parameters())
    shapes = {key: tuple(tensor.shape) for key, tensor in model.state_dict().items()}
    fixed = {key: tensor for key, tensor in model.state_dict().items() if key not in dict(model.named_parameters())}
    ours = to_ours(state, table.of(spec), {key: shape for key, shape in shapes.items() if key not in fixed})
    model.load_state_dict({**ours, **fixed})
    x = torch.from_numpy(fingerprint.image(1, 3, 224, 224))
    with torch.no_grad():
        expected, found = theirs(x), model(x)
    largest = (found - expected).abs().max().item()
    print(f"{case.name}: largest difference {largest:.1e}")
    assert largest <= fingerprint.LIMIT * max(1.0, expected.abs().max().item())
