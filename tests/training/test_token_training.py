"""A small LV-ViT learns digits from the labels of a teacher, from labels to weights, as a user would do it."""

from __future__ import annotations

import pytest

import vitdsl
from tests.training.pictures import spec_of
from vitdsl.training.label import label, labeller_of
from vitdsl.training.recipe import load_recipe
from vitdsl.training.run import train

SMALL = {
    "input": {"size": 16, "channels": 1, "mean": "half", "std": "half", "crop": 1.0}, "classes": 10,
    "vars.channels": 24, "vars.layers": 1, "vars.heads": 2,
    "stages[0].tokenizer": {"type": "conv_stem", "channels": [8, 24], "kernel": [3, 4], "stride": [1, 4],
                            "norm": "batch", "activation": "relu", "last": "plain"},
}  # fmt: skip


@pytest.mark.usefixtures("one_thread")
def test_two_epochs_with_labels_of_tokens_lower_the_loss(tmp_path):
    teacher = labeller_of(vitdsl.build(spec_of(10, 1)).eval())
    label(teacher, "digits", tmp_path / "labels.safetensors", batch=400)
    text = (
        "extends: digits_token_labels\nlosses: {tokens: {file: labels.safetensors}}\nepochs: 2\nschedule: {warmup: 0}\n"
    )
    (tmp_path / "r.yaml").write_text(text)
    spec = vitdsl.load("lvvit_t", SMALL)
    found = train(spec, load_recipe(tmp_path / "r.yaml"), tmp_path / "with")
    without = train(spec, load_recipe(tmp_path / "r.yaml", {"losses.tokens.file": None}), tmp_path / "without")
    for history in (found.history, without.history):
        assert len(history) == 2
        assert history[1]["tokens"] < history[0]["tokens"]
    assert found.history[0]["loss"] != without.history[0]["loss"]
    assert (tmp_path / "with" / "best.safetensors").is_file()
