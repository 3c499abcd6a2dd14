"""What evaluation counts, beside scikit-learn, and of logits that are not finite."""

from __future__ import annotations

import math

import pytest
import torch
from sklearn.metrics import log_loss, top_k_accuracy_score

from vitdsl.training.loading import Batch
from vitdsl.training.measures import count_right, measures_of


def batch_of(labels, valid=None):
    labels = torch.as_tensor(labels)
    count = len(labels)
    valid = torch.ones(count, dtype=torch.bool) if valid is None else torch.as_tensor(valid)
    zeros, none = torch.zeros(count, 4), torch.zeros(0, dtype=torch.int64)
    return Batch(torch.arange(count), labels, torch.arange(count), zeros, zeros[:, :2], valid, none)


def test_beside_scikit_learn():
    logits = torch.randn(200, 8, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(200) % 8
    found = measures_of(count_right(lambda images: logits[images], batch_of(labels)))
    probabilities = logits.double().softmax(1).numpy()
    assert found == {
        "accuracy": pytest.approx(top_k_accuracy_score(labels, logits, k=1)),
        "accuracy_5": pytest.approx(top_k_accuracy_score(labels, logits, k=5)),
        "evaluation_loss": pytest.approx(log_loss(labels, probabilities)),
    }


def test_parts_add_up():
    logits = torch.randn(10, 3, generator=torch.Generator().manual_seed(1))
    labels = torch.arange(10) % 3
    whole = count_right(lambda images: logits[images], batch_of(labels))
    parts = [count_right(lambda images, r=r: logits[r][images], batch_of(labels[r])) for r in (slice(4), slice(4, 10))]
    torch.testing.assert_close(sum(parts), whole)
    assert measures_of(whole)["accuracy_5"] == 1.0


def test_padding_does_not_count():
    logits = torch.eye(3)
    counts = count_right(lambda images: logits[images], batch_of([0, 1, 0], [True, True, False]))
    assert counts.tolist()[:3] == [2, 2, 2]
    nothing = count_right(lambda images: logits[images], batch_of([0, 1, 0], [False] * 3))
    assert nothing.tolist() == [0, 0, 0, 0]
    assert measures_of(nothing) == {"accuracy": 0, "accuracy_5": 0, "evaluation_loss": 0}


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_is_wrong(value):
    logits = torch.full((2, 3), value)
    logits[1] = torch.tensor([3.0, 0.0, 0.0])
    counts = count_right(lambda images: logits[images], batch_of([0, 0]))
    assert counts.tolist() == [2, 1, 1, math.inf]
