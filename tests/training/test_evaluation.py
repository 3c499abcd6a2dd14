"""How good weights are: the same whatever the batch, and who loads; what cannot be read is refused or counted."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import vitdsl
from tests.training.small_runs import WITH_BATCH_NORM, digits_in, spec_of
from vitdsl.errors import InputError, SpecError
from vitdsl.training.data import load_photos
from vitdsl.training.evaluation import evaluate
from vitdsl.training.loading import evaluation_loader


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return vitdsl.build(spec_of(WITH_BATCH_NORM))


@pytest.mark.parametrize(("batch", "workers"), [(1, 0), (7, 0), (64, 0), (7, 2)])
def test_beside_a_loop(model, digits, batch, workers):
    (whole,) = evaluation_loader(load_photos(digits).validation, model.spec, 30)
    with torch.no_grad():
        logits = model.eval()(whole.images)
    found = evaluate(model.train(), digits, batch=batch, device="cpu", workers=workers)
    assert not model.training
    assert found == {
        "accuracy": pytest.approx(float((logits.argmax(1) == whole.labels).double().mean())),
        "accuracy_5": pytest.approx(float((logits.topk(5).indices == whole.labels[:, None]).any(1).double().mean())),
        "evaluation_loss": pytest.approx(float(torch.nn.functional.cross_entropy(logits, whole.labels)), rel=1e-5),
        "images": 30,
    }


def test_photos_that_cannot_be_read(model, tmp_path):
    data = digits_in(tmp_path, each=1, held=2)
    (Path(data) / "val/4/01.png").write_bytes(b"no")
    with pytest.raises(InputError, match=r"01\.png cannot be read"):
        evaluate(model, data, device="cpu")
    found = evaluate(model, data, device="cpu", corrupt="skip")
    assert (found["images"], found["skipped"]) == (19, 1)
    assert found["accuracy"] * 19 == pytest.approx(round(found["accuracy"] * 19))


def test_refusals(model, digits):
    with pytest.raises(InputError, match="this machine has no device `abacus`"):
        evaluate(model, digits, device="abacus")
    with pytest.raises(SpecError, match="no data set"):
        evaluate(model, "nowhere")
