"""Ejected files: they need torch alone, and are the model."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

import vitdsl
from tests.compiler.ejected import both, module_of, tensors
from tests.compiler.test_sizes import FAMILIES
from tests.hybrids.models import drawn
from tests.zoo.specs import NAMES
from vitdsl.compiler.model import VisionModel
from vitdsl.spec import Spec
from vitdsl.syntax.printer import dump_tree

LARGEST = 30_000_000
"""Shipped models of at most so many parameters are run."""


@pytest.fixture(autouse=True)
def _one_thread() -> Any:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def put(folder: Path, name: str, spec: Spec, batch: int = 2) -> None:
    """The file of a spec, and what it must give."""
    torch.manual_seed(0)
    model = vitdsl.build(spec).float()
    (folder / f"{name}.py").write_text(vitdsl.eject(spec), encoding="utf-8")
    channels, (height, width) = spec.model.input.channels, spec.model.input.size
    image = torch.randn(batch, channels, height, width, generator=torch.Generator().manual_seed(1))
    held = {f"weight:{key}": tensor.clone() for key, tensor in model.state_dict().items()}
    save_file({**held, "image": image, **copies(both(model, image))}, folder / f"{name}.safetensors")


def copies(found: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {key: tensor.contiguous().clone() for key, tensor in found.items()}


def run(folder: Path) -> None:
    """All files of a folder, where there is no vitdsl."""
    script = Path(__file__).with_name("ejected.py")
    done = subprocess.run([sys.executable, script, folder], capture_output=True, text=True, cwd=folder, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["ours"] == []
    assert len(found["faults"]) == len([*folder.glob("*.py")]) > 0
    assert {name: fault for name, fault in found["faults"].items() if fault} == {}


def check_text(folder: Path) -> None:
    """The files are what ruff accepts, and compile without a warning."""
    files = sorted(folder.glob("*.py"))
    for rules in ([], ["--select", "E4,E7,E9,F,I,UP,B"]):
        command = [sys.executable, "-m", "ruff", "check", "--isolated", "--no-cache", *rules, *files]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    for file in files:
        compile(file.read_text(encoding="utf-8"), file.name, "exec")  # a warning is an error in tests


def test_a_model_of_each_family_is_the_file_that_it_becomes(tmp_path: Path) -> None:
    for name, edits in FAMILIES.items():
        put(tmp_path, name, vitdsl.load(name, {**edits, "classes": 5}))
    run(tmp_path)
    check_text(tmp_path)


def hybrids(count: int) -> list[Spec]:
    """Drawn specs that are accepted and small."""
    found: list[Spec] = []
    number = 0
    while len(found) < count:
        number += 1
        try:
            spec = vitdsl.load(dump_tree(drawn(number)))
            if spec.analyze().activation_bytes <= 2**24:
                found.append(spec)
        except vitdsl.SpecError:
            continue
    return found


@pytest.mark.parametrize("count", [6, pytest.param(200, marks=pytest.mark.full)])
def test_drawn_models_are_the_files_that_they_become(tmp_path: Path, count: int) -> None:
    for number, spec in enumerate(hybrids(count)):
        put(tmp_path, f"h{number}", spec, batch=3)
    run(tmp_path)
    check_text(tmp_path)


def test_a_wrong_file_is_found(tmp_path: Path) -> None:
    """The comparison sees another value, another key, and a file that needs vitdsl."""
    spec = vitdsl.load("deit_tiny", {**FAMILIES["deit_tiny_distilled"], "classes": 5})
    changes = [("value", "eps=1e-06", "eps=1e-05"), ("key", "classifier", "classified")]
    for name, was, becomes in [*changes, ("ours", "import torch\n", "import vitdsl\n")]:
        put(tmp_path, name, spec)
        file = tmp_path / f"{name}.py"
        before, middle, code = file.read_text().partition("from __future__")
        assert was in code
        file.write_text(before + middle + code.replace(was, becomes))
    with pytest.raises(AssertionError) as error:
        run(tmp_path)
    for expected in ("its keys are others", "other values", "ModuleNotFoundError"):
        assert expected in str(error.value)


def shapes(model: VisionModel) -> str:
    return json.dumps([[key, [*tensor.shape], str(tensor.dtype)] for key, tensor in model.state_dict().items()])


def classes_of(code: str) -> dict[str, str]:
    """The text of each class, the check of the image's size apart."""
    lines = code.splitlines()
    nodes = [node for node in ast.parse(code).body if isinstance(node, ast.ClassDef)]
    texts = {node.name: "\n".join(lines[node.lineno - 1 : node.end_lineno]) for node in nodes}
    check = r"        if image\.shape\[1:\] != .*\n            raise ValueError\(.*\n"
    return {name: re.sub(check, "", text) for name, text in texts.items()}


def test_classes_are_those_that_run() -> None:
    """The generated classes in a file are those of `code`."""
    spec = vitdsl.load("cvt13")
    inner, outer = classes_of(vitdsl.build(spec, "meta").code), classes_of(vitdsl.eject(spec))
    assert {name: outer[name] for name in inner} == inner
    assert list(outer)[-len(inner) :] == list(inner)


@pytest.mark.full
@pytest.mark.parametrize("start", range(0, len(NAMES), 20))
def test_every_shipped_spec(tmp_path: Path, start: int) -> None:
    """All have the same keys and shapes; those that are small enough compute the same, bit by bit."""
    for name in NAMES[start : start + 20]:
        spec = vitdsl.load(name)
        if spec.analyze().params <= LARGEST:
            put(tmp_path, name, spec, batch=2 if has_batch_norm(spec) else 1)
        else:
            model, text = vitdsl.build(spec, "meta"), vitdsl.eject(spec)
            (tmp_path / f"{name}.py").write_text(text, encoding="utf-8")
            (tmp_path / f"{name}.json").write_text(shapes(model))
        inner, outer = classes_of(vitdsl.build(spec, "meta").code), classes_of((tmp_path / f"{name}.py").read_text())
        assert {name: outer[name] for name in inner} == inner
    run(tmp_path)
    check_text(tmp_path)


def has_batch_norm(spec: Spec) -> bool:
    """In training, it needs more than one value a channel."""
    return any(node.type == "batch" for node in spec.analyze().nodes())


# ---------------------------------------------------------------- images of another size


def test_a_file_refuses_images_that_its_model_would_not_take() -> None:
    """One that has windows is right for one size; one that has none takes any that its patches tile."""
    swin = module_of(vitdsl.eject(vitdsl.load("swin_tiny", {"stages[2].depth": 2})))["Model"]().eval()
    with pytest.raises(ValueError, match=r"images must be \(B, 3, 224, 224\), but are \(1, 3, 256, 224\)"):
        swin(torch.rand(1, 3, 256, 224))
    assert swin(torch.rand(1, 3, 224, 224)).shape == (1, 1000)
    spec = vitdsl.load("resnet18", {"input.size": 64})
    torch.manual_seed(0)
    model = vitdsl.build(spec).eval()
    other = module_of(vitdsl.eject(spec))["Model"]().eval()
    other.load_state_dict(model.state_dict())
    image = torch.rand(2, 3, 96, 64)
    assert torch.equal(tensors(other(image))[0], model(image))


def test_a_size_in_place_of_the_specs() -> None:
    spec = vitdsl.load("deit_tiny", {"stages[0].depth": 1})
    text = vitdsl.eject(spec, size=(64, 96))
    model = module_of(text)["Model"]()
    assert {key: tensor.shape for key, tensor in model.state_dict().items()} == {
        key: tensor.shape for key, tensor in vitdsl.build(spec, "meta", size=(64, 96)).state_dict().items()
    }


def test_equal_specs_become_equal_files() -> None:
    """The text is a function of the spec: no order of a set, no address, no time is in it."""
    command = [sys.executable, "-c", "import vitdsl; print(vitdsl.eject('levit_128s'))"]
    env = {**os.environ, "PYTHONHASHSEED": "1", "PYTHONPATH": ":".join(sys.path)}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=env)
    assert done.stdout == vitdsl.eject("levit_128s") + "\n"
