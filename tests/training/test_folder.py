"""Which training a folder holds, and what differs from the one that is asked for."""

from __future__ import annotations

import json

import pytest
import torch

from tests.training.small_runs import SPEC, recipe_of, spec_of
from vitdsl import __version__
from vitdsl.training.checkpoints import WholeFiles
from vitdsl.training.errors import TrainingError
from vitdsl.training.folder import CHECKPOINT, IDENTITY, Kept, begin, identity_of, kept_in

DRAFT = f".{'0123456789abcdef' * 2}.ckpt"
HISTORY = [{"epoch": 1.0, "accuracy": 0.5}]


@pytest.fixture
def kept(tmp_path):
    """A folder with a training of one epoch."""
    begin(tmp_path, identity_of(spec_of(), recipe_of(), "digits"), spec_of(), recipe_of())
    WholeFiles().save_checkpoint({"vitdsl": {"history": HISTORY}}, tmp_path / CHECKPOINT)
    return tmp_path


def found(folder, spec=None, data="digits", **edits):
    return kept_in(folder, identity_of(spec or spec_of(), recipe_of(**edits), data))


def test_new_folders(tmp_path):
    assert found(tmp_path / "new") == found(tmp_path) == Kept([], None, ())
    assert not (tmp_path / "new").exists()
    (tmp_path / DRAFT).touch()
    assert found(tmp_path) == Kept([], None, ())


def test_the_same_training(kept):
    assert found(kept) == Kept(HISTORY, kept / CHECKPOINT, ())
    assert found(kept, spec_of(name="otherwise")).history == HISTORY
    assert found(kept, name="otherwise").history == HISTORY


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"seed": 3}, "`seed` is not given there, and 3 here"),
        ({"optimizer": {"learning_rate": 0.1}}, "`optimizer.learning_rate` is 0.01 there, and 0.1 here"),
        ({"data": "cifar10:x"}, '`data` is "digits" there, and "cifar10:x" here'),
        ({"spec": spec_of(SPEC.replace("heads: 2", "heads: 4"))}, "the spec is not that of `spec.yaml` there"),
        ({"batch": 8, "epochs": 3, "seed": 1, "clip": 2.0}, r"epochs.*batch.*clip.*; and 1 more"),
    ],
)
def test_another_training(kept, options, words):
    with pytest.raises(TrainingError, match=f"holds another training: .*{words}[\\s\\S]*another folder"):
        found(kept, **options)


def test_a_training_that_learned_nothing_is_replaced(kept):
    (kept / CHECKPOINT).unlink()
    assert found(kept, seed=3) == Kept([], None, ())
    (kept / "last.safetensors").touch()
    with pytest.raises(TrainingError, match="another training"):
        found(kept, seed=3)
    assert found(kept) == Kept([], None, ())


def test_another_version(kept):
    before = json.loads((kept / IDENTITY).read_text())
    (kept / IDENTITY).write_text(json.dumps({**before, "vitdsl": "0.0.7"}))
    history, checkpoint, notes = found(kept)
    assert (history, checkpoint) == (HISTORY, kept / CHECKPOINT)
    assert notes == (f"this training was begun with vitdsl 0.0.7, and this is {__version__}",)


@pytest.mark.parametrize("text", ["{", "[]", "7", '{"mine": 1}', "\x00"])
def test_a_damaged_identity(kept, text):
    (kept / IDENTITY).write_text(text)
    with pytest.raises(TrainingError, match=r"run\.json is damaged"):
        found(kept)


def test_a_file_that_a_recipe_names_is_another_one(tmp_path):
    """The recipe says the same, but the teacher has other weights."""
    loss = {"type": "distillation", "teacher": "t.yaml", "teacher_weights": str(tmp_path / "w"), "output": "dist"}
    recipe, folder = recipe_of(losses={"teacher": loss}), tmp_path / "run"
    (tmp_path / "w").write_bytes(bytes(3 << 20))
    begin(folder, identity_of(spec_of(), recipe, "digits"), spec_of(), recipe)
    WholeFiles().save_checkpoint({"vitdsl": {"history": []}}, folder / CHECKPOINT)
    assert kept_in(folder, identity_of(spec_of(), recipe, "digits")).checkpoint is not None
    for place in (0, -1):
        content = bytearray(3 << 20)
        content[place] = 1
        (tmp_path / "w").write_bytes(content)
        with pytest.raises(TrainingError, match=r"the file `losses\.teacher\.teacher_weights` is another one there"):
            kept_in(folder, identity_of(spec_of(), recipe, "digits"))


def test_something_else(tmp_path):
    (tmp_path / "letter.txt").write_text("Dear Sir")
    with pytest.raises(TrainingError, match="something else than a training"):
        found(tmp_path)
    with pytest.raises(TrainingError, match="is a file"):
        found(tmp_path / "letter.txt")


def test_drafts_are_removed(tmp_path):
    for name in (DRAFT, ".tmptBmtx5", ".hidden", ".0123.ckpt"):
        (tmp_path / name).touch()
    begin(tmp_path, identity_of(spec_of(), recipe_of(), "digits"), spec_of(), recipe_of())
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {".hidden", ".0123.ckpt", "run.json", "spec.yaml", "recipe.yaml"}


def test_a_kill_while_it_begins(tmp_path, monkeypatch):
    """Whatever is written already, the same training begins again."""
    from vitdsl.training import folder

    identity, write, left = identity_of(spec_of(), recipe_of(), "digits"), folder.write_text, [0]

    def some(path, text):
        left[0] -= 1
        if left[0] < 0:
            raise KeyboardInterrupt
        write(path, text)

    for count in range(3):
        left[0] = count
        with monkeypatch.context() as patch:
            patch.setattr(folder, "write_text", some)
            with pytest.raises(KeyboardInterrupt):
                begin(tmp_path, identity, spec_of(), recipe_of())
        assert kept_in(tmp_path, identity) == Kept([], None, ())


def test_tensors_stay_in_checkpoints(kept):
    WholeFiles().save_checkpoint({"vitdsl": {"history": []}, "x": torch.ones(2)}, kept / CHECKPOINT)
    assert found(kept).history == []
