"""Teachers: of trainings and of timm, with their own statistics; frozen, and no part of what is kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from lightning.pytorch.callbacks import Callback

import vitdsl
from tests.training.small_runs import PLAIN, SPEC, recipe_of, run, spec_of, timeless
from vitdsl.errors import CheckpointError, InputError, SpecError
from vitdsl.training.checkpoints import read_checkpoint
from vitdsl.training.teachers import Teacher, load_teachers

COLOURS = SPEC.replace(
    "channels: 1, mean: [0.5], std: [0.5]", "channels: 3, mean: [0.1, 0.2, 0.3], std: [0.5, 0.6, 0.7]"
)
LARGER = SPEC.replace("mean: [0.5], std: [0.5]", "mean: [0.2], std: [0.4]").replace("dim: 16", "dim: 24")
TIMM = "resnet10t"
pytestmark = pytest.mark.usefixtures("one_thread")


def recipe(teacher: str, weights: Path | None = None, **more: Any):
    loss = {"type": "distillation", "teacher": teacher, "output": "logits", **more}
    loss |= {} if weights is None else {"teacher_weights": str(weights)}
    return recipe_of(**PLAIN, losses={"labels": "cross_entropy", "teacher": loss})


@pytest.fixture(scope="module")
def trained(tmp_path_factory, digits) -> Path:
    """Weights that a training wrote, of a spec with other statistics."""
    folder = tmp_path_factory.mktemp("teacher")
    run(folder, digits, spec_of(LARGER, name="larger"), recipe_of(epochs=1, schedule={}))
    return folder / "last.safetensors"


@pytest.fixture(scope="module")
def timms(tmp_path_factory) -> Path:
    """Weights of a model of timm, for ten classes."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("timm") / "weights.pth"
    torch.save(timm.create_model(TIMM, num_classes=10).state_dict(), path)
    return path


def images(channels: int) -> torch.Tensor:
    return torch.randn(4, channels, 8, 8, generator=torch.Generator().manual_seed(1))


def test_a_teacher_of_a_training(trained):
    """It is built from the spec in the file's header, and sees photos in its own statistics."""
    (teacher,) = load_teachers(recipe("larger", trained), spec_of()).values()
    model = vitdsl.build(spec_of(LARGER)).eval()
    vitdsl.load_weights(model, trained)
    x = images(1)
    with torch.no_grad():
        expected = model((x * 0.5 + 0.5 - 0.2) / 0.4)
    torch.testing.assert_close(teacher(x), expected, rtol=1e-5, atol=1e-6)


def test_a_teacher_of_a_file(trained, tmp_path):
    (tmp_path / "file.yaml").write_text(LARGER)
    (teacher,) = load_teachers(recipe(str(tmp_path / "file.yaml"), trained), spec_of()).values()
    (same,) = load_teachers(recipe("larger", trained), spec_of()).values()
    assert torch.equal(teacher(images(1)), same(images(1)))


def test_a_teacher_of_timm(timms):
    (teacher,) = load_teachers(recipe(f"timm:{TIMM}", timms), spec_of(COLOURS)).values()
    model = timm.create_model(TIMM, num_classes=10, checkpoint_path=str(timms)).eval()
    config = model.pretrained_cfg
    own, theirs = (
        [torch.tensor(each)[:, None, None] for each in pair]
        for pair in (((0.1, 0.2, 0.3), (0.5, 0.6, 0.7)), (config["mean"], config["std"]))
    )
    x = images(3)
    with torch.no_grad():
        expected = model((x * own[1] + own[0] - theirs[0]) / theirs[1])
    torch.testing.assert_close(teacher(x), expected, rtol=1e-4, atol=1e-5)


def test_a_teacher_of_the_same_statistics_sees_the_images_themselves():
    class Sees(torch.nn.Module):
        def forward(self, x):
            return x

    half = torch.tensor([0.5])
    x = images(1)
    assert Teacher(Sees(), (half, half), (half, half))(x) is x


def test_a_teacher_is_frozen():
    teacher = Teacher(torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Dropout()), *[(torch.ones(1),) * 2] * 2)
    assert not teacher.model.training
    assert not any(parameter.requires_grad for parameter in teacher.model.parameters())
    assert not teacher(torch.ones(1, 1, 1, 2, requires_grad=True)).requires_grad


@pytest.mark.parametrize("kind", ["hard", "soft"])
def test_a_training_with_a_teacher(trained, tmp_path, digits, kind):
    class Looks(Callback):
        def on_train_batch_end(self, trainer: Any, pl_module: Any, *more: Any) -> None:
            (teacher,) = pl_module.objective.teachers.values()
            assert not any(module.training for module in teacher.model.modules())
            assert all(parameter.grad is None for parameter in teacher.model.parameters())
            state = {key: value.clone() for key, value in teacher.model.state_dict().items()}
            assert not hasattr(self, "state") or all(torch.equal(state[key], self.state[key]) for key in state)
            self.state = state

    how = recipe("larger", trained, kind=kind)
    result = run(tmp_path, digits, recipe=how, callbacks=(Looks(),))
    assert {"labels", "teacher"} <= result.history[0].keys()
    assert {key.split(".")[0] for key in read_checkpoint(tmp_path / "last.ckpt")["state_dict"]} == {"model", "average"}
    assert timeless(run(tmp_path / "again", digits, recipe=how).history) == timeless(result.history)


# ---------------------------------------------------------------- refusals


def refused(how, spec, words):
    with pytest.raises(InputError) as error:
        load_teachers(how, spec)
    assert words in str(error.value)
    assert "larger" in str(error.value) or "timm" in str(error.value) or "teacher" in str(error.value)
    assert isinstance(error.value, SpecError)
    assert error.value.problems[0].path.startswith("losses.teacher.teacher")
    return str(error.value)


def test_no_weights():
    refused(recipe("deit_tiny"), spec_of(), "a teacher that is a spec needs weights")


def test_no_file(tmp_path):
    refused(recipe("larger", tmp_path / "nothing.safetensors"), spec_of(), "there is no file")
    refused(recipe(f"timm:{TIMM}", tmp_path / "nothing.pth"), spec_of(COLOURS), "there is no file")


def test_other_classes(trained, timms, tmp_path):
    refused(recipe("larger", trained), spec_of(classes=7), "tells 10 classes, but the student 7")
    refused(recipe(f"timm:{TIMM}", timms), spec_of(COLOURS, classes=7), "cannot be had: Error(s) in loading state_dict")


def test_other_channels(trained, timms):
    refused(recipe("larger", trained), spec_of(COLOURS), "cannot take the student's images, 3 × 8 × 8")
    refused(recipe(f"timm:{TIMM}", timms), spec_of(), "cannot take the student's images, 1 × 8 × 8")


def test_sizes_that_it_cannot_take(trained, tmp_path):
    refused(recipe("larger", trained), spec_of(**{"input.size": 10, "stages[0].tokenizer.size": 5}), "10 × 10")
    path = tmp_path / "vit.pth"
    torch.save(timm.create_model("vit_tiny_patch16_224", num_classes=10, depth=1).state_dict(), path)
    with pytest.raises(SpecError, match="cannot be had"):
        load_teachers(recipe("timm:vit_tiny_patch16_224", path), spec_of(COLOURS))


def test_unknown_names(timms, trained):
    said = refused(recipe("timm:resnet10tt", timms), spec_of(COLOURS), "timm has no model `resnet10tt`")
    assert "resnet10t" in said
    with pytest.raises(SpecError, match="nowhere"):
        load_teachers(recipe("nowhere", timms), spec_of())


def test_weights_of_another_model(timms, tmp_path):
    (tmp_path / "file.yaml").write_text(LARGER)
    with pytest.raises(CheckpointError):
        load_teachers(recipe(str(tmp_path / "file.yaml"), timms), spec_of())
