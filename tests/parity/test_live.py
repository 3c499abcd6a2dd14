"""The specs against the models of other packages, as installed: every logit, and the weights there and back."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

import vitdsl
from tests.parity import fingerprint
from tests.parity.live import DEFAULT, LIVE, Live
from tests.parity.packages import filled_model, logits, weights
from vitdsl.checkpoints.plan import is_counter
from vitdsl.checkpoints.tables import tables_for

PAIRS = [
    pytest.param(live, id=str(live), marks=() if live.spec in DEFAULT[live.package] else pytest.mark.full)
    for live in LIVE
]

SMALLER = {"convnext": 96}
"""The image's side where a family takes any: in float64, the convolutions of a large image are slow."""


@pytest.fixture
def _alone() -> Iterator[None]:
    """Modules are in cycles, and the collector does not weigh their tensors."""
    yield
    gc.collect()


@pytest.mark.usefixtures("_alone")
@pytest.mark.parametrize("live", PAIRS)
def test_all_logits_are_the_packages(live: Live) -> None:
    """The layout is told by the keys; the model takes the tensors themselves, since the largest has 356 million."""
    height, width = vitdsl.load(live.spec).model.input.size
    side = SMALLER.get(live.spec.partition("_")[0])
    x = torch.from_numpy(fingerprint.image(1, 3, side or height, side or width))
    expected, theirs = compared(live, x)
    ours = vitdsl.convert(theirs, live.spec)
    model = vitdsl.build(live.spec, device="meta").double().eval()
    model.to_empty(device="cpu").load_state_dict(ours, assign=True)
    with torch.no_grad():
        found = model(x)
    assert found.dtype == expected.dtype == torch.float64
    assert found.shape == expected.shape
    largest = (found - expected).abs().max().item()
    print(f"{live}: largest difference {largest:.1e}")
    assert largest <= fingerprint.LIMIT * max(1.0, expected.abs().max().item())
    back = vitdsl.convert(ours, live.spec, to=live.layout)
    assert all(torch.equal(tensor, theirs[key]) for key, tensor in back.items())
    assert all(key in back or is_counter(key) for key in theirs)


def compared(live: Live, x: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
    """The package's logits, and the weights that users have; its model is gone by then."""
    model, state = filled_model(live)
    return logits(model, x), weights(live, model, state)


def test_every_table_of_a_package_is_compared_by_default() -> None:
    tables = {(live.package, tables_for(live.spec)[live.layout].name) for live in LIVE}
    default = [live for live in LIVE if live.spec in DEFAULT[live.package]]
    assert {(live.package, tables_for(live.spec)[live.layout].name) for live in default} == tables
    assert len(default) == sum(map(len, DEFAULT.values()))
