"""A small model in training mode gives the authors' terms against over-smoothing."""

from __future__ import annotations

import torch
from torch import Tensor, nn

import vitdsl
from tests.parity import fingerprint
from tests.training.recorded import CASES, assert_is, soft
from vitdsl.compiler.model import VisionModel
from vitdsl.training.boxes import Box, box_mask
from vitdsl.training.diversity import neighbour_contrast, pool_region, region_mixing

CASE = CASES["patchvit_train_repo"]
GRID, BOX = (7, 7), Box(1, 2, 5, 6)
SMALL = {
    "input.size": 112,
    "classes": 10,
    "vars.channels": 48,
    "vars.layers": 2,
    "vars.heads": 3,
    "drop_path.rate": 0,
    "head.outputs.cls[1].dropout": 0,
    "head.outputs.patch[3].dropout": 0,
}


def small_model() -> VisionModel:
    """The shipped spec in the recorded sizes, with weights that their keys seed."""
    model = vitdsl.build(vitdsl.load("patchvit_small", set=SMALL), device="meta").double()
    vitdsl.load_weights(model, fingerprint.filled_state_dict(CASE["inputs"]["state"]), "official")
    return model.train()


def run(model: nn.Module) -> tuple[Tensor, Tensor, Tensor]:
    """The classes' logits, and what is at the spec's points: `embedding` and `patches`, each as (B, N, C)."""
    seen: dict[str, Tensor] = {}

    def keep(name: str):
        return lambda module, given, value: seen.__setitem__(name, value)

    paths = {"embedding": "stages.0.tokenizer.0.conv", "patches": "stages.1.norm"}
    handles = [model.get_submodule(path).register_forward_hook(keep(name)) for name, path in paths.items()]
    outputs = model(torch.from_numpy(fingerprint.image(2, 3, 112, 112)))
    for handle in handles:
        handle.remove()
    return outputs["cls"], seen["embedding"].flatten(2).transpose(1, 2), seen["patches"][:, 1:]


def test_recorded_values():
    model = small_model()
    logits_bk, embedding_bnc, patches_bnc = run(model)
    assert_is(logits_bk, CASE["value"]["cls_logits_first"])
    contrast = neighbour_contrast(embedding_bnc, patches_bnc, GRID)
    assert_is(1e6 * contrast, 1e6 * CASE["value"]["contrastive_loss"])  # 2e-10, so that it is seen
    classify = model.get_submodule("head.outputs.patch.4.classifier")
    mask_n = box_mask(BOX, GRID, patches_bnc)
    regions = ((mask_n, soft("t1", 2, 10)), (1 - mask_n, soft("t2", 2, 10)))
    mixing = torch.stack(
        [region_mixing(classify(pool_region(patches_bnc, region_n)), y, region_n) for region_n, y in regions]
    )
    assert_is(mixing.sum(), CASE["value"]["patch_mixing_loss"])


def test_the_embedding_gets_its_gradient_through_the_blocks_alone():
    model = small_model()
    weight = model.get_parameter("stages.0.tokenizer.0.conv.weight")
    _, embedding_bnc, patches_bnc = run(model)
    neighbour_contrast(embedding_bnc, patches_bnc.detach().requires_grad_(), GRID).backward()
    assert weight.grad is None
    neighbour_contrast(embedding_bnc, patches_bnc, GRID).backward()
    assert weight.grad is not None
    assert weight.grad.any()
