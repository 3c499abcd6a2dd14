"""What evaluation counts, and what follows from the counts."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from vitdsl.training.loading import Batch


@torch.no_grad()
def count_right(model: Any, batch: Batch) -> Tensor:
    """Of a batch: images, those that are right, those right among the best five, and the sum of their losses; (4,).

    Logits that are not finite are wrong, and such a loss is infinite.
    """
    logits_bk = model(batch.images).double()
    logits_bk, labels_b = logits_bk[batch.valid], batch.labels[batch.valid]
    best_bn = logits_bk.topk(min(5, logits_bk.shape[1]), dim=1).indices
    right_bn = (best_bn == labels_b[:, None]) & logits_bk.isfinite().all(1, keepdim=True)
    loss = cross_entropy(logits_bk, labels_b, reduction="sum")
    loss = torch.where(loss.isfinite(), loss, torch.inf)
    count = torch.tensor(float(len(labels_b)), dtype=torch.float64, device=loss.device)
    return torch.stack([count, right_bn[:, 0].sum().double(), right_bn.sum().double(), loss])


def measures_of(counts: Tensor) -> dict[str, float]:
    """Accuracy, accuracy among the best five, and mean cross-entropy, of what `count_right` counts."""
    images, right, right5, loss = counts.tolist()
    images = max(images, 1.0)
    return {"accuracy": right / images, "accuracy_5": right5 / images, "evaluation_loss": loss / images}
