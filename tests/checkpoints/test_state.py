"""State dicts in what files hold: which one is meant, what wrappers put before its keys, what its tables are for."""

import pytest
import torch

from vitdsl.checkpoints.files import read_weights
from vitdsl.checkpoints.state import state_in, without_prefixes
from vitdsl.errors import CheckpointError


def message(function, *args, **options):
    with pytest.raises(CheckpointError) as caught:
        function(*args, **options)
    return str(caught.value)


@pytest.mark.parametrize("ending", [".pth", ".pt", ".bin", ".ckpt", ""])
@pytest.mark.parametrize(
    ("wrap", "container"),
    [
        (lambda state: state, None),
        (lambda state: {"model": state, "epoch": 3}, "model"),
        (lambda state: {"state_dict_ema": state, "metric": torch.tensor(0.8)}, "state_dict_ema"),
        (lambda state: {"state": {"model": {"weights": state}}}, "state.model.weights"),
        (lambda state: {"net": state, "optimizer": {"state": {0: {"exp_avg": torch.ones(1)}}}}, "net"),
        (
            lambda state: {"state_dict": state, "callbacks": {"best": {"score": torch.ones(1), "path": "x"}}},
            "state_dict",
        ),
    ],
)
def test_the_one_state_dict_of_a_file_is_found(tmp_path, ending, wrap, container):
    path = tmp_path / f"w{ending}"
    torch.save(wrap({"a.w": torch.ones(2), "module.b": torch.zeros(1)}), path)
    read = read_weights(path)
    assert read.container == container
    assert list(read.tensors) == ["a.w", "module.b"]


@pytest.mark.parametrize("wrap", range(4))
def test_prefixes_of_all_keys_are_cut_off_one_by_one(wrap):
    plain = {"a.w": torch.ones(2), "module.b": torch.zeros(1)}
    made = {
        0: {f"_orig_mod.module.{key}": value for key, value in plain.items()},
        1: {f"module._orig_mod.{key}": value for key, value in plain.items()},
        2: {"n_averaged": torch.tensor(3), **{f"module.model.{key}": value for key, value in plain.items()}},
        3: {f"model.{key}": value for key, value in plain.items()},
    }[wrap]
    *before, last = without_prefixes(made)
    assert last == plain
    assert before[0] == made
    assert len(before) == (1 if wrap == 3 else 2)


def test_a_prefix_of_some_keys_is_none():
    state = {"module.a": torch.ones(1), "b": torch.ones(1)}
    assert [*without_prefixes(state)] == [state]
    assert [*without_prefixes({})] == []


def test_two_containers_are_not_guessed_between(tmp_path):
    path = tmp_path / "w.pth"
    state = {"a": torch.ones(1)}
    torch.save({"state_dict": state, "deep": {"ema": {"a": torch.zeros(1)}}, "dotted.name": state}, path)
    assert message(read_weights, path) == (
        f"{path}: it holds `state_dict` (1 tensors) and `deep.ema` (1 tensors) and `dotted.name` (1 tensors), which "
        "may differ; say which with `container`, or `--container`. [E704]"
    )
    assert read_weights(path, container="deep.ema").tensors["a"] == 0
    assert read_weights(path, container="dotted.name").tensors["a"] == 1
    for wrong in ("model", "deep.model", "state_dict.a.b"):
        assert "there is no `" in message(read_weights, path, container=wrong)


def test_a_container_may_be_what_some_keys_begin_with(tmp_path):
    torch.save({"model.a": torch.ones(1), "ema.a": torch.zeros(1), "loss.b": torch.ones(1)}, tmp_path / "w.ckpt")
    assert dict(read_weights(tmp_path / "w.ckpt", container="ema").tensors) == {"a": torch.zeros(1)}


def test_mappings_that_hold_themselves_come_to_an_end():
    loop: dict = {"epoch": 3}
    loop |= {f"key{i}": loop for i in range(1000)}
    with pytest.raises(CheckpointError, match=r"^it: there is no state dict in it; found `epoch`, `key0`"):
        state_in(loop, None, "it")


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ([1], "expected a state dict, found list."),
        ({}, "a state dict holds tensors alone; found none."),
        ({"a": torch.ones(1), "epoch": 3}, "a state dict holds tensors alone; found `epoch`, which hold none."),
        ({"model": dict.fromkeys("abcdefg", 1)}, "there is no state dict in it; found `model`."),
        ({"a": torch.ones(1, device="meta")}, "`a` is a meta, sparse or quantized tensor: it has no plain numbers."),
        ({"a": torch.eye(2).to_sparse()}, "`a` is a meta, sparse or quantized tensor: it has no plain numbers."),
    ],
)
def test_other_contents(tmp_path, values, found):
    torch.save(values, tmp_path / "w.pth")
    assert message(read_weights, tmp_path / "w.pth") == f"{tmp_path / 'w.pth'}: {found} [E703]"


def test_a_container_that_is_none(tmp_path):
    path = tmp_path / "w.pth"
    torch.save({"epoch": 3}, path)
    assert message(read_weights, path, container="epoch") == f"{path}: expected a state dict, found int. [E703]"
