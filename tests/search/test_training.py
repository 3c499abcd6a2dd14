"""Short training: it learns, the same seed gives the same numbers, and it goes on bit by bit."""

import json
import math
from pathlib import Path

import pytest
import torch
from PIL import Image

from vitdsl.errors import Refusal, SpecError
from vitdsl.search import training
from vitdsl.search.candidate import Candidate
from vitdsl.search.data import load_data
from vitdsl.search.evaluation import read_evaluation, with_defaults
from vitdsl.search.training import Run, identity, per_token
from vitdsl.space.space import Space
from vitdsl.spec import load

SPEC = """
input: {size: 8, channels: 1, mean: [0.5], std: [0.5], crop: 1.0}
classes: 10
stages:
  - tokenizer: {type: patch, size: 2, dim: 16}
    body:
      - {conv: {kernel: 3, norm: batch}, drop_path: 0.2}
      - {mlp: {ratio: 1}}
    norm: layer
head: {pool: mean}
"""
RULE = {"type": "train", "batch": 128, "learning_rate": 0.02}


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def trained(candidate, **fields):
    return read_evaluation({**RULE, **fields}).measure(candidate)


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


def test_the_digits_are_split_by_class_and_shaped_as_the_spec_says():
    data = load_data("digits", load(SPEC))
    assert data.train.images.shape == (1347, 1, 8, 8)
    assert data.validation.images.shape == (450, 1, 8, 8)
    counts = torch.bincount(torch.cat([data.train.labels, data.validation.labels]))
    assert counts.tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    shares = torch.bincount(data.validation.labels) / counts
    assert (shares - 0.25).abs().max() < 0.005
    assert data.train.images.min() == -1
    assert data.train.images.max() == 1
    colour = load(SPEC, set={"input.size": 12, "input.channels": 3, "input.mean": "half", "input.std": "half"})
    images = load_data("digits", colour).train.images
    assert images.shape == (1347, 3, 12, 12)
    assert torch.equal(images[:, 0], images[:, 2])


def test_a_folder_of_classes_is_a_data_set(tmp_path):
    for name, grey in (("dark", 20), ("light", 230)):
        (tmp_path / name).mkdir()
        for index in range(16):
            Image.new("RGB", (10, 9), (grey + index, grey, grey)).save(tmp_path / name / f"{index}.png")
    spec = load(SPEC, set={"classes": 2})
    assert trained(Candidate(spec), data=str(tmp_path), epochs=12, batch=6)["accuracy"] == 1.0
    assert load_data(str(tmp_path), spec).validation.labels.bincount().tolist() == [4, 4]
    with pytest.raises(SpecError, match="has 2 classes, but the spec has 10"):
        trained(Candidate(load(SPEC)), data=str(tmp_path), epochs=1)
    for part in ("train", "val"):
        (tmp_path / "parted" / part).mkdir(parents=True)
        for name in ("dark", "light"):
            (tmp_path / name).rename(tmp_path / "parted" / part / name) if part == "train" else None
    for name in ("dark", "light"):
        (tmp_path / "parted" / "val" / name).mkdir()
        (tmp_path / "parted" / "train" / name / "0.png").rename(tmp_path / "parted" / "val" / name / "0.png")
    given = load_data(str(tmp_path / "parted"), spec)
    assert (len(given.train.labels), given.validation.labels.tolist()) == (30, [0, 1])


@pytest.mark.parametrize(
    ("changes", "said"),
    [({"classes": 1000}, "has 10 classes, but the spec has 1000"),
     ({"input.mean": "imagenet"}, "`mean` must have as many numbers as the image has channels .1., but has 3"),
     ({"input.channels": 2, "input.mean": "half", "input.std": "half"}, "a photo has 1, 3 or 4 channels")],
)  # fmt: skip
def test_what_cannot_be_trained_is_refused(changes, said):
    with pytest.raises(SpecError, match=said):
        trained(Candidate(load(SPEC, set=changes)), epochs=1)


def test_a_head_that_gives_a_map_is_refused():
    text = SPEC.replace("head: {pool: mean}", "head: [classifier]")
    with pytest.raises(SpecError, match="one row of logits is needed"):
        trained(Candidate(load(text)), epochs=1)


def test_a_data_set_too_large_for_memory_is_refused():
    with pytest.raises(SpecError, match=r"takes 6\.7 GiB at 1000x1000"):
        load_data("digits", load(SPEC, set={"input.size": 1000}))


def test_rungs_alike_share_a_schedule():
    rungs = with_defaults([read_evaluation({**RULE, **each}) for each in (
        {"epochs": 2}, {"epochs": 8}, {"epochs": 3, "batch": 16}, {"epochs": 1, "schedule": 5},
    )])  # fmt: skip
    assert [rung.length for rung in rungs] == [8, 8, 3, 5]


@pytest.mark.parametrize(
    ("fields", "at", "said"),
    [({"epochs": 3, "schedule": 2}, ("schedule",), "`schedule` must be at least `epochs` (3), but is 2"),
     ({"epochs": 0}, ("epochs",), "`epochs` must be at least 1, but is 0"),
     ({"epochs": 1, "validation": 1.0}, ("validation",), "`validation` must be less than 1, but is 1.0"),
     ({"epochs": 1, "learning_rate": 0}, ("learning_rate",), "`learning_rate` must be more than 0, but is 0")],
)  # fmt: skip
def test_fields_that_do_not_fit(fields, at, said):
    with pytest.raises(Refusal) as caught:
        read_evaluation({"type": "train", **fields})
    assert [(loc, message) for loc, message, _ in caught.value.items] == [(at, said)]


def test_the_identity_names_all_that_a_training_hangs_on():
    rule = read_evaluation({**RULE, "epochs": 2, "schedule": 9})
    said = json.loads(identity(Candidate(load(SPEC), seed=4), rule))
    assert said["schedule"] == 9
    assert said["seed"] == 4
    assert said["spec"] == load(SPEC).hash
    assert "epochs" not in said


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
