"""Short training: it learns, the same seed gives the same numbers, and it goes on bit by bit."""

import math
from pathlib import Path

import pytest
import torch

from tests.search.trainings import RULE, SPEC, trained
from vitdsl.errors import SpecError
from vitdsl.search import training
from vitdsl.search.candidate import Candidate
from vitdsl.search.data import load_data
from vitdsl.search.evaluation import read_evaluation
from vitdsl.search.training import Run, per_token
from vitdsl.space.space import Space
from vitdsl.spec import load

pytestmark = pytest.mark.usefixtures("one_thread")


def equal(first, second):
    return first.keys() == second.keys() and all(torch.equal(first[key], second[key]) for key in first)


def test_training_learns_and_depends_on_its_seed_alone():
    first, second, other = Candidate(load(SPEC)), Candidate(load(SPEC)), Candidate(load(SPEC), seed=1)
    found = trained(first, epochs=5)
    torch.rand(3)
    again = trained(second, epochs=5)
    different = trained(other, epochs=5)
    assert found["accuracy"] > 0.5  # a tenth of the digits are alike
    assert math.isclose(found["accuracy"] * 450 % 1, 0, abs_tol=1e-9)
    assert {**again, "seconds": 0} == {**found, "seconds": 0}
    assert equal(first.model.state_dict(), second.model.state_dict())
    assert different["loss"] != found["loss"]
    assert not first.model.training


def test_draws_elsewhere_go_on_as_if_nothing_was_trained():
    torch.manual_seed(3)
    wanted = torch.rand(4)
    torch.manual_seed(3)
    trained(Candidate(load(SPEC)), epochs=1)
    assert torch.equal(torch.rand(4), wanted)


def test_two_then_four_epochs_are_four_epochs(tmp_path):
    whole, parts = Candidate(load(SPEC), folder=tmp_path / "whole"), Candidate(load(SPEC), folder=tmp_path / "parts")
    wanted = trained(whole, epochs=4)
    trained(parts, epochs=2, schedule=4)
    later = Candidate(load(SPEC), folder=tmp_path / "parts")
    found = trained(later, epochs=4)
    assert {**found, "seconds": 0} == {**wanted, "seconds": 0}
    assert equal(later.model.state_dict(), whole.model.state_dict())
    (last,) = (tmp_path / "whole").iterdir()
    one, other = (torch.load(tmp_path / folder / last.name, weights_only=True) for folder in ("whole", "parts"))
    assert equal(one["model"], other["model"])
    assert one["optimizer"]["param_groups"] == other["optimizer"]["param_groups"]
    states = one["optimizer"]["state"], other["optimizer"]["state"]
    assert states[0].keys() == states[1].keys()
    assert all(equal(states[0][index], states[1][index]) for index in states[0])
    assert other["seconds"] == found["seconds"]


@pytest.mark.full
@pytest.mark.parametrize(
    "block", ["global", "windowed", "lowrank", "depthwise", "projected", "leff", "convolution"],
)  # fmt: skip
def test_every_block_of_the_digits_goes_on_bit_by_bit(block, tmp_path):
    space = Space("digits")
    samples = (space.sample(seed) for seed in range(200))
    spec = next(sample for sample in samples if sample.decisions["stages[0].block"] == block)
    whole, parts = Candidate(spec), Candidate(spec, folder=tmp_path)
    wanted = trained(whole, epochs=3)
    trained(parts, epochs=1, schedule=3)
    found = trained(Candidate(spec, folder=tmp_path), epochs=3)
    assert {**found, "seconds": 0} == {**wanted, "seconds": 0}


def test_a_rung_that_was_done_is_not_trained_again(tmp_path, monkeypatch):
    done = trained(Candidate(load(SPEC), folder=tmp_path), epochs=2, schedule=3)
    trained(Candidate(load(SPEC), folder=tmp_path), epochs=3)
    monkeypatch.setattr(Run, "epoch", lambda *_: pytest.fail("it was trained again"))
    assert trained(Candidate(load(SPEC), folder=tmp_path), epochs=2, schedule=3) == done


def test_a_candidate_that_is_tried_again_has_its_trained_model(tmp_path, monkeypatch):
    first = Candidate(load(SPEC), folder=tmp_path)
    trained(first, epochs=1)
    again = Candidate(load(SPEC), folder=tmp_path)
    monkeypatch.setattr(Run, "epoch", lambda *_: pytest.fail("it was trained again"))
    read_evaluation({**RULE, "epochs": 1}).restore(again)
    assert equal(again.model.state_dict(), first.model.state_dict())
    assert not again.model.training
    assert not equal(again.build().state_dict(), first.model.state_dict())


@pytest.mark.parametrize("changed", [{"batch": 64}, {"schedule": 3}, {"label_smoothing": 0.0}])
def test_a_training_by_another_rule_begins_anew(tmp_path, changed):
    trained(Candidate(load(SPEC), folder=tmp_path), epochs=1, schedule=2)
    fresh = trained(Candidate(load(SPEC)), epochs=2, **changed)
    assert trained(Candidate(load(SPEC), folder=tmp_path), epochs=2, **changed)["loss"] == fresh["loss"]


def test_another_seed_begins_anew(tmp_path):
    trained(Candidate(load(SPEC), folder=tmp_path), epochs=1)
    fresh = trained(Candidate(load(SPEC), seed=1), epochs=1)
    assert trained(Candidate(load(SPEC), seed=1, folder=tmp_path), epochs=1)["loss"] == fresh["loss"]


def test_long_rungs_are_saved_on_the_way(tmp_path, monkeypatch):
    monkeypatch.setattr(training, "SAVE_EVERY", 0.0)
    one_epoch = Run.epoch

    def killed(run, data):
        if run.epochs == 2:
            raise KeyboardInterrupt
        one_epoch(run, data)

    with monkeypatch.context() as patch:
        patch.setattr(Run, "epoch", killed)
        with pytest.raises(KeyboardInterrupt):
            trained(Candidate(load(SPEC), folder=tmp_path), epochs=3)
    begun = []
    monkeypatch.setattr(Run, "epoch", lambda run, data: (begun.append(run.epochs), one_epoch(run, data)))
    retried = trained(Candidate(load(SPEC), folder=tmp_path), epochs=3)
    assert begun == [2]
    monkeypatch.setattr(Run, "epoch", one_epoch)
    assert retried["loss"] == trained(Candidate(load(SPEC)), epochs=3)["loss"]
    assert len(list(tmp_path.iterdir())) == 1


def test_the_learning_rate_rises_and_falls():
    run = Run(Candidate(load(SPEC)), read_evaluation({**RULE, "epochs": 10, "warmup": 0.2}))
    rates = [run.rate(step, 100) for step in range(100)]
    assert rates[:20] == pytest.approx([0.02 * (step + 1) / 20 for step in range(20)], rel=1e-12)
    assert rates[20] == 0.02
    assert rates[60] == pytest.approx(0.01, rel=1e-12)
    assert rates[19:] == sorted(rates[19:], reverse=True)
    assert 0 < rates[-1] < 1e-4


def test_vectors_do_not_decay():
    run = Run(Candidate(load(SPEC)), read_evaluation({**RULE, "epochs": 1}))
    decay = {id(p): group["weight_decay"] for group in run.optimizer.param_groups for p in group["params"]}
    assert {name: decay[id(p)] for name, p in run.model.named_parameters()} == {
        name: 0.05 if p.ndim > 1 else 0.0 for name, p in run.model.named_parameters()
    }
    assert set(decay.values()) == {0.0, 0.05}


def test_every_output_is_trained():
    text = SPEC.replace(
        "head: {pool: mean}",
        "head: {outputs: {one: [{pool: mean}, classifier], two: [{pool: max}, classifier]}, merge: mean}",
    )
    run = Run(Candidate(load(text)), read_evaluation({**RULE, "epochs": 1}))
    data = load_data("digits", run.candidate.spec).train
    before = {name: p.detach().clone() for name, p in run.model.named_parameters()}
    run.epoch(data)
    moved = [name for name, p in run.model.named_parameters() if not torch.equal(p, before[name])]
    assert set(moved) == set(before)
    assert set(run.evaluate(data)) == {"accuracy", "loss"}


def test_tokens_and_maps_train_on_the_label_of_their_image():
    labels = torch.tensor([3, 1])
    rows, repeated = per_token(torch.arange(24.0).reshape(2, 3, 4), labels)
    assert torch.equal(rows, torch.arange(24.0).reshape(6, 4))
    assert repeated.tolist() == [3, 3, 3, 1, 1, 1]
    rows, repeated = per_token(torch.arange(16.0).reshape(2, 4, 1, 2), labels)
    assert rows.tolist() == [[0, 2, 4, 6], [1, 3, 5, 7], [8, 10, 12, 14], [9, 11, 13, 15]]
    assert repeated.tolist() == [3, 3, 1, 1]


def test_training_that_diverges_is_wrong_about_everything(tmp_path):
    found = trained(Candidate(load(SPEC), folder=tmp_path), epochs=3, learning_rate=1e30, warmup=0.0)
    assert found["accuracy"] == 0.0
    assert found["loss"] == math.inf
    assert not list(tmp_path.iterdir())


def test_a_head_that_gives_a_map_is_refused():
    text = SPEC.replace("head: {pool: mean}", "head: [classifier]")
    with pytest.raises(SpecError, match="one row of logits is needed"):
        trained(Candidate(load(text)), epochs=1)


def cut_off(path):
    path.write_bytes(path.read_bytes()[:-100])


def of_text(path):
    path.write_text("no weights")


def edit(path, change):
    state = torch.load(path, weights_only=True)
    change(state)
    torch.save(state, path)


def with_nan(path):
    edit(path, lambda state: state["model"]["head.classifier.bias"].fill_(math.nan))


def with_nan_in_the_optimizer(path):
    edit(path, lambda state: state["optimizer"]["state"][0]["exp_avg"].fill_(math.nan))


def without_a_tensor(path):
    edit(path, lambda state: state["model"].pop("head.classifier.bias"))


def of_another_shape(path):
    def change(state):
        moments = state["optimizer"]["state"][0]
        moments["exp_avg"] = moments["exp_avg"][:-1]

    edit(path, change)


def of_weights_alone(path):
    torch.save(torch.load(path, weights_only=True)["model"], path)


def with_an_object(path):
    edit(path, lambda state: state.update(seconds=Path("1")))


def of_another_training(path):
    edit(path, lambda state: state.update(identity="another"))


def of_no_time(path):
    edit(path, lambda state: state.update(seconds=math.nan))


SPOILED = [
    cut_off, of_text, with_nan, with_nan_in_the_optimizer, without_a_tensor, of_another_shape, of_weights_alone,
    with_an_object, of_another_training, of_no_time,
]  # fmt: skip


@pytest.mark.parametrize("spoil", SPOILED)
def test_a_spoiled_checkpoint_is_not_gone_on_from(tmp_path, spoil):
    candidate = Candidate(load(SPEC), folder=tmp_path)
    trained(candidate, epochs=1, schedule=3)
    expected = trained(candidate, epochs=2, schedule=3)
    *_, second = sorted(tmp_path.iterdir())
    spoil(second)
    with pytest.warns(UserWarning, match=rf"{second.name}.* It is not used"):
        found = trained(Candidate(load(SPEC), folder=tmp_path), epochs=2, schedule=3)
    assert {**found, "seconds": 0} == {**expected, "seconds": 0}
    assert trained(Candidate(load(SPEC), folder=tmp_path), epochs=2, schedule=3) == found
