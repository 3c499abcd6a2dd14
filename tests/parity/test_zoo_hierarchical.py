"""The hierarchical and hybrid specs against the records that `zoo_hierarchical` names."""

from __future__ import annotations

import pytest
import torch

import vitdsl
from tests.parity import fingerprint
from tests.parity.models import RECORDS as KNOWN
from tests.parity.models import image, light
from tests.parity.zoo_hierarchical import RECORDS
from tests.zoo.specs import all_of_them

OURS = [spec for spec in RECORDS if spec not in KNOWN]
"""The others are compared in `test_official`."""


@pytest.mark.parametrize("spec", all_of_them(light(OURS), OURS))
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
