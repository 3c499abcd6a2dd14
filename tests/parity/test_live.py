"""The specs against timm's models, as installed: every logit."""

from __future__ import annotations

import pytest
import torch

import vitdsl
from tests.parity import fingerprint
from tests.parity.live import LIVE, filled_model


@pytest.mark.parametrize("spec", LIVE)
def test_all_logits_are_timms(spec: str) -> None:
    theirs, state = filled_model(LIVE[spec])
    model = vitdsl.build(spec, device="meta").double().eval()
    report = vitdsl.load_weights(model, state, "timm")
    assert not report.resized
    x = torch.from_numpy(fingerprint.image(2, 3, *vitdsl.load(spec).model.input.size))
    with torch.no_grad():
        expected, found = theirs(x), model(x)
    assert found.dtype == expected.dtype == torch.float64
    assert found.shape == expected.shape == (2, 1000)
    largest = (found - expected).abs().max().item()
    print(f"{spec}: largest difference from {LIVE[spec].name} {largest:.1e}")
    assert largest <= fingerprint.LIMIT * max(1.0, expected.abs().max().item())


@pytest.mark.parametrize("spec", LIVE)
def test_weights_go_back_to_timm(spec: str) -> None:
    """Bit for bit, and timm takes them strictly."""
    theirs, state = filled_model(LIVE[spec])
    back = vitdsl.convert(vitdsl.convert(state, spec, "timm"), spec, to="timm")
    assert all(torch.equal(back[key], state[key]) for key in back)
    lacking = [key for key in state if key not in back]
    assert all(key.endswith("num_batches_tracked") for key in lacking)
    theirs.load_state_dict(back, strict=not lacking)
