"""Parts of other packages in ejected files: written where they say what their layers are made of, else refused."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

import vitdsl
from tests.compiler.test_eject import check_text, put, run
from tests.packages import installed
from vitdsl.spec import Spec

FOREIGN = '''
from functools import partial
from typing import ClassVar, Literal
import torch
from torch import nn
from vitdsl.layers.norms import BatchNorm
from vitdsl.parts.base import Primitive

class Twice(nn.Module):
    def forward(self, x):
        return x + x

class Scaled(Primitive):
    """A part that says no more than `build`."""
    family: ClassVar[str] = "built"
    type: Literal["built"] = "built"
    def infer(self, *inputs):
        return inputs[0]
    def build(self, *inputs):
        return Twice()

class Built(Scaled):
    pass

class Owned(Scaled):
    """A layer of its own."""
    family: ClassVar[str] = "owned"
    type: Literal["owned"] = "owned"
    def layer(self, *inputs):
        return partial(Twice)
    build = Primitive.build

class Made(Owned):
    """A layer of torch's."""
    family: ClassVar[str] = "made"
    type: Literal["made"] = "made"
    def layer(self, *inputs):
        return partial(nn.ELU, 0.5)

class Typed(Owned):
    """A layer that is given what has no literal."""
    family: ClassVar[str] = "typed"
    type: Literal["typed"] = "typed"
    value: str
    def layer(self, *inputs):
        values = {"dtype": torch.float32, "inf": float("inf"), "tensor": torch.ones(2), "within": [{"a": (1, {1})}]}
        return partial(nn.Identity, values[self.value])
'''


NO = "so it cannot be written"


def foreign(*items: Any, **more: Any) -> Spec:
    first = {"tokenizer": {"type": "patch", "size": 4, "dim": 8}, "body": [*items]}
    own = {"name": "s", "input": {"size": 8}, "classes": 2, "stages": [first], "head": {"pool": "mean"}}
    return vitdsl.load({**own, **more})


@pytest.fixture
def package(tmp_path: Path) -> Iterator[None]:
    with installed(tmp_path, "foreign_parts", FOREIGN, built="built", owned="owned", made="made", typed="typed"):
        yield


@pytest.mark.usefixtures("package")
def test_a_part_with_build_alone_runs_and_is_refused_at_its_place() -> None:
    used = {"use": "twice"}
    spec = foreign(
        "mlp", {"body": [{"repeat": 2, "body": [{"built": {}}]}]}, used, define={"twice": {"body": [{"built": {}}]}}
    )
    model = vitdsl.build(spec).eval()
    assert torch.isfinite(model(torch.rand(2, 3, 8, 8))).all()
    makers = re.findall(r"^# (part\d*): made by `(?:Scaled|Built)\.build` of foreign_parts$", model.code, re.MULTILINE)
    assert set(makers) == set(re.findall(r"built=(part\d*)\(\)", model.code))
    assert makers
    with pytest.raises(vitdsl.SpecError) as error:
        vitdsl.eject(spec)
    (problem,) = error.value.problems
    assert problem.path == "stages[0].body[1].body[0].body[0].built"
    assert problem.message == f"the part `built` does not say what its layer is made of, {NO}"
    assert problem.hint == "in place of `build`, its class needs a method `layer` that gives a class and its arguments"


@pytest.mark.usefixtures("package")
def test_a_part_in_a_define_is_refused_there() -> None:
    spec = foreign({"use": "twice"}, define={"twice": {"body": ["mlp", {"built": {}}]}})
    with pytest.raises(vitdsl.SpecError) as error:
        vitdsl.eject(spec)
    assert [each.path for each in error.value.problems] == ["define.twice.body[1].built"]


@pytest.mark.usefixtures("package")
def test_each_part_that_cannot_be_written_is_named_once() -> None:
    spec = foreign({"owned": {}}, {"made": {}}, {"built": {}}, {"owned": {}})
    assert "owned=Twice()" in vitdsl.build(spec).code
    with pytest.raises(vitdsl.SpecError) as error:
        vitdsl.eject(spec)
    assert {each.path: each.message for each in error.value.problems} == {
        "stages[0].body[0].owned": f"the layer of the part `owned` needs `Twice` of foreign_parts, {NO}",
        "stages[0].body[2].built": f"the part `built` does not say what its layer is made of, {NO}",
    }


@pytest.mark.usefixtures("package")
def test_a_part_whose_layer_is_torchs_is_written(tmp_path: Path) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    put(folder, "made", foreign({"made": {}}, "mlp"))
    assert "made=nn.ELU(0.5)" in (folder / "made.py").read_text()
    run(folder)
    check_text(folder)


@pytest.mark.usefixtures("package")
@pytest.mark.parametrize(
    ("value", "name"), [("dtype", "dtype"), ("inf", "float"), ("tensor", "Tensor"), ("within", "set")]
)
def test_a_layer_that_is_given_what_cannot_be_written_runs(value: str, name: str) -> None:
    spec = foreign("mlp", {"typed": {"value": value}})
    model = vitdsl.build(spec).eval()
    assert torch.isfinite(model(torch.rand(2, 3, 8, 8))).all()
    assert re.search(r"^# part: made by `Identity` of torch\.nn", model.code, re.MULTILINE)
    with pytest.raises(vitdsl.SpecError) as error:
        vitdsl.eject(spec)
    (problem,) = error.value.problems
    assert problem.path == "stages[0].body[1].typed"
    assert problem.message == f"the layer of the part `typed` is given a value of the type `{name}`, {NO}"
