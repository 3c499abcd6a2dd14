"""Bytes that live at one time, against counts by hand."""

import torch
from torch import nn

from vitdsl.search.evaluation.measuring import LiveBytes, peak_bytes

# ---------------------------------------------------------------- memory


def test_live_bytes_are_counted_by_hand():
    x = torch.zeros(1000)
    counter = LiveBytes([x, x[:10]])
    assert counter.now == 4000
    with counter:
        y = x + 1
        z = y.view(10, 100)
        assert counter.now == 8000
        del y
        assert counter.now == 8000  # `z` is the same memory
        w = z.double()
        assert counter.now == 16000
        del z, w
        x += 1
    assert counter.now == 4000
    assert counter.peak == 16000


def test_peak_of_two_layers():
    model = nn.Sequential(nn.Linear(100, 300, bias=False), nn.ReLU(), nn.Linear(300, 10, bias=False))
    images = torch.zeros(4, 100)
    weights, entering = 4 * (30_000 + 3_000), 4 * 400
    # both sides of the ReLU live while it runs
    assert peak_bytes(model, images, training=False) == weights + entering + 2 * 4 * 1200
    assert not model.training
    # the ReLU's output is kept for the backward pass; the large matrix's gradient comes last, beside its factors
    trained = peak_bytes(model, images, training=True)
    assert trained >= weights + entering + weights
    assert trained <= weights + entering + weights + 3 * 4 * 1200 + 4 * 100
