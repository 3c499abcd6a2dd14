"""The hierarchical and hybrid specs against the records and the packages that `zoo_hierarchical` names."""

from __future__ import annotations

import numpy as np
import pytest
import timm
import torch
import torchvision

import vitdsl
from tests.parity import fingerprint
from tests.parity.models import RECORDS as KNOWN
from tests.parity.models import image
from tests.parity.zoo_hierarchical import LIVE, RECORDS, Live

OURS = [spec for spec in RECORDS if spec not in KNOWN]
"""The others are compared in `test_official`."""


@pytest.mark.parametrize("spec", OURS)
def test_records(spec: str) -> None:
    """Recorded logits, and every tensor back bit for bit."""
    record = fingerprint.load(RECORDS[spec])
    state = fingerprint.filled_state_dict(record["state"])
    model = vitdsl.build(spec, device="meta").double()
    vitdsl.load_weights(model, state, "official")
    model.eval()
    with torch.no_grad():
        fingerprint.assert_agrees(model(image(record)), record["outputs"]["logits"])
    assert record["outputs"].keys() == {"logits"}
    back = vitdsl.convert(model.state_dict(), spec, to="official")
    assert all(torch.equal(back[key], tensor) for key, tensor in state.items())


@pytest.mark.full
@pytest.mark.unsettled
@pytest.mark.parametrize("live", LIVE, ids=lambda live: f"{live.spec} {live.package}")
def test_live(live: Live) -> None:
    """All logits are the package's, and its own weights go there and back."""
    if live.package == "timm":
        theirs = timm.create_model(live.name, **live.options).double().eval()
    else:
        theirs = torchvision.models.get_model(live.name, **live.options).double().eval()
    state = {
        key: torch.from_numpy(np.ascontiguousarray(fingerprint.fill(key, tuple(tensor.shape))))
        if tensor.is_floating_point()
        else tensor
        for key, tensor in theirs.state_dict().items()
    }
    theirs.load_state_dict(state)
    model = vitdsl.build(live.spec, device="meta").double().eval()
    assert not vitdsl.load_weights(model, state, live.package).resized
    x = torch.from_numpy(fingerprint.image(1, 3, *vitdsl.load(live.spec).model.input.size))
    with torch.no_grad():
        expected, found = theirs(x), model(x)
    assert (found - expected).abs().max() <= fingerprint.LIMIT * max(1.0, expected.abs().max().item())
    back = vitdsl.convert(model.state_dict(), live.spec, to=live.package)
    assert all(torch.equal(tensor, state[key]) for key, tensor in back.items())
    assert all(key in back or key.endswith("num_batches_tracked") for key in state)
