"""LeViT with its batch norms folded: the authors' folded weights in ours, and ours folded as theirs."""

from __future__ import annotations

import torch

import vitdsl
from tests.parity import fingerprint


def test_folded_weights_of_the_authors_compute_what_was_recorded() -> None:
    record = fingerprint.load("levit_128s_fused")
    model = vitdsl.fold(vitdsl.build("levit_128s").double())
    theirs = fingerprint.filled_state_dict(record["state"])
    ours = vitdsl.convert(theirs, "levit_128s", layout="official_fused")
    model.load_state_dict(ours)
    image = torch.from_numpy(fingerprint.image(record["batch"], 3, *record["image_size"]))
    with torch.no_grad():
        fingerprint.assert_agrees(model(image), record["outputs"]["logits"])
    assert sum(p.numel() for p in model.parameters()) == record["params"]
    back = vitdsl.convert(ours, "levit_128s", to="official_fused")
    assert all(torch.equal(back[key], value) for key, value in theirs.items())


def test_folding_changes_no_output() -> None:
    torch.manual_seed(0)
    for name, size in (("levit_128s", 64), ("cvt13", 64), ("resnet18", 64)):
        model = vitdsl.build(vitdsl.load(name, set={"input.size": size})).double().eval()
        for module in model.modules():
            if getattr(module, "running_var", None) is not None:
                torch.nn.init.uniform_(module.running_var, 0.5, 2.0)
                torch.nn.init.normal_(module.running_mean, std=0.2)
        folded = vitdsl.fold(model)
        image = torch.randn(2, 3, size, size, dtype=torch.float64)
        with torch.no_grad():
            assert (model(image) - folded(image)).abs().max() < 1e-9
        assert not [key for key in folded.state_dict() if "running" in key and "conv.norm" in key]
