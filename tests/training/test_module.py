"""Steps of a training: averages, clipping, what checkpoints hold, and what evaluation leaves behind."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from lightning.pytorch.callbacks import Callback

from tests.training.small_runs import PLAIN, SPEC, WITH_BATCH_NORM, flat, recipe_of, run, spec_of, weights
from vitdsl.training.checkpoints import read_checkpoint

pytestmark = pytest.mark.usefixtures("one_thread")


class Follows(Callback):
    """Computes the average beside the training, and compares it after each step."""

    def __init__(self, decay: float, warmup: bool = False) -> None:
        self.decay, self.warmup, self.steps, self.wanted = decay, warmup, 0, {}

    def on_train_batch_end(self, trainer: Any, pl_module: Any, *more: Any) -> None:
        if self.wanted:  # callbacks are told before the module moves its average: this is that of the step before
            self.compare(pl_module.average.module.state_dict())
        state = {key: value.clone() for key, value in pl_module.model.state_dict().items()}
        decay = min(self.decay, (1 + self.steps) / (10 + self.steps)) if self.warmup else self.decay
        for key, value in state.items():
            moved = self.steps and value.is_floating_point()
            self.wanted[key] = decay * self.wanted[key] + (1 - decay) * value if moved else value
        self.steps += 1

    def compare(self, found: dict[str, torch.Tensor]) -> None:
        assert found.keys() == self.wanted.keys()
        for key, value in found.items():
            torch.testing.assert_close(value, self.wanted[key], msg=key)


@pytest.mark.parametrize("warmup", [False, True])
def test_the_average_is_that_of_the_equation(tmp_path, digits, warmup):
    follows = Follows(0.9, warmup)
    average = {"decay": 0.9, "warmup": warmup}
    run(tmp_path, digits, spec_of(WITH_BATCH_NORM), recipe_of(average=average), callbacks=(follows,))
    assert follows.steps == 10
    follows.compare(weights(tmp_path, "average"))
    last = weights(tmp_path, "last")
    assert not all(torch.equal(value, last[key]) for key, value in follows.wanted.items())


def test_the_average_is_evaluated(tmp_path, digits):
    import vitdsl
    from vitdsl.training.evaluation import evaluate

    entry = run(tmp_path, digits, spec_of(WITH_BATCH_NORM)).history[-1]
    for name, prefix in (("last", ""), ("average", "average_")):
        model = vitdsl.build(spec_of(WITH_BATCH_NORM))
        vitdsl.load_weights(model, tmp_path / f"{name}.safetensors")
        found = evaluate(model, digits, device="cpu")
        for measure in ("accuracy", "accuracy_5", "evaluation_loss"):
            assert found[measure] == pytest.approx(entry[prefix + measure], rel=1e-6)


def test_without_an_average(tmp_path, digits):
    history = run(tmp_path, digits, recipe=recipe_of(average=None)).history
    assert not [name for name in history[-1] if name.startswith("average")]
    assert not (tmp_path / "average.safetensors").exists()
    assert not [key for key in read_checkpoint(tmp_path / "last.ckpt")["state_dict"] if "average" in key]


def test_an_average_of_parts_moves_with_each_step(tmp_path, digits):
    class Counts(Callback):
        found = 0

        def on_train_end(self, trainer: Any, pl_module: Any) -> None:
            self.found = int(pl_module.average.n_averaged)

    from tests.training.small_runs import CPU

    counts = Counts()
    run(tmp_path, digits, hardware=CPU._replace(accumulate=2), callbacks=(counts,))
    assert counts.found == 10


# ---------------------------------------------------------------- gradients


class Norms(Callback):
    """Notes what the optimizer gets."""

    def __init__(self) -> None:
        self.norms: list[float] = []
        self.largest: list[float] = []

    def on_before_zero_grad(self, trainer: Any, pl_module: Any, optimizer: Any) -> None:
        grads = [p.grad for p in pl_module.model.parameters() if p.grad is not None]
        if grads:
            self.norms.append(float(torch.stack([grad.norm() for grad in grads]).norm()))
            self.largest.append(max(float(grad.abs().max()) for grad in grads))


@pytest.mark.parametrize(
    ("edits", "norm", "value"),
    [({"clip": 0.01}, 0.01, 1), ({"clip": 1e-3, "clip_by": "value"}, 100, 1e-3), ({"clip": None}, 100, 100)],
)
def test_gradients_are_clipped(tmp_path, digits, edits, norm, value):
    norms = Norms()
    run(tmp_path, digits, recipe=recipe_of(epochs=1, schedule={}, **edits), callbacks=(norms,))
    assert len(norms.norms) >= 4
    assert max(norms.norms) <= norm * 1.001
    assert max(norms.largest) <= value * 1.001
    assert min(norms.norms) > 0


class Ratios(Callback):
    """Notes the largest norm of a row of a gradient, in norms of the row of its weights."""

    def __init__(self) -> None:
        self.found: list[float] = []

    def on_before_zero_grad(self, trainer: Any, pl_module: Any, optimizer: Any) -> None:
        for parameter in pl_module.model.parameters():
            if parameter.ndim == 2 and parameter.grad is not None:
                norms = [each.norm(dim=1) for each in (parameter.grad, parameter.detach())]
                self.found.append(float((norms[0] / norms[1].clamp(min=1e-3)).max()))


def test_gradients_are_clipped_by_the_norm_of_weights(tmp_path, digits):
    ratios = Ratios()
    recipe = recipe_of(clip=1e-4, clip_by="agc", optimizer={"type": "sgd", "learning_rate": 1e-12})
    run(tmp_path, digits, recipe=recipe, callbacks=(ratios,))
    assert 0.99e-4 < max(ratios.found) < 1.01e-4


# ---------------------------------------------------------------- what is drawn, kept and left


def test_images_are_mixed_for_some_epochs(tmp_path, digits):
    """Without mixing after the first epoch, the second one has other losses."""
    losses = [
        [entry["loss"] for entry in run(tmp_path / str(until), digits, recipe=recipe_of(mix_epochs=until)).history]
        for until in (1, 2)
    ]
    assert losses[0][0] == losses[1][0]
    assert losses[0][1] != losses[1][1]


def test_global_random_states_decide_nothing_and_stay(tmp_path, digits):
    from tests.training.states import random_states, seed_all

    seed_all(3)
    before = random_states()
    run(tmp_path, digits)
    assert random_states() == before


def test_a_checkpoint_holds_what_a_training_goes_on_with(tmp_path, digits):
    result = run(tmp_path, digits)
    found = read_checkpoint(tmp_path / "last.ckpt")
    assert found["vitdsl"]["history"] == result.history
    assert found["vitdsl"]["seconds"] == result.history[-1]["seconds"]
    assert found["state_dict"]["average.n_averaged"] == 10
    assert {key.split(".")[0] for key in found["state_dict"]} == {"model", "average"}
    steps = {int(value) for key, value in flat(found["optimizer_states"]).items() if key.endswith("/step")}
    assert steps == {10}


def test_evaluation_keeps_nothing_that_losses_read(tmp_path, digits):
    """Values at points are noted while losses are computed, and not of a whole data set that is evaluated."""

    class Looks(Callback):
        most = 0

        def on_validation_batch_end(self, trainer: Any, pl_module: Any, *more: Any) -> None:
            self.most = max(self.most, len(pl_module.objective._values or ()))

    looks = Looks()
    losses = {"labels": "cross_entropy", "patches": {"type": "patch_cosine", "point": "out"}}
    spec = spec_of(SPEC.replace("{mlp: {ratio: 1}}", "{mlp: {ratio: 1}}, {point: out}"))
    result = run(tmp_path, digits, spec, recipe_of(**PLAIN, losses=losses), callbacks=(looks,))
    assert looks.most == 0
    assert {"labels", "patches"} <= result.history[0].keys()
    assert result.history[0]["loss"] == pytest.approx(result.history[0]["labels"] + result.history[0]["patches"])
